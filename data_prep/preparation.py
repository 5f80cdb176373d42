"""Making a data folder: corpus, subwords, length limit, binarization, manifest."""

import itertools
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from data_prep.binarize import binarize
from data_prep.corpora import CORPORA, Corpus, Report
from data_prep.digests import folder_digests
from data_prep.pairs import Pair, Splits, write_sides
from data_prep.subwords import Segmenter, train_model
from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, read_json, write_json

MANIFEST = "manifest.json"
_PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Preparation:
    """What is done to the text of a corpus; together with the corpus's own settings it decides every byte.

    Attributes:
        vocab_size: entries of the joined dictionary.
        model_type: ``unigram`` or ``bpe``.
        max_length: longest sentence in subwords on either side, without the end of sentence; 0 is no limit.
        valid_size: pairs for validation; 0 (given held-out sets only) is all.
        test_size: pairs for testing; likewise.
    """

    vocab_size: int
    model_type: str
    max_length: int
    valid_size: int
    test_size: int

    @classmethod
    def of(cls, corpus: Corpus, **given: Any) -> "Preparation":
        """The corpus's defaults, overridden by what is given and not None.

        Raises:
            PruneError: a value is out of range.
        """
        defaults: dict[str, Any] = {
            "vocab_size": corpus.vocab_size,
            "model_type": corpus.model_type,
            "max_length": corpus.max_length,
            "valid_size": corpus.heldout_size,
            "test_size": corpus.heldout_size,
        }
        values = {**defaults, **{key: value for key, value in given.items() if value is not None}}
        smallest = {"vocab_size": 8, "max_length": 0, "valid_size": 1, "test_size": 1}
        if corpus.fixed_heldout:
            smallest |= {"valid_size": 0, "test_size": 0}
        for key, least in smallest.items():
            if values[key] < least:
                raise PruneError(f"--{key.replace('_', '-')} {values[key]} is too small; the least is {least}")
        return cls(**values)


def prepare(
    corpus: Corpus, preparation: Preparation, out: Path, *, cache: Path, report: Report, force: bool = False
) -> bool:
    """Makes the data folder ``out``, unless it is there with the same settings.

    Args:
        corpus: where the text comes from.
        preparation: what is done to it.
        out: the folder; it appears only when it is complete.
        cache: folder that keeps what was downloaded.
        report: called with a line about each step.
        force: make it anew whatever it holds.

    Returns:
        Whether the folder was made.

    Raises:
        PruneError: ``out`` holds something else, or a step fails; ``out`` is as it was before.
    """
    settings = {"corpus": _name(corpus), **corpus.settings(), **asdict(preparation)}
    if out.exists() and not _must_replace(out, settings, force):
        report(f"{out} is up to date")
        return False
    splits = corpus.load(preparation.valid_size, preparation.test_size, cache, report)
    report(f"training subwords: {preparation.model_type}, vocabulary {preparation.vocab_size}")
    model = train_model(splits.train, preparation.vocab_size, preparation.model_type)
    segmenter = Segmenter(model)
    kept = within_limits(splits, segmenter, preparation, corpus.fixed_heldout)
    for part, wanted in (("valid", preparation.valid_size), ("test", preparation.test_size)):
        if len(getattr(kept, part)) < wanted:
            report(f"note: {part} has {len(getattr(kept, part))} pairs that are short enough, not {wanted}")
    with atomic_path(out) as folder:
        folder.mkdir()
        (folder / "sentencepiece.model").write_bytes(model)
        report("binarizing with fairseq-preprocess")
        _write_text(kept, segmenter, folder, corpus.source, corpus.target)
        counts = {part: len(getattr(kept, part)) for part in _PARTS}
        manifest = {
            "settings": settings,
            "inputs": splits.inputs,
            "pairs": counts,
            "too_long": len(splits.train) - len(kept.train),
            "files": folder_digests(folder),
            "versions": _versions(),
        }
        write_json(folder / MANIFEST, manifest)
    report(f"{out}: " + ", ".join(f"{count} {part}" for part, count in counts.items()) + " pairs")
    return True


def within_limits(splits: Splits, segmenter: Segmenter, preparation: Preparation, fixed_heldout: bool) -> Splits:
    """Applies the length limit and the sizes of the held-out parts.

    Held-out sentences are chosen here, and not dropped by a limit of fairseq's later: sample i of a binarized part is
    line i of its raw text. Held-out sets that are given stay whole.

    Raises:
        PruneError: nothing is left of a part.
    """

    def short(pairs: Sequence[Pair]) -> list[Pair]:
        if not preparation.max_length:
            return list(pairs)
        lengths = segmenter.lengths(pairs)
        return [pair for pair, length in zip(pairs, lengths, strict=True) if length <= preparation.max_length]

    train, valid, test = short(splits.train), splits.valid, splits.test
    if not fixed_heldout:
        valid = short(valid)[: preparation.valid_size]
        test = short(test)[: preparation.test_size]
    for part, pairs in zip(_PARTS, (train, valid, test), strict=True):
        if not pairs:
            raise PruneError(f"no {part} pair has at most {preparation.max_length} subwords; raise --max-length")
    return Splits(train, valid, test, splits.inputs)


def _write_text(splits: Splits, segmenter: Segmenter, folder: Path, source: str, target: str) -> None:
    raw, pieces = folder / "raw", folder / "pieces"
    raw.mkdir()
    pieces.mkdir()
    segmenter.write_dictionary(pieces / "dict.txt")
    for part in _PARTS:
        pairs: list[Pair] = getattr(splits, part)
        write_sides(pairs, raw / part, source, target)
        segmented = segmenter.segment(list(itertools.chain.from_iterable(pairs)))
        lines = [" ".join(sentence) for sentence in segmented]
        write_sides(map(Pair, lines[::2], lines[1::2]), pieces / part, source, target)
    binarize(pieces, pieces / "dict.txt", folder, source, target)
    shutil.rmtree(pieces)


def _must_replace(out: Path, settings: dict[str, Any], force: bool) -> bool:
    if not (out / MANIFEST).is_file():
        raise PruneError(f"{out} exists and is not a data folder; choose another --out")
    if force:
        return True
    made = read_json(out / MANIFEST).get("settings", {})
    different = [key for key in sorted(settings.keys() | made.keys()) if settings.get(key) != made.get(key)]
    if not different:
        return False
    key = different[0]
    change = "other input files" if key == "files" else f"{key} {made.get(key)}, not {settings.get(key)}"
    raise PruneError(f"{out} was made with {change}; choose another --out, or --force to make it anew")


def _name(corpus: Corpus) -> str:
    return next(name for name, entry in CORPORA.entries().items() if entry is type(corpus))


def _versions() -> dict[str, str]:
    versions = {}
    for package in ("nmt-prune", "sentencepiece", "num2words", "ve-fairseq", "fairseq"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
