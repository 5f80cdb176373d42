"""Corpus BLEU as a sum over sentences, so that resampled test sets cost no second look at the text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nmt_prune.evaluation.quality.scores import check_parallel
from nmt_prune.text.bleu import WORDS, bleu_metric

Statistics = NDArray[np.int64]
Floats = NDArray[np.float64]


def sentence_statistics(
    hypotheses: Sequence[str], references: Sequence[str], tokenize: str = WORDS, name: str = "the hypotheses"
) -> Statistics:
    """What corpus BLEU is computed from: lengths of hypothesis and reference, matches and totals of each n-gram order.

    Args:
        hypotheses: detokenized, one per line.
        references: likewise.
        tokenize: sacreBLEU's tokenizer.
        name: whose hypotheses they are, for the error.

    Returns:
        int64 of shape (sentences, 2 + 2 · orders); corpus BLEU is that of the sum over sentences.

    Raises:
        PruneError: another number of lines than references, or the tokenizer cannot be had.
    """
    check_parallel(hypotheses, references, name)
    metric = bleu_metric(tokenize, effective_order=True)
    scores = [metric.sentence_score(line, [one]) for line, one in zip(hypotheses, references, strict=True)]
    return np.array([[score.sys_len, score.ref_len, *score.counts, *score.totals] for score in scores])


def sentence_bleu(statistics: Statistics) -> Floats:
    """SacreBLEU's sentence BLEU (smoothing ``exp``, effective order): orders that a sentence is too short for are left
    out.

    Args:
        statistics: shape (sentences, 2 + 2 · orders).

    Returns:
        BLEU, 0 to 100, of shape (sentences,).
    """
    counts, totals = np.split(statistics[:, 2:].astype(np.float64), 2, axis=1)
    matches = np.where(counts > 0, counts, 0.5 ** np.cumsum(counts == 0, axis=1))
    precisions = np.where(totals > 0, np.log(matches / np.maximum(totals, 1)), 0)
    brevity = np.minimum(0, 1 - statistics[:, 1] / np.maximum(statistics[:, 0], 1e-9))
    bleu: Floats = 100 * np.exp(precisions.sum(axis=1) / np.maximum((totals > 0).sum(axis=1), 1) + brevity)
    return np.where(counts.any(axis=1), bleu, 0.0)


def corpus_bleu(sums: NDArray[np.int64] | Floats) -> Floats:
    """SacreBLEU's corpus BLEU (smoothing ``exp``) of many test sets at once.

    Args:
        sums: shape (..., 2 + 2 · orders): :func:`sentence_statistics` summed over the sentences of each test set.

    Returns:
        BLEU, 0 to 100, of shape (...).
    """
    sys_len, ref_len = sums[..., 0], sums[..., 1]
    counts, totals = np.split(sums[..., 2:], 2, axis=-1)
    # The k-th order without a match counts as 1 / 2^k matches.
    matches = np.where(counts > 0, counts, 0.5 ** np.cumsum(counts == 0, axis=-1))
    precisions = np.where(totals > 0, np.log(matches / np.maximum(totals, 1)), -np.inf)
    brevity = np.minimum(0, 1 - ref_len / np.maximum(sys_len, 1e-9))
    bleu: Floats = np.where(counts.any(axis=-1), 100 * np.exp(precisions.mean(axis=-1) + brevity), 0.0)
    return bleu
