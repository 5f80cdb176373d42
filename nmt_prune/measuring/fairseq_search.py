"""A model searched as fairseq-generate does it, on a GPU where there is one."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import torch
from fairseq import utils
from fairseq.data import data_utils

from nmt_prune.measuring.checkpoints import load_with_task


class FairseqSearch:
    """fairseq's beam search with one model.

    Args:
        checkpoint: any translation model that fairseq trains.
        data: folder with its dictionaries.
        beam: hypotheses kept.
        nbest: hypotheses returned.
        lenpen: length penalty.
        max_len_a: longest output: a times source length, plus b.
        max_len_b: see ``max_len_a``.

    Attributes:
        max_positions: longest source and longest output of the model.

    Raises:
        PruneError: the checkpoint cannot be read, or does not fit the data.
    """

    def __init__(
        self,
        checkpoint: Path,
        data: Path,
        *,
        beam: int,
        nbest: int,
        lenpen: float,
        max_len_a: float,
        max_len_b: int,
    ) -> None:
        self._model, _, self._task = load_with_task(checkpoint, data)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model.to(self._device).eval()
        settings = Namespace(beam=beam, nbest=nbest, lenpen=lenpen, max_len_a=max_len_a, max_len_b=max_len_b)
        self._generator, self._nbest = self._task.build_generator([self._model], settings), nbest
        self.max_positions: tuple[int, int] = utils.resolve_max_positions(
            self._task.max_positions(), self._model.max_positions()
        )

    def __call__(self, sources: Sequence[Sequence[int]]) -> list[list[list[int]]]:
        """Hypotheses of each sentence of a batch, the best first: rows of the target dictionary.

        Args:
            sources: rows of the source dictionary, each ending with the end of sentence.
        """
        pad, eos = self._task.source_dictionary.pad(), self._task.source_dictionary.eos()
        tokens = data_utils.collate_tokens([torch.tensor(source) for source in sources], pad, eos, left_pad=True)
        lengths = torch.tensor([len(source) for source in sources])
        inputs = {"src_tokens": tokens.to(self._device), "src_lengths": lengths.to(self._device)}
        found = self._task.inference_step(self._generator, [self._model], {"net_input": inputs})
        return [[one["tokens"].tolist() for one in hypotheses[: self._nbest]] for hypotheses in found]
