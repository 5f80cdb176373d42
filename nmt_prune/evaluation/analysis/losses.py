"""Where BLEU is lost: by length of the sentence, by frequency of the word, and sentence by sentence."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nmt_prune.evaluation.quality.sentence_statistics import corpus_bleu, sentence_bleu
from nmt_prune.evaluation.reports.aggregates import Cell
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.evaluation.reports.tables.bleu import NOTHING, by_row, sparsity_of
from nmt_prune.evaluation.reports.tables.table import Section, Table
from nmt_prune.techniques import DENSE
from nmt_prune.techniques.labels import label
from nmt_prune.text.bleu import bleu_metric

LENGTHS = (1, 10, 20, 30, 40, 60)
"""Least words of a reference in each group of sentences."""
FREQUENCIES = (1, 2, 3, 5, 10, 100, 1000)
"""Least occurrences in the references of each group of words."""
EQUAL = 0.05
"""Differences in sentence BLEU that are none."""

Counts = NDArray[np.float64]


def losses(
    results: Results, translations: Mapping[str, Sequence[str]], references: Sequence[str], tokenize: str
) -> list[Section]:
    """One section for each of the three.

    Args:
        results: results, with the statistics of their sentences.
        translations: of each run.
        references: of the test set.
        tokenize: sacreBLEU's tokenizer, for the words.
    """
    return [_by_length(results), _by_frequency(results, translations, references, tokenize), *_by_sentence(results)]


def _runs(results: Results) -> Iterator[tuple[Cell, list[RunResult]]]:
    """The runs of each cell of the tables."""
    cells: dict[Cell, list[RunResult]] = defaultdict(list)
    for row in results.rows:
        for cell in Cell.all_of(row):
            cells[cell].append(row)
    return ((cell, cells[cell]) for cell in results.aggregates)


def _names(results: Results, cell: Cell) -> list[str]:
    return [label(cell.technique), sparsity_of(results.aggregates[cell])]


def _groups(starts: Sequence[int], values: Sequence[int]) -> list[tuple[str, int, int]]:
    """Groups that have something, with name, least and next least value."""
    most = max(values, default=0)
    ends = [(low, high) for low, high in pairwise([*starts, most + 1]) if low < high and low <= most]
    ends[-1:] = [(ends[-1][0], most + 1)] if ends else []
    named = [(f"{low}–{high - 1}" if high - low > 1 else str(low), low, high) for low, high in ends]
    return [group for group in named if any(group[1] <= value < group[2] for value in values)]


def _by_length(results: Results) -> Section:
    lengths = np.array(next(iter(results.statistics.values())))[:, 1]
    groups = _groups(LENGTHS, lengths.tolist())
    rows, cells = [], []
    for cell, runs in _runs(results):
        numbers = []
        for _, low, high in groups:
            chosen = (lengths >= low) & (lengths < high)
            bleu = [float(corpus_bleu(results.statistics[run.run][chosen].sum(axis=0))) for run in runs]
            numbers.append(f"{np.mean(bleu):.1f}")
        rows.append([*_names(results, cell), *numbers])
        cells.append(cell)
    counts = [int(((lengths >= low) & (lengths < high)).sum()) for _, low, high in groups]
    headings = [
        "system",
        "sparsity",
        *(f"{name} ({count:,})" for (name, *_), count in zip(groups, counts, strict=True)),
    ]
    note = (
        "BLEU of the sentences whose reference has so many words and signs (in parentheses: sentences), mean over"
        " seeds. Groups are small test sets: their BLEU is uncertain."
    )
    return Section("BLEU by length of the sentence", Table(headings, rows, by_row(cells)), [note])


def _by_frequency(
    results: Results, translations: Mapping[str, Sequence[str]], references: Sequence[str], tokenize: str
) -> Section:
    split = bleu_metric(tokenize).tokenizer
    theirs = [Counter(split(line).split()) for line in references]
    frequency = sum(theirs, Counter[str]())
    groups = _groups(FREQUENCIES, list(frequency.values()))
    group_of = {
        word: place
        for word, count in frequency.items()
        for place, (_, low, high) in enumerate(groups)
        if low <= count < high
    }
    wanted = _count(theirs, group_of, len(groups))
    found: dict[str, list[float]] = {}
    for run, lines in translations.items():
        ours = [Counter(split(line).split()) for line in lines]
        right = _count([one & other for one, other in zip(ours, theirs, strict=True)], group_of, len(groups))
        found[run] = (2 * right / np.maximum(_count(ours, group_of, len(groups)) + wanted, 1)).tolist()
    rows, cells = [], []
    for cell, runs in _runs(results):
        means = np.mean([found[run.run] for run in runs], axis=0)
        rows.append([*_names(results, cell), *(f"{100 * mean:.1f}" for mean in means)])
        cells.append(cell)
    named = [f"{name} × ({int(count):,})" for (name, *_), count in zip(groups, wanted, strict=True)]
    headings = ["system", "sparsity", *named]
    note = (
        "F1 in per cent of words that stand so often in the references (in parentheses: occurrences), mean over seeds:"
        " words of a sentence that its reference has too. Rare in the references need not be rare in the training."
        " Words split as for BLEU; words that no reference has are left out."
    )
    return Section("Words by frequency", Table(headings, rows, by_row(cells)), [note])


def _count(lines: Sequence[Counter[str]], group_of: Mapping[str, int], groups: int) -> Counts:
    counts = np.zeros(groups)
    for line in lines:
        for word, count in line.items():
            if word in group_of:
                counts[group_of[word]] += count
    return counts


def _by_sentence(results: Results) -> list[Section]:
    """Nothing without a dense model."""
    scores = {run: sentence_bleu(statistics) for run, statistics in results.statistics.items()}
    dense = {row.seed: scores[row.run] for row in results.rows if row.technique == DENSE}
    rows, cells = [], []
    for cell, runs in _runs(results):
        leads = [scores[run.run] - dense[run.seed] for run in runs if run.seed in dense]
        if cell.technique == DENSE or not leads:
            continue
        lead = np.concatenate(leads)
        shares = [np.mean(lead > EQUAL), np.mean(abs(lead) <= EQUAL), np.mean(lead < -EQUAL)]
        means = [lead[lead > EQUAL], lead[lead < -EQUAL]]
        rows.append([*_names(results, cell), *(f"{share:.1%}" for share in shares), *map(_mean, means)])
        cells.append(cell)
    headings = ["system", "sparsity", "won", "equal", "lost", "won by", "lost by"]
    note = (
        "Sentences that the system translates better than the dense model of its seed, as well, and worse, by"
        " sentence BLEU; *by*: mean difference on these. The page has some of them."
    )
    return [Section("Sentences won and lost", Table(headings, rows, by_row(cells)), [note])] if rows else []


def _mean(values: Counts) -> str:
    return f"{values.mean():+.1f}" if len(values) else NOTHING
