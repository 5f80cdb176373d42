"""Parallel text as rows of a model's dictionaries."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.runtime.segmentation import Segmentation
from nmt_prune.runtime.vocabulary import Vocabulary
from nmt_prune.shortlisting.sentences import Sentences
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS, languages, read_symbols
from nmt_prune.text.plain_text import text_lines

Sides = tuple[Sentences, Sentences]


def training_folder(model: CompactModel) -> Path:
    """The data folder that a model was trained on.

    Raises:
        PruneError: nothing is known about it.
    """
    task: Any = model.provenance.get("configuration")
    for key in ("task", "data"):
        task = task.get(key) if isinstance(task, Mapping) else None
    if not isinstance(task, str) or not task:
        raise PruneError("the model does not say what it was trained on; name the data folder with --data")
    return Path(task.split(":")[0])


def from_folder(data: Path, model: CompactModel, most: int) -> Sides:
    """The training subset of a data folder, so many pairs of it at most, evenly spaced.

    Args:
        data: folder of fairseq-preprocess.
        model: whose dictionaries it has.
        most: pairs of sentences.

    Raises:
        PruneError: it has other dictionaries or no training subset, or cannot be read.
    """
    pair = languages(data)
    sides = (model.text.get("source_lang") or pair[0], model.text.get("target_lang") or pair[1])
    if set(sides) != set(pair):
        raise PruneError(f"{data} is of {'-'.join(pair)}, the model of {'-'.join(sides)}; give its own training data")
    for language, symbols in zip(sides, (model.source, model.target), strict=True):
        if tuple(read_symbols(data / f"dict.{language}.txt")) != symbols:
            raise PruneError(f"{data} has another {language} dictionary than the model; give its own training data")
    from nmt_prune.measuring.binarized import subsets  # imports fairseq, which takes seconds

    source, target = (subsets(data, "-".join(pair), language) for language in sides)
    count = sum(map(len, source))
    if not count or count != sum(map(len, target)):
        raise PruneError(f"{data} has no training subset, or sides of different lengths; make it anew")
    return _pairs(_rows(source), _rows(target), -(-count // most))


def _rows(datasets: Iterable[Any]) -> Iterator[list[int]]:
    for dataset in datasets:
        for index in range(len(dataset)):
            yield [row for row in dataset[index].tolist() if row != EOS]


def from_texts(source: Path, target: Path, model: CompactModel, most: int) -> Sides:
    """Two texts, a sentence a line, split as the model says; so many pairs at most, evenly spaced.

    Raises:
        PruneError: they cannot be read or have different numbers of lines.
    """
    counts = [sum(1 for _ in _lines(path)) for path in (source, target)]
    if counts[0] != counts[1] or not counts[0]:
        raise PruneError(f"{source} has {counts[0]} lines, {target} {counts[1]}; give texts of the same sentences")
    segmentation, step = Segmentation(model), -(-counts[0] // most)

    def rows(path: Path, symbols: Sequence[str], side: str) -> Iterator[list[int]]:
        vocabulary = Vocabulary(symbols)
        for line in islice(_lines(path), 0, None, step):
            yield vocabulary.rows(segmentation.split(line, side))

    return _pairs(rows(source, model.source, "source"), rows(target, model.target, "target"), 1)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            for line in text_lines(file, str(path)):
                yield line.decode("utf-8", errors="replace")
    except OSError as error:
        raise PruneError(f"{path} cannot be read: {error.strerror}") from None


def _pairs(source: Iterator[list[int]], target: Iterator[list[int]], step: int) -> Sides:
    pairs = [pair for pair in islice(zip(source, target, strict=True), 0, None, step) if all(pair)]
    if not pairs:
        raise PruneError("the parallel text has no pair of sentences with words on both sides")
    return Sentences.of(pair[0] for pair in pairs), Sentences.of(pair[1] for pair in pairs)
