"""What takes part in every update of a training beside the optimizer: penalties, learned scores, quantizers."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable


class Callback:
    """Takes part in a training; whatever is not overridden does nothing.

    An update is ``before_forward`` once, ``penalty`` for each of its mini-batches, then, when gradients have been
    averaged over workers and clipped, ``before_step`` and, the optimizer having stepped, ``after_step``. The task calls
    these; an update that fp16 skips for an overflow ends before ``before_step`` and begins again.

    Attributes:
        settled_at: update from which on masks may be held; before, the schedule changes none.
    """

    settled_at: int = 0

    def begin(self, optimizer: Any) -> None:
        """The first update of this process is next; a checkpoint that training goes on from has been loaded.

        Args:
            optimizer: fairseq's optimizer.
        """

    def before_forward(self, update: int) -> None:
        """The first forward pass of an update is next; weights may be put in place of the trained ones."""

    def penalty(self) -> Tensor | None:
        """A scalar to be added to the loss per token, with its graph."""
        return None

    def needs_dense_gradients(self, update: int) -> bool:
        """Whether gradients of pruned weights must be left for ``before_step``, which then zeroes them itself.

        Args:
            update: number of updates so far.
        """
        return False

    def before_step(self, optimizer: Any, update: int) -> None:
        """Gradients are final; weights that were put in place of the trained ones go now.

        Args:
            optimizer: fairseq's optimizer, about to step.
            update: number of updates so far.
        """

    def after_step(self, optimizer: Any, update: int) -> None:
        """The optimizer has stepped.

        Args:
            optimizer: fairseq's optimizer.
            update: number of updates so far, this one included.
        """

    def masks(self, update: int) -> MaskSet | None:
        """The masks to hold when the schedule changes them after ``update`` updates; None: those by the saliency."""
        return None

    def unready(self, going: MaskSet) -> float | None:
        """Share of the groups that are about to be removed that its own mechanism has not closed; None: it closes none.

        Args:
            going: the groups to be removed, by family.
        """
        return None

    def put_back(self) -> None:
        """Weights that were put in place of the trained ones go now: a checkpoint is being saved.

        The step would have done it, but for an update that fp16 skipped.
        """

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """While it lasts, the model has the weights to be judged."""
        yield

    def statistics(self) -> dict[str, float]:
        """Values for fairseq's progress lines."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs, kept in the task's part of the checkpoint."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes the state of the checkpoint that training goes on from."""


class Substitution(Callback):
    """Trains weights through others that the forward pass sees in their place.

    The others are written into the parameters, because fairseq's attention reads ``q_proj.weight`` itself; the gradient
    is that by the others, and the trained weights come back before the optimizer steps (a straight-through estimator,
    unless ``before_step`` is extended).

    Args:
        parameters: the parameters in question.
    """

    def __init__(self, parameters: Mapping[Prunable, nn.Parameter]) -> None:
        self.parameters = parameters
        self._trained: list[Tensor] = []

    @abstractmethod
    def substitute(self, update: int | None) -> Mapping[str, Tensor]:
        """The weights to put in place, by name of the matrix; those left out stay.

        Args:
            update: number of updates so far; None: the weights to be judged, without any noise.
        """

    def before_forward(self, update: int) -> None:
        self._put(update)

    def before_step(self, optimizer: Any, update: int) -> None:
        self.put_back()

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        self._put(None)
        try:
            yield
        finally:
            self.put_back()

    @torch.no_grad()
    def _put(self, update: int | None) -> None:
        if self._trained:  # an update that fp16 skipped, or another of its mini-batches
            return
        self._trained = [parameter.detach().clone() for parameter in self.parameters.values()]
        substitutes = self.substitute(update)
        for prunable, parameter in self.parameters.items():
            if prunable.name in substitutes:
                parameter.copy_(substitutes[prunable.name])

    @torch.no_grad()
    def put_back(self) -> None:
        if not self._trained:
            return
        for parameter, trained in zip(self.parameters.values(), self._trained, strict=True):
            parameter.copy_(trained)
        self._trained = []
