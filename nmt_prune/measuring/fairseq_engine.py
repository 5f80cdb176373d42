"""A model in fairseq, on a GPU where there is one, as an engine like those of the runtime."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from fairseq import utils
from fairseq.data import data_utils

from nmt_prune.errors import PruneError
from nmt_prune.measuring.checkpoints import load_with_task
from nmt_prune.runtime.settings.search_options import Hypothesis, SearchOptions


class FairseqEngine:
    """Searches as fairseq-generate does.

    Args:
        checkpoint: any translation model that fairseq trains.
        data: folder with its dictionaries.
        options: the settings of all searches.

    Attributes:
        max_positions: longest source and longest output of the model.

    Raises:
        PruneError: the checkpoint cannot be read, or does not fit the data.
    """

    def __init__(self, checkpoint: Path, data: Path, options: SearchOptions) -> None:
        self._model, _, self._task = load_with_task(checkpoint, data)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model.to(self._device).eval()
        self._generator = self._task.build_generator(
            [self._model],
            Namespace(
                beam=options.beam,
                nbest=options.nbest,
                lenpen=options.lenpen,
                max_len_a=options.max_len_a,
                max_len_b=options.max_len_b,
            ),
        )
        self._nbest = options.nbest
        self.max_positions: tuple[int, int] = utils.resolve_max_positions(
            self._task.max_positions(), self._model.max_positions()
        )

    def search(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions,
        prefixes: Sequence[Sequence[int]] | None = None,
        words: npt.NDArray[np.int32] | None = None,
        draws: Sequence[Sequence[float]] | None = None,
    ) -> list[list[Hypothesis]]:
        """Translates one batch; see :class:`nmt_prune.runtime.settings.search_options.Engine`.

        Raises:
            PruneError: it is to choose from some words only, or by given draws.
        """
        if draws is not None:
            raise PruneError("fairseq draws by a generator of its own")
        if words is not None:
            raise PruneError("fairseq translates without a shortlist")
        pad, eos = self._task.source_dictionary.pad(), self._task.source_dictionary.eos()
        tokens = data_utils.collate_tokens([torch.tensor(source) for source in sources], pad, eos, left_pad=True)
        lengths = torch.tensor([len(source) for source in sources])
        inputs = {"src_tokens": tokens.to(self._device), "src_lengths": lengths.to(self._device)}
        found = self._task.inference_step(self._generator, [self._model], {"net_input": inputs})
        return [
            [
                Hypothesis(one["tokens"].tolist(), float(one["score"]), one["positional_scores"].tolist())
                for one in hypotheses[: self._nbest]
            ]
            for hypotheses in found
        ]
