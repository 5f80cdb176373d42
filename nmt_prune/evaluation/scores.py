"""Corpus scores by sacreBLEU, on detokenized text."""

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt_prune.errors import PruneError


@dataclass(frozen=True)
class Scores:
    """Scores of one system on one test set.

    Attributes:
        bleu: BLEU, 0 to 100, higher is better.
        chrf: chrF2, 0 to 100, higher is better.
        ter: translation edit rate in per cent, lower is better; can exceed 100.
        signatures: sacreBLEU's signature of each score.
    """

    bleu: float
    chrf: float
    ter: float
    signatures: dict[str, str]


def score(hypotheses: Sequence[str], references: Sequence[str]) -> Scores:
    """Scores detokenized hypotheses against one detokenized reference each (sacreBLEU's defaults, case kept in BLEU).

    Raises:
        PruneError: the two are not of equal length, or empty.
    """
    check_parallel(hypotheses, references)
    values, signatures = {}, {}
    for name, metric in {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}.items():
        values[name] = float(metric.corpus_score(hypotheses, [references]).score)
        signatures[name] = str(metric.get_signature().format())
    return Scores(**values, signatures=signatures)


def check_parallel(hypotheses: Sequence[str], references: Sequence[str], name: str = "the hypotheses") -> None:
    """Refuses texts that are not parallel.

    Raises:
        PruneError: the numbers of lines differ, or are zero.
    """
    if not references:
        raise PruneError("the reference is empty; there is nothing to score")
    if len(hypotheses) != len(references):
        raise PruneError(f"{name}: {len(hypotheses)} lines for {len(references)} references; translate again")
