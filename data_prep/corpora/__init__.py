"""Corpora: a registry with one file per corpus.

A new corpus is a dataclass with the method ``load``, in a new file of this folder; its fields become its flags.
"""

import dataclasses
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from data_prep.download.fetching import Fetching
from data_prep.text.pairs import Splits, write_sides
from data_prep.text.texts import Texts
from nmt_prune.errors import PruneError
from nmt_prune.registry import Registry

# Held-out pairs that a corpus offers for each one that is wanted: more than half can be longer than the length limit.
CANDIDATES = 3


class Corpus(ABC):
    """A parallel corpus; subclasses are frozen dataclasses whose fields are the settings that decide its text.

    Attributes:
        vocab_size: entries of the joined dictionary, unless the user says otherwise.
        model_type: kind of SentencePiece model, unless the user says otherwise.
        max_length: longest sentence in subwords, unless the user says otherwise; 0 is no limit.
        max_ratio: most subwords of one side for each of the other, unless the user says otherwise; 0 is no limit.
        clean: whether training text is cleaned, unless the user says otherwise.
        keep_going: leave out lines that are not UTF-8 instead of refusing the text.
        has_mirrors: whether its files are downloaded from addresses that mirrors may have, too.
    """

    vocab_size: ClassVar[int]
    model_type: ClassVar[str] = "unigram"
    max_length: ClassVar[int] = 0
    max_ratio: ClassVar[float] = 0
    clean: ClassVar[bool] = False
    keep_going: ClassVar[bool] = False
    has_mirrors: ClassVar[bool] = False

    source: str
    target: str

    @abstractmethod
    def fetch(self, folder: Path, fetching: Fetching) -> Texts:
        """Fetches or makes the text files.

        Args:
            folder: where to put them, as far as they do not lie somewhere already; it exists. What is complete there
                is not made again.
            fetching: how files come from elsewhere.

        Raises:
            PruneError: the text cannot be had, or is not usable.
        """

    @abstractmethod
    def inputs(self, fetching: Fetching) -> dict[str, str]:
        """SHA-256 of every file that the text comes from, by name."""

    def folder_name(self, name: str) -> str:
        """What the data folder of the corpus, registered as ``name``, is called unless the user says otherwise."""
        return f"{name}.{self.source}-{self.target}"

    def held_out(self) -> dict[str, int]:
        """How many pairs of ``valid`` and ``test`` are wanted of the candidates; nothing for sets that are given."""
        return {}

    def settings(self) -> dict[str, Any]:
        """What decides the text: two corpora with equal settings give equal pairs."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]


class SplitCorpus(Corpus):
    """A corpus that makes its own held-out sets, of sentences that are short enough.

    Attributes:
        valid_size: pairs for validation.
        test_size: pairs for testing.
    """

    valid_size: int
    test_size: int

    @abstractmethod
    def load(self, candidates: tuple[int, int], fetching: Fetching) -> Splits:
        """Fetches or makes the pairs.

        Args:
            candidates: pairs to choose from for validation and testing.
            fetching: how files come from elsewhere.

        Raises:
            PruneError: the text cannot be had.
        """

    def fetch(self, folder: Path, fetching: Fetching) -> Texts:
        for flag, size in (("valid", self.valid_size), ("test", self.test_size)):
            if size < 1:
                raise PruneError(f"--{flag}-size {size} is too small; the least is 1")
        wanted = (CANDIDATES * self.valid_size, CANDIDATES * self.test_size)
        splits = self.load(wanted, fetching)
        parts = {"train": splits.train, "valid": splits.valid, "test": splits.test}
        texts = {part: write_sides(pairs, folder, part, self.source, self.target) for part, pairs in parts.items()}
        return Texts([texts["train"]], texts["valid"], texts["test"])

    def folder_name(self, name: str) -> str:
        """What the data folder of the corpus, registered as ``name``, is called unless the user says otherwise."""
        return f"{name}.{self.source}-{self.target}"

    def held_out(self) -> dict[str, int]:
        return {"valid": self.valid_size, "test": self.test_size}


CORPORA: Registry[Corpus] = Registry("corpus", "data_prep.corpora")


def choose(name: str, **settings: Any) -> Corpus:
    """Builds the corpus ``name`` from the settings that are not None.

    Raises:
        PruneError: the corpus is unknown, or has no such setting.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    allowed = CORPORA.settings(name)
    for key in given:
        if key not in allowed:
            flags = ", ".join(f"--{setting.replace('_', '-')}" for setting in allowed)
            raise PruneError(f"corpus {name} takes no --{key.replace('_', '-')}; its settings are {flags}")
    if "source" in allowed and given.get("source", allowed["source"]) == given.get("target", allowed["target"]):
        raise PruneError("--source and --target are the same language; name two")
    return CORPORA.build(name, **given)


def require_languages(corpus: Corpus, known: tuple[str, ...], name: str) -> None:
    """Refuses a language that a corpus does not have.

    Raises:
        PruneError: the source or target language is not among ``known``.
    """
    for flag, language in (("--source", corpus.source), ("--target", corpus.target)):
        if language not in known:
            raise PruneError(f"{flag} {language}: corpus {name} has {', '.join(known)}")
