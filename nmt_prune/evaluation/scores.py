"""Corpus scores by sacreBLEU, on detokenized text."""

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt_prune.errors import PruneError
from nmt_prune.languages import primary_language

WORDS = "13a"
"""sacreBLEU's tokenizer for languages that separate words by blanks."""

# The first three are sacreBLEU's own choice. It has none for the others, which do not separate words either: what 13a
# makes of a sentence there is one token or a few, and BLEU 0.
_TOKENIZERS = {
    **{"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"},
    **dict.fromkeys(("th", "lo", "km", "my", "bo", "dz"), "char"),
}
_MECAB = {"ja-mecab": "ja", "ko-mecab": "ko"}


@dataclass(frozen=True)
class Scores:
    """Scores of one system on one test set.

    Attributes:
        bleu: BLEU, 0 to 100, higher is better.
        chrf: chrF2, 0 to 100, higher is better.
        ter: translation edit rate in per cent, lower is better; can exceed 100.
        signatures: sacreBLEU's signature of each score.
        tokenize: sacreBLEU's tokenizer of BLEU.
    """

    bleu: float
    chrf: float
    ter: float
    signatures: dict[str, str]
    tokenize: str = WORDS


def tokenizer_of(language: str) -> str:
    """The tokenizer of sacreBLEU for a target language, whatever the form of its tag."""
    return _TOKENIZERS.get(primary_language(language), WORDS)


def bleu_metric(tokenize: str = WORDS, effective_order: bool = False) -> BLEU:
    """BLEU with a tokenizer, and otherwise sacreBLEU's defaults (case is kept).

    Args:
        tokenize: sacreBLEU's name of the tokenizer.
        effective_order: as sacreBLEU wants it for single sentences.

    Raises:
        PruneError: there is no such tokenizer, or what it needs is not installed.
    """
    if tokenize not in BLEU.TOKENIZERS:
        raise PruneError(f"unknown tokenizer {tokenize!r} of BLEU; sacreBLEU has {', '.join(BLEU.TOKENIZERS)}")
    try:
        return BLEU(tokenize=tokenize, effective_order=effective_order)
    except Exception as error:  # each tokenizer has its own: no package, no download, another dictionary
        help_ = f"pip install 'sacrebleu[{_MECAB[tokenize]}]'" if tokenize in _MECAB else "it has to download a model"
        raise PruneError(
            f"BLEU's tokenizer {tokenize} cannot be used here ({type(error).__name__}): {help_}, or choose another,"
            " e.g. char, by --tokenize (in a recipe generation.tokenize)"
        ) from None


def score(
    hypotheses: Sequence[str], references: Sequence[str], language: str = "", tokenize: str | None = None
) -> Scores:
    """Scores detokenized hypotheses against one detokenized reference each.

    Args:
        hypotheses: one per line.
        references: likewise.
        language: tag of the target language; it decides how BLEU and TER find words.
        tokenize: sacreBLEU's tokenizer for BLEU in place of the language's.

    Raises:
        PruneError: the two are not of equal length, or empty, or see :func:`bleu_metric`.
    """
    check_parallel(hypotheses, references)
    tokenizer = tokenize or tokenizer_of(language)
    has_ideographs = primary_language(language) in ("zh", "ja")
    values, signatures = {}, {}
    metrics = {
        "bleu": bleu_metric(tokenizer),
        "chrf": CHRF(),
        "ter": TER(normalized=has_ideographs, asian_support=has_ideographs),
    }
    for name, metric in metrics.items():
        values[name] = float(metric.corpus_score(hypotheses, [references]).score)
        signatures[name] = str(metric.get_signature().format())
    return Scores(**values, signatures=signatures, tokenize=tokenizer)


def check_parallel(hypotheses: Sequence[str], references: Sequence[str], name: str = "the hypotheses") -> None:
    """Refuses texts that are not parallel.

    Raises:
        PruneError: the numbers of lines differ, or are zero.
    """
    if not references:
        raise PruneError("the reference is empty; there is nothing to score")
    if len(hypotheses) != len(references):
        raise PruneError(f"{name}: {len(hypotheses)} lines for {len(references)} references; translate again")
