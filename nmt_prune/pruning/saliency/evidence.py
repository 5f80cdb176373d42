"""What a saliency may measure: a model and mini-batches of its training data. Plain torch, no fairseq."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import PADDING_INDEX, Prunable


class Loss(NamedTuple):
    """The loss of one mini-batch.

    Attributes:
        mean: mean over its target tokens, with the graph.
        source: the symbols that the encoder reads, (sentences, time).
        previous: the symbols that the decoder reads, (sentences, time): those of the target, but one position later.
    """

    mean: Tensor
    source: Tensor
    previous: Tensor

    def symbols(self, stack: str) -> Tensor:
        """The symbols that ``encoder`` or ``decoder`` reads."""
        return self.source if stack == "encoder" else self.previous

    @property
    def source_tokens(self) -> int:
        """Number of source tokens, padding left out."""
        return int((self.source != PADDING_INDEX).sum())

    @property
    def target_tokens(self) -> int:
        """Number of target tokens, padding left out."""
        return int((self.previous != PADDING_INDEX).sum())

    @property
    def sentences(self) -> int:
        """Number of sentence pairs."""
        return len(self.source)


@dataclass
class Passes:
    """Mini-batches that went through a model other than in an update, forward and, where asked for, backward."""

    count: int = 0


@dataclass(frozen=True)
class Evidence:
    """A model and the data to measure it on.

    Attributes:
        model: the model, which is copied and never changed.
        batches: gives the mini-batches; the same at every call and on every data-parallel worker.
        loss: the loss of a model on a mini-batch, its logits divided by a temperature.
        device: where to compute.
        dtype: precision to compute in, whatever that of the model.
        passes: counts what is measured, also on copies of the model.
    """

    model: nn.Module
    batches: Callable[[], Sequence[Any]]
    loss: Callable[[nn.Module, Any, float], Loss]
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    passes: Passes = field(default_factory=Passes, compare=False)

    def holding(self, state: Mapping[str, Tensor], source: str) -> "Evidence":
        """The same with other weights.

        Args:
            state: a state dict of the same architecture.
            source: where it comes from, for the message.

        Raises:
            PruneError: it is of another architecture.
        """
        model = _copy(self.model)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name not in state and not parameter.requires_grad:
                    continue  # a table that nothing trains, such as Marian's positions, is the model's own
                found = tuple(state[name].shape) if name in state else "missing"
                if found != tuple(parameter.shape):
                    raise PruneError(
                        f"{source} is of another architecture than the model to measure: {name} is {found} there and"
                        f" {tuple(parameter.shape)} in the model"
                    )
                parameter.copy_(state[name])
        return replace(self, model=model)

    def probe(self, weights: Mapping[Prunable, Tensor], alive: MaskSet) -> "Probe":
        """A copy of the model to measure: with these weights under these masks, without dropout."""
        model = _copy(self.model).to(device=self.device, dtype=self.dtype).eval().requires_grad_(False)
        named = dict(model.named_parameters(remove_duplicate=False))
        parameters = {prunable.name: named[prunable.name] for prunable in weights}
        with torch.no_grad():
            for prunable, weight in weights.items():
                parameters[prunable.name].copy_(weight * alive[prunable.name].to(weight.device))
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        return Probe(self, model, parameters, alive)


def _copy(model: nn.Module) -> nn.Module:
    copied = deepcopy(model)
    for module in copied.modules():
        # --checkpoint-activations gives layers a forward that calls the original's; that of the class does the same.
        vars(module).pop("forward", None)
    return copied


@dataclass(frozen=True)
class Probe:
    """A masked copy of the model.

    Attributes:
        evidence: what it is measured on.
        model: the copy, which may be changed at will.
        parameters: its matrices by name.
        masks: its masks.
    """

    evidence: Evidence
    model: nn.Module
    parameters: Mapping[str, nn.Parameter]
    masks: MaskSet

    def batches(self) -> Sequence[Any]:
        """The mini-batches.

        Raises:
            PruneError: there is none.
        """
        batches = self.evidence.batches()
        if not batches:
            raise PruneError(
                "the calibration set is empty: give --calibration-batches of at least 1 and a training set with"
                " sentences that fit into a batch"
            )
        return batches

    def loss(self, batch: Any, temperature: float = 1.0) -> Loss:
        """The loss on a mini-batch."""
        self.evidence.passes.count += 1
        # Of the attention kernels this one alone can be differentiated twice, and gives the same bits every time.
        with sdpa_kernel(SDPBackend.MATH):
            return self.evidence.loss(self.model, batch, temperature)

    def losses(self, temperature: float = 1.0) -> Iterator[Loss]:
        """The loss on each mini-batch.

        Raises:
            PruneError: there is none.
        """
        for batch in self.batches():
            yield self.loss(batch, temperature)

    @torch.no_grad()
    def mean_loss(self) -> float:
        """The loss averaged over all target tokens."""
        losses = [(float(loss.mean), loss.target_tokens) for loss in self.losses()]
        return sum(mean * tokens for mean, tokens in losses) / sum(tokens for _, tokens in losses)

    def gradients(self, temperature: float = 1.0) -> dict[str, Tensor]:
        """The gradient g of the loss, averaged over the mini-batches, by matrix."""
        return self._average(list(self.parameters.values()), (loss.mean for loss in self.losses(temperature)))

    def curvature(self, directions: Mapping[str, Tensor], temperature: float = 1.0) -> dict[str, Tensor]:
        """The Hessian of the loss, averaged over the mini-batches, times a vector, by matrix."""
        parameters = list(self.parameters.values())

        def slopes() -> Iterator[Tensor]:
            for loss in self.losses(temperature):
                gradients = torch.autograd.grad(loss.mean, parameters, create_graph=True, materialize_grads=True)
                products = zip(self.parameters, gradients, strict=True)
                yield torch.stack([(directions[name] * gradient).sum() for name, gradient in products]).sum()

        return self._average(parameters, slopes())

    def _average(self, parameters: Sequence[nn.Parameter], values: Iterator[Tensor]) -> dict[str, Tensor]:
        totals, count = [torch.zeros_like(parameter) for parameter in parameters], 0
        for value in values:
            count += 1
            gradients = torch.autograd.grad(value, parameters, materialize_grads=True)
            for total, gradient in zip(totals, gradients, strict=True):
                total += gradient
        return {name: total / count for name, total in zip(self.parameters, totals, strict=True)}
