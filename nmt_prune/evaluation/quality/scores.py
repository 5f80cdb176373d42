"""Corpus scores by sacreBLEU, on detokenized text."""

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt_prune.errors import PruneError
from nmt_prune.text.bleu import WORDS, bleu_metric, tokenizer_of
from nmt_prune.text.languages import primary_language


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
        PruneError: the two are not of equal length, or empty, or see :func:`nmt_prune.text.bleu.bleu_metric`.
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
