"""What a ``Translator`` returns."""

from collections.abc import Sequence
from typing import NamedTuple

from nmt_prune.runtime.settings.search_options import Alignment, Attention


class TranslationResult(NamedTuple):
    """What was found for a sentence.

    Attributes:
        hypotheses: subwords of each translation, the best first; none where the sentence was too long for the model, or
            the arguments allow of no translation.
        scores: their scores, if asked for.
        attention: see ``Hypothesis.attention``; of each hypothesis, if asked for.
        alignments: see ``Hypothesis.alignment``; of each hypothesis, if attention was asked for.
    """

    hypotheses: list[list[str]]
    scores: list[float]
    attention: Sequence[Attention] = ()
    alignments: Sequence[Alignment] = ()


class LineResult(NamedTuple):
    """What was found for a line of text.

    Attributes:
        lines: the translations, the best first; none where the line was not translated.
        tokens: their subwords.
        scores: their scores, natural logarithms of probabilities, if asked for; see ``SearchOptions.lenpen``.
        problem: why the line was not translated; empty if it was.
        source: subwords of the line that alignments count, if attention was asked for.
        attention: see ``Hypothesis.attention``; of each translation, if asked for.
        alignments: see ``Hypothesis.alignment``; of each translation, if attention was asked for.
    """

    lines: list[str]
    tokens: list[list[str]]
    scores: list[float]
    problem: str = ""
    source: Sequence[str] = ()
    attention: Sequence[Attention] = ()
    alignments: Sequence[Alignment] = ()
