"""Corpora: a registry with one file per corpus.

A new corpus is a dataclass with the method ``load``, in a new file of this folder; its fields become its flags.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from data_prep.pairs import Splits
from nmt_prune.errors import PruneError
from nmt_prune.registry import Registry

Report = Callable[[str], None]

# Held-out pairs that a corpus offers for each one that is wanted: more than half can be longer than the length limit.
CANDIDATES = 3


class Corpus(ABC):
    """A parallel corpus; subclasses are frozen dataclasses whose fields are the settings that decide its text.

    Attributes:
        vocab_size: entries of the joined dictionary, unless the user says otherwise.
        model_type: kind of SentencePiece model, unless the user says otherwise.
        max_length: longest sentence in subwords, unless the user says otherwise; 0 is no limit.
        heldout_size: pairs in each of valid and test, unless the user says otherwise; 0 is all.
        fixed_heldout: the held-out sets are given, and are kept line by line whatever their lengths.
    """

    vocab_size: ClassVar[int]
    model_type: ClassVar[str] = "unigram"
    max_length: ClassVar[int] = 0
    heldout_size: ClassVar[int] = 0
    fixed_heldout: ClassVar[bool] = False

    source: str
    target: str

    @abstractmethod
    def load(self, valid_size: int, test_size: int, cache: Path, report: Report) -> Splits:
        """Fetches or makes the pairs.

        Args:
            valid_size: pairs wanted for validation. Corpora that make their own split return ``CANDIDATES`` times as
                many to choose from.
            test_size: likewise for testing.
            cache: folder that keeps what was downloaded.
            report: called with a line about each slow step.

        Raises:
            PruneError: the text cannot be had, or is not usable.
        """

    def settings(self) -> dict[str, Any]:
        """What decides the text: two corpora with equal settings give equal pairs."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]


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
            flags = ", ".join(f"--{setting}" for setting in allowed)
            raise PruneError(f"corpus {name} takes no --{key}; its settings are {flags}")
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
