"""The random numbers by which translations are sampled."""

import numpy as np

from nmt_prune.runtime.settings.search_limits import longest_output
from nmt_prune.runtime.settings.search_options import SearchOptions

DEFAULT_SEED = 1


def draws(options: SearchOptions, number: int, source_length: int, max_positions: int) -> list[float]:
    """What decides about the words of one sentence, and of no other: neither its batch nor threads change them.

    Args:
        options: the settings.
        number: the sentence's, counted from 0.
        source_length: tokens of the source, end of sentence included.
        max_positions: longest sequence of the decoder.

    Returns:
        Uniform numbers from 0 to 1, 1 excluded: for each of ``beam`` samples one a step, sample behind sample.
    """
    steps = longest_output(options, source_length, max_positions) + 1
    seed = DEFAULT_SEED if options.seed is None else options.seed
    samples = (np.random.default_rng([seed, number, sample]).random(steps) for sample in range(options.beam))
    return np.concatenate(list(samples)).tolist()
