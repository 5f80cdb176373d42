"""An engine that runs wherever torch does."""

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from nmt_prune.runtime.settings.search_limits import longest_output
from nmt_prune.runtime.settings.search_options import Hypothesis, SearchOptions
from nmt_prune.runtime.torch_engine.layers import Weights
from nmt_prune.runtime.torch_engine.model import Decoder, Encoder
from nmt_prune.runtime.torch_engine.search import BeamSearch
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import PAD

# GNU OpenMP waits for ever for the threads that a forked process has not inherited; PyTorch's DataLoader does the same.
os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


class TorchEngine:
    """Dense float32 arithmetic in plain torch: slow, and the reference for the compiled engine.

    It multiplies with as many threads as torch is told to.

    Args:
        model: the model; zeros gain nothing here but for sublayers that are gone.
    """

    def __init__(self, model: CompactModel) -> None:
        weights = Weights(model)
        self._positions = model.architecture.decoder.max_positions
        self._encoder = Encoder(weights, model.architecture.encoder)
        self._decoder = Decoder(weights, model.architecture.decoder)

    @torch.inference_mode()
    def search(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions,
        prefixes: Sequence[Sequence[int]] | None = None,
        words: npt.NDArray[np.int32] | None = None,
    ) -> list[list[Hypothesis]]:
        """Translates one batch; see ``nmt_prune.runtime.settings.search_options.Engine``."""
        tokens = torch.full((len(sources), max(map(len, sources), default=0)), PAD)
        for row, source in zip(tokens, sources, strict=True):
            row[: len(source)] = torch.tensor(source)
        visible = (tokens != PAD)[:, None, None, :]
        limits = [longest_output(options, len(source), self._positions) for source in sources]
        search = BeamSearch(limits, options, prefixes or [()] * len(sources))
        if not search.is_done:
            state = self._decoder.start(self._encoder(tokens, visible), visible, words)
        while not search.is_done:
            state.keep(*search.advance(self._decoder.step(search.last_tokens, state)))
        return search.results()
