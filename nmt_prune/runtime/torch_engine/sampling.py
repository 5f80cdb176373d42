"""Drawing the next words."""

import torch
from torch import Tensor

from nmt_prune.runtime.settings.search_options import SearchOptions


def drawn_words(log_probs: Tensor, draws: Tensor, options: SearchOptions) -> Tensor:
    """The words that draws decide for, as ``fairseq.search.Sampling`` weighs them.

    Args:
        log_probs: sentences × samples × words; minus infinity for what must not be said.
        draws: uniform numbers from 0 to 1, 1 excluded, sentences × samples.
        options: whether all words take part, the most likely ones, or as few of them as make up a probability.

    Returns:
        Sentences × samples; any word where all have minus infinity.
    """
    log_probs = log_probs.double()
    weights = log_probs.softmax(dim=2)
    if not options.sampling_topk and not options.sampling_topp:
        return _chosen(weights, draws)
    ranked, order = log_probs.sort(dim=2, descending=True, stable=True)
    weights = weights.gather(2, order)
    if options.sampling_topk:
        weights[..., options.sampling_topk :] = 0
    else:
        # Of the probabilities among all words, so that banning some takes in more of the others.
        probabilities = ranked.exp()
        weights[probabilities.cumsum(dim=2) - probabilities >= options.sampling_topp] = 0
    return order.gather(2, _chosen(weights, draws).unsqueeze(2)).squeeze(2)


def _chosen(weights: Tensor, draws: Tensor) -> Tensor:
    sums = weights.cumsum(dim=2)
    total = sums[..., -1]
    # Rounding must not lead behind the last word that has a weight.
    wanted = torch.minimum(draws * total, total.nextafter(torch.zeros_like(total)))
    found = torch.searchsorted(sums, wanted.unsqueeze(2), right=True).squeeze(2)
    return found.clamp(max=weights.shape[2] - 1)
