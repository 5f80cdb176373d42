"""Example translations side by side: the sentences on which systems differ most."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import regex

from nmt_prune.evaluation.quality.sentence_statistics import sentence_bleu
from nmt_prune.evaluation.quality.text import read_lines
from nmt_prune.evaluation.records.references import reference_file
from nmt_prune.evaluation.records.scored_runs import ScoredRun, ScoredRuns
from nmt_prune.evaluation.reports.results import Results
from nmt_prune.evaluation.reports.tables.bleu import percent
from nmt_prune.techniques import DENSE
from nmt_prune.techniques.labels import is_control, is_searched, label, ordered

EACH_WAY = 5
"""Sentences on which the dense model is better than the others, and as many on which it is worse."""
MOST_SYSTEMS = 4
SHORTEST = 6
"""Words and signs of a reference: of a title of one word BLEU is 0 or 100, and nothing else would be shown."""

_WORDS = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\w&&[^\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]]+|\s+|.",
    flags=regex.VERSION1,
)


@dataclass(frozen=True)
class Translation:
    """What a system made of a sentence.

    Attributes:
        system: its name.
        technique: of which technique.
        bleu: sentence BLEU.
        words: its text in pieces, each with whether the reference lacks it there.
    """

    system: str
    technique: str
    bleu: float
    words: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Example:
    """A sentence and its translations.

    Attributes:
        line: number of the sentence in the test set, from 1 on.
        source: source text; None where it is not there.
        reference: reference.
        translations: of the systems.
    """

    line: int
    source: str | None
    reference: str
    translations: tuple[Translation, ...]


def examples(results: Results, scored: ScoredRuns, data: Path | None = None) -> list[Example]:
    """Sentences that differ most in BLEU between the dense model and the sparsest runs of the other techniques.

    Sentences whose reference is shorter than :data:`SHORTEST` are left out, unless all are.

    Args:
        results: the results.
        scored: the runs, with their translations.
        data: data folder with the references, see :func:`nmt_prune.evaluation.reports.gathering.gather`.

    Returns:
        First those that the dense model translates better than the mean of the others, then the others; none without a
        dense model.
    """
    systems = _systems(scored)
    if len(systems) < 2:
        return []
    path = reference_file(scored.scored[0].scores, data)
    references, sources = read_lines(path), _sources(path, results)
    bleu = np.stack([sentence_bleu(results.statistics[run.name]) for run in systems.values()])
    lead = bleu[0] - bleu[1:].mean(axis=0)
    order = np.argsort(-lead, kind="stable").tolist()
    whole = [line for line in order if len(_pieces(references[line])) >= SHORTEST] or order
    first = [line for line in whole[:EACH_WAY] if lead[line] > 0]
    last = [line for line in whole[::-1][:EACH_WAY] if lead[line] < 0]
    texts = [run.hypotheses() for run in systems.values()]
    return [
        Example(
            line + 1,
            sources[line] if sources else None,
            references[line],
            tuple(
                Translation(name, run.record.technique, float(score[line]), marked(text[line], references[line]))
                for (name, run), score, text in zip(systems.items(), bleu, texts, strict=True)
            ),
        )
        for line in (*first, *last)
    ]


def marked(hypothesis: str, reference: str) -> tuple[tuple[str, bool], ...]:
    """Cuts a text where it begins or ends to differ from the reference, word by word; case counts."""
    words, theirs = _WORDS.findall(hypothesis), _WORDS.findall(reference)
    pieces = []
    for kind, start, end, *_ in SequenceMatcher(None, words, theirs, autojunk=False).get_opcodes():
        if start < end:
            pieces.append(("".join(words[start:end]), kind != "equal"))
    return tuple(pieces)


def _pieces(text: str) -> list[str]:
    return [piece for piece in _WORDS.findall(text) if not piece.isspace()]


def _systems(scored: ScoredRuns) -> dict[str, ScoredRun]:
    """The dense run of the first seed that has one, and the sparsest run of each technique with that seed."""
    if not scored.dense:
        return {}
    seed = min(scored.dense)
    sparsest: dict[str, ScoredRun] = {}
    for run in scored.of_seed(seed):
        name = run.record.technique
        if name == DENSE or is_control(name) or is_searched(name):
            continue
        if name not in sparsest or run.record.sparsity > sparsest[name].record.sparsity:
            sparsest[name] = run
    chosen = [sparsest[name] for name in ordered(sparsest)][:MOST_SYSTEMS]
    names = {f"{label(run.record.technique)}, {percent(run.record.sparsity)}": run for run in chosen}
    return {f"dense, seed {seed}": scored.dense[seed], **names}


def _sources(reference: Path, results: Results) -> Sequence[str]:
    """Source text beside the references, as ``nmt-prune data`` writes it; nothing where it is not there."""
    if results.pair is None:
        return ()
    path = reference.with_suffix(f".{results.pair.removesuffix(f'-{reference.suffix[1:]}')}")
    if path == reference or not path.is_file():
        return ()
    lines = read_lines(path)
    return lines if len(lines) == results.convention.sentences else ()
