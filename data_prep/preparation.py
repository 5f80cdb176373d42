"""The settings of a data folder."""

from dataclasses import dataclass, fields
from typing import Any

from data_prep.cleaning.languages import LanguageFilter
from data_prep.corpora import Corpus
from data_prep.subwords.model import MODEL_TYPES
from nmt_prune.errors import PruneError

_LEAST = {"vocab_size": 8, "max_length": 0, "sample_size": 0, "max_ratio": 0}


@dataclass(frozen=True)
class Preparation:
    """What is done to the text of a corpus; together with the corpus's own settings it decides every byte.

    Attributes:
        vocab_size: entries of the joined dictionary.
        model_type: ``unigram`` or ``bpe``.
        sample_size: sentences that subwords are trained on, at most, evenly from all text; 0 is no limit.
        max_length: longest sentence in subwords on either side, without the end of sentence; 0 is no limit.
        max_ratio: how many times as many subwords one side may have as the other; 0 is no limit.
        clean: whether training text is normalised and filtered.
        identify_languages: whether training sentences in another language than their side's are left out.
    """

    vocab_size: int
    model_type: str
    max_length: int
    max_ratio: float
    clean: bool
    sample_size: int = 2_000_000
    identify_languages: bool = False

    @classmethod
    def of(cls, corpus: Corpus, **given: Any) -> "Preparation":
        """The corpus's defaults, overridden by what is given and not None.

        Raises:
            PruneError: a value is out of range.
        """
        defaults = {field.name: getattr(corpus, field.name) for field in fields(cls) if hasattr(corpus, field.name)}
        values = {**defaults, **{key: value for key, value in given.items() if value is not None}}
        for key, least in _LEAST.items():
            if values.get(key, least) < least:
                raise PruneError(f"--{key.replace('_', '-')} {values[key]} is too small; the least is {least}")
        if 0 < values["max_ratio"] < 1:
            raise PruneError(
                f"--max-ratio {values['max_ratio']:g} is met by no pair; give 1 or more, or 0 for no limit"
            )
        if values["model_type"] not in MODEL_TYPES:
            known = " or ".join(MODEL_TYPES)
            raise PruneError(f"--model-type {values['model_type']} is unknown; choose {known}")
        if values.get("identify_languages"):
            if not values["clean"]:
                raise PruneError("--identify-languages is part of cleaning; give --clean too")
            LanguageFilter((corpus.source, corpus.target))  # refuses what it does not know
        return cls(**values)
