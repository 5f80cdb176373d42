"""The stages between a corpus and its data folder: clean, subwords, encode, binarize."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.binarize import binarize
from data_prep.cleaning.cleaner import KEPT, SHARED, Cleaner, Cleaning, folded
from data_prep.cleaning.duplicates import first_occurrences
from data_prep.cleaning.summary import Summary
from data_prep.corpora import Corpus
from data_prep.download.fetching import Fetching
from data_prep.preparation import Preparation
from data_prep.progress import Progress
from data_prep.stages import Stage
from data_prep.subwords.encoding import Encoder, Limits
from data_prep.subwords.held_out import choose_held_out, read_pairs, segment_held_out
from data_prep.subwords.model import Segmenter, train_model
from data_prep.text.pairs import Pair, write_sides
from data_prep.text.streaming import stream
from data_prep.text.texts import Text
from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path

HELD_OUT = ("valid", "test")
REVISION = 2
"""Of what cleaning and encoding make of a text: what an earlier one left in the cache is made again."""

MODEL, DICTIONARY, RAW, BINARY = "sentencepiece.model", "dict.txt", "raw", "data-bin"


class Pipeline:
    """The stages of a corpus; each is made when somebody asks for its folder, from what the one before it holds.

    Args:
        corpus: where the text comes from.
        name: what it is registered as.
        preparation: what is done to it.
        folder: where the stages work.
        fetching: how files come from elsewhere.
        workers: processes that clean, encode and binarize; they do not change the result.
    """

    def __init__(
        self, corpus: Corpus, name: str, preparation: Preparation, folder: Path, fetching: Fetching, workers: int
    ) -> None:
        self._corpus, self._languages = corpus, (corpus.source, corpus.target)
        self._preparation, self._fetching, self._workers = preparation, fetching, workers
        self._texts = folder / "text"
        self._cleaning = Cleaning(
            clean=preparation.clean,
            max_words=preparation.max_length if preparation.clean else 0,
            identify_languages=preparation.identify_languages,
            keep_going=corpus.keep_going,
        )
        self._limits = Limits(preparation.max_length, preparation.max_ratio)
        self.clean = Stage(
            folder / "clean",
            "fetching and cleaning training text",
            {"revision": REVISION, "corpus": name, **corpus.settings(), **vars(self._cleaning)},
            (),
            self._make_clean,
            fetching.report,
        )
        self.subwords = Stage(
            folder / "subwords",
            f"training subwords: {preparation.model_type}, vocabulary {preparation.vocab_size}",
            {key: getattr(preparation, key) for key in ("vocab_size", "model_type", "sample_size")},
            (self.clean,),
            self._make_subwords,
            fetching.report,
        )
        self.encode = Stage(
            folder / "encode",
            "splitting text into subwords",
            {"revision": REVISION, **vars(self._limits)},
            (self.subwords,),
            self._make_encode,
            fetching.report,
        )
        self.binarize = Stage(
            folder / "binarize",
            "binarizing with fairseq-preprocess",
            {},
            (self.encode,),
            self._make_binarize,
            fetching.report,
        )

    @property
    def wanted(self) -> dict[str, int]:
        """Held-out pairs that were asked for, by part."""
        return self._corpus.held_out()

    def summary(self) -> Summary:
        """How many training pairs were left out, and why."""
        return Summary.of(self.clean.facts()["counts"], self.encode.facts()["counts"])

    def forget_all_but_clean_text(self) -> None:
        """Removes what can be had again quickly, or only serves a folder that is finished."""
        for stage in (self.binarize, self.encode, self.subwords):
            stage.discard()
        shutil.rmtree(self._texts, ignore_errors=True)

    def clean_texts(self) -> list[Text]:
        """The cleaned training texts, duplicates still among them."""
        folder = self.clean.folder()
        return [self._text(folder, name) for name in self.clean.facts()["counts"]]

    def _make_clean(self, folder: Path) -> dict[str, Any]:
        self._texts.mkdir(exist_ok=True)
        texts = self._corpus.fetch(self._texts, self._fetching)
        parts = [read_pairs(text) for text in (texts.valid, texts.test)]
        for text, pairs in zip((texts.valid, texts.test), parts, strict=True):
            write_sides(pairs, folder, text.name, *self._languages)
        held_out = self._folded(parts)
        counts = {}
        for text in texts.train:
            cleaner = Cleaner(text, self._languages, self._cleaning, held_out)
            outputs = [*self._text(folder, text.name)[1:], self._hashes(folder, text.name)]
            progress = Progress(f"clean {text.name}", self._fetching.report)
            (counts[text.name],) = stream([text], cleaner, outputs, workers=self._workers, progress=progress)
        hashes = [_load_hashes(self._hashes(folder, name)) for name in counts]
        firsts = first_occurrences(hashes) if self._cleaning.clean else [np.ones(len(text), bool) for text in hashes]
        for name, first in zip(counts, firsts, strict=True):
            np.save(folder / f"{name}.first.npy", first)
        if not any(first.any() for first in firsts):
            raise PruneError(f"{texts.train[0].source}: no training pair is left of it and the other texts; check them")
        return {"counts": counts, "inputs": self._corpus.inputs(self._fetching)}

    def _make_subwords(self, folder: Path) -> dict[str, Any]:
        pairs = sum(int(np.load(first, mmap_mode="r").sum()) for first in self._firsts())
        step = max(1, -(-2 * pairs // self._preparation.sample_size)) if self._preparation.sample_size else 1
        model = train_model(self._sentences(step), self._preparation.vocab_size, self._preparation.model_type)
        (folder / MODEL).write_bytes(model)
        Segmenter(model).write_dictionary(folder / DICTIONARY)
        return {"sentences": 2 * -(-pairs // step)}

    def _sentences(self, step: int) -> Iterator[str]:
        """Both sides of every ``step``-th pair that is no duplicate."""
        number = 0
        for text, first in zip(self.clean_texts(), self._firsts(), strict=True):
            is_first = iter(np.load(first, mmap_mode="r"))
            with text.source.open("rb") as source, text.target.open("rb") as target:
                for pair in zip(source, target, strict=True):
                    if next(is_first):
                        if number % step == 0:
                            yield from (line[:-1].decode() for line in pair)
                        number += 1

    def _make_encode(self, folder: Path) -> dict[str, Any]:
        model, cleaned = self.subwords.folder() / MODEL, self.clean.folder()
        segmenter, chosen = Segmenter(model.read_bytes()), {}
        (folder / RAW).mkdir(exist_ok=True)
        for part in HELD_OUT:
            candidates = read_pairs(self._text(cleaned, part))
            pairs = chosen[part] = choose_held_out(candidates, segmenter, self._limits, self.wanted.get(part))
            write_sides(pairs, folder / RAW, part, *self._languages)
            segmented = segment_held_out(pairs, segmenter, self._languages, self._cleaning.clean)
            write_sides(segmented, folder, part, *self._languages)
        sizes = {part: len(pairs) for part, pairs in chosen.items()}
        # Cleaning has left these out.
        held_out = frozenset[str]() if self._cleaning.clean else self._folded(chosen.values())
        encoder = Encoder(model, self._firsts(), self._limits, held_out)
        texts, progress = self.clean_texts(), Progress("encode", self._fetching.report)
        outputs = self._text(folder, "train")[1:]
        counts = stream(texts, encoder, outputs, workers=self._workers, progress=progress)
        sizes["train"] = sum(count[KEPT] for count in counts)
        if not sizes["train"]:
            raise PruneError(f"no train pair {self._limits}")
        common = set.intersection(*(set(pairs) for pairs in chosen.values()))
        shared = {"train": sum(count[SHARED] for count in counts), "valid": len(common)}
        by_text = dict(zip((text.name for text in texts), counts, strict=True))
        return {"counts": by_text, "pairs": sizes, "shared": shared}

    def _make_binarize(self, folder: Path) -> dict[str, Any]:
        dictionary = self.subwords.folder() / DICTIONARY
        # fairseq-preprocess goes on in no folder that it finds.
        with atomic_path(folder / BINARY) as binary:
            binary.mkdir()
            binarize(self.encode.folder(), dictionary, binary, *self._languages, self._workers)
        return {}

    def _folded(self, parts: Iterable[list[Pair]]) -> frozenset[str]:
        """The sentences of held-out texts, as training pairs are compared with them."""
        return frozenset().union(
            *(
                folded(sentences, language)
                for pairs in parts
                for sentences, language in zip(zip(*pairs, strict=True), self._languages, strict=True)
            )
        )

    def _text(self, folder: Path, name: str) -> Text:
        return Text(name, *(folder / f"{name}.{language}" for language in self._languages))

    def _hashes(self, folder: Path, name: str) -> Path:
        return folder / f"{name}.hashes"

    def _firsts(self) -> list[Path]:
        return [self.clean.folder() / f"{text.name}.first.npy" for text in self.clean_texts()]


def _load_hashes(path: Path) -> np.ndarray:
    # An empty file cannot be mapped.
    return np.memmap(path, dtype="<u8", mode="r") if path.stat().st_size else np.zeros(0, dtype="<u8")
