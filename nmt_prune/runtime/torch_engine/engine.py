"""An engine that runs wherever torch does."""

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nmt_prune.runtime.settings.search_limits import longest_output
from nmt_prune.runtime.settings.search_options import Attention, Hypothesis, SearchOptions
from nmt_prune.runtime.torch_engine.layers import Weights
from nmt_prune.runtime.torch_engine.model import Decoder, Encoder
from nmt_prune.runtime.torch_engine.search import BeamSearch
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS, PAD

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
        draws: Sequence[Sequence[float]] | None = None,
    ) -> list[list[Hypothesis]]:
        """Translates one batch; see ``nmt_prune.runtime.settings.search_options.Engine``.

        Raises:
            PruneError: words are to be sampled, and there are not the draws for it.
        """
        tokens = _padded(sources)
        visible = _visible(tokens)
        limits = [longest_output(options, len(source), self._positions) for source in sources]
        search = BeamSearch(limits, options, prefixes or [()] * len(sources), draws)
        if not search.is_done:
            state = self._decoder.start(self._encoder(tokens, visible), visible, words)
        while not search.is_done:
            state.keep(*search.advance(self._decoder.step(search.last_tokens, state)))
        return search.results()

    @torch.inference_mode()
    def attention(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[Attention]]:
        """See ``nmt_prune.runtime.settings.search_options.AligningEngine``."""
        # Sentences may have different numbers of targets: each target gets a source of its own.
        owners = [number for number, own in enumerate(targets) for _ in own]
        found: list[list[Attention]] = [[] for _ in targets]
        if not owners:
            return found
        tokens, read = _padded(sources), _padded([target for own in targets for target in own])
        encoded, visible = self._encoder(tokens, _visible(tokens))[owners], _visible(tokens)[owners]
        state = self._decoder.start(encoded, visible)
        state.attention = []
        for column in torch.cat([torch.full_like(read[:, :1], EOS), read[:, :-1]], dim=1).unbind(dim=1):
            self._decoder.step(column, state)
        weights = torch.cat(state.attention, dim=1)
        for row, owner in zip(weights, owners, strict=True):
            target = targets[owner][len(found[owner])]
            # A copy: the batch's padding is not kept.
            found[owner].append(np.array(row[: len(target), : len(sources[owner])]))
        return found


def _padded(sentences: Sequence[Sequence[int]]) -> Tensor:
    tokens = torch.full((len(sentences), max(map(len, sentences), default=0)), PAD)
    for row, sentence in zip(tokens, sentences, strict=True):
        row[: len(sentence)] = torch.tensor(sentence)
    return tokens


def _visible(tokens: Tensor) -> Tensor:
    return (tokens != PAD)[:, None, None, :]
