"""Holding masks during training: the only place that writes zeros.

fairseq's attention hands ``q_proj.weight`` straight to a functional, so forward hooks, masked Linear layers and
``torch.nn.utils.prune`` silently fail there. Masks are therefore applied in place around the optimizer step.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, prunable_parameters
from nmt_prune.training.optimizer_state import masters, moments


class Masking(nn.Module):
    """The masks of one model, as a submodule whose state-dict keys stand beside the unchanged weight keys.

    A mask is stored as uint8 zeros and ones, so that averaging checkpoints with the same masks gives the same masks.
    Matrices that nothing is pruned from have no mask. The name under which a model holds this module must contain
    "version": fairseq's EMA leaves such keys alone, as it must for masks, and the format can change later.

    Args:
        model: the model, whose prunable parameters are found here.
        matrices: the parameters to prune, of a model that is no Transformer of fairseq's.
    """

    def __init__(self, model: nn.Module, matrices: Mapping[Prunable, nn.Parameter] | None = None) -> None:
        super().__init__()
        # A list hides the parameters from nn.Module, which would register them a second time.
        self._matrices = [prunable_parameters(model) if matrices is None else dict(matrices)]
        self._masks: dict[str, Tensor] = {}
        self.revision = 0
        """Grows whenever the masks become others."""
        self.shown: MaskSet | None = None
        """Masks to be saved in place of those that are held: of a model that is trained dense and seen masked."""

    @property
    def parameters_by_matrix(self) -> dict[Prunable, nn.Parameter]:
        """The prunable matrices of the model and their parameters."""
        return self._matrices[0]

    @property
    def masks(self) -> MaskSet:
        """The masks as they are now, on the device of the model, also those that are all ones."""
        return MaskSet(
            {
                prunable: self._masks[prunable.name].bool()
                if prunable.name in self._masks
                else torch.ones(prunable.shape, dtype=torch.bool, device=parameter.device)
                for prunable, parameter in self.parameters_by_matrix.items()
            }
        )

    @property
    def seen(self) -> MaskSet:
        """The masks of the forward pass: those that are shown, else those that are held."""
        return self.masks if self.shown is None else self.shown

    @contextmanager
    def as_held(self) -> Iterator[None]:
        """While it lasts, no other masks are saved than those that are held."""
        shown, self.shown = self.shown, None
        try:
            yield
        finally:
            self.shown = shown

    def replace(self, masks: MaskSet) -> None:
        """Takes new masks and zeroes the weights that they remove.

        Raises:
            PruneError: the masks belong to another model.
        """
        masks.check_matches(self.parameters_by_matrix, "the mask")
        self._masks = self._stored(masks)
        self.revision += 1
        self._zero_weights()

    def clear(self) -> None:
        """Forgets all masks; weights stay as they are."""
        self._masks = {}
        self.revision += 1

    def hold(self, model: nn.Module) -> None:
        """Keeps pruned weights zero in trainings by programs that know nothing of masks.

        Their gradients become zero as they arise. Weights are zeroed before every forward pass in training and before
        they are saved, too, because an optimizer that was loaded may carry moments of what is pruned now.

        Args:
            model: the model that holds this module.
        """
        for prunable, parameter in self.parameters_by_matrix.items():
            parameter.register_hook(partial(self._masked_gradient, prunable.name))
        model.register_forward_pre_hook(self._zero_in_training)
        model.register_state_dict_pre_hook(self._zero_before_saving)

    def mask_gradients(self) -> None:
        """Zeroes the gradients of pruned weights; to be called after backward, before clipping."""
        for mask, parameter in self._masked():
            if parameter.grad is not None:
                parameter.grad.mul_(mask)

    def mask_optimizer(self, optimizer: Any) -> None:
        """Zeroes the moments and master copies of pruned weights; to be called once after a mask change or a load."""
        pairs = list(self._masked())
        parameters = [parameter for _, parameter in pairs]
        copies, states = masters(optimizer, parameters), moments(optimizer, parameters)
        for (mask, _), copy, state in zip(pairs, copies, states, strict=True):
            for tensor in (copy, *state.values()):
                # Moments that fairseq has loaded for --memory-efficient-fp16 stay on the CPU until its next step.
                tensor.mul_(mask.to(tensor.device))
        self._zero_weights()

    def revived(self) -> int:
        """Number of pruned weights that are not zero: always 0 unless something outside wrote to the weights."""
        # Added up before they are read: each number that is read waits for the GPU.
        return int(sum(((parameter.data != 0) & (mask == 0)).sum() for mask, parameter in self._masked()))

    def check(self, source: str) -> int:
        """Checks that every pruned weight is zero.

        Returns:
            The number of revived weights, i.e. 0.

        Raises:
            PruneError: some are not.
        """
        revived = self.revived()
        if revived:
            raise PruneError(
                f"{source}: {revived} weights that the mask removes are not zero; were checkpoints with different masks"
                " averaged, or was the file changed by hand? Start from a checkpoint that this toolkit wrote"
            )
        return revived

    def _stored(self, masks: MaskSet) -> dict[str, Tensor]:
        return {
            prunable.name: masks[prunable.name].to(device=parameter.device, dtype=torch.uint8)
            for prunable, parameter in self.parameters_by_matrix.items()
            if masks.kept(prunable) < prunable.size
        }

    def _masked(self) -> Iterable[tuple[Tensor, nn.Parameter]]:
        for prunable, parameter in self.parameters_by_matrix.items():
            if prunable.name in self._masks:
                yield self._masks[prunable.name], parameter

    def _masked_gradient(self, name: str, gradient: Tensor) -> Tensor:
        return gradient * self._masks[name] if name in self._masks else gradient

    def _zero_in_training(self, model: nn.Module, inputs: Any) -> None:
        if model.training:
            self._zero_weights()

    def _zero_before_saving(self, model: nn.Module, prefix: str, keep_vars: bool) -> None:
        self._zero_weights()

    def _zero_weights(self) -> None:
        with torch.no_grad():
            for mask, parameter in self._masked():
                parameter.data.mul_(mask)

    def _apply(self, fn: Any, recurse: bool = True) -> "Masking":
        # Follow the model to its device; casts of floating-point tensors (half, bfloat16) leave masks alone.
        super()._apply(fn, recurse)
        self._masks = {name: fn(mask) for name, mask in self._masks.items()}
        return self

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, mask in (self._masks if self.shown is None else self._stored(self.shown)).items():
            destination[prefix + name] = mask

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        parameters = {prunable.name: parameter for prunable, parameter in self.parameters_by_matrix.items()}
        loaded = {key.removeprefix(prefix): mask for key, mask in state_dict.items() if key.startswith(prefix)}
        for name, mask in loaded.items():
            if name not in parameters:
                unexpected_keys.append(prefix + name)
            elif mask.shape != parameters[name].shape:
                error_msgs.append(f"mask of {name} is {tuple(mask.shape)}, the matrix {tuple(parameters[name].shape)}")
        # Without any mask in it a state dict says nothing about masks; ``strict`` is always true here.
        if loaded and not error_msgs:
            self.revision += 1
            self._masks = {
                name: mask.to(device=parameters[name].device, dtype=torch.uint8, copy=True)
                for name, mask in loaded.items()
                if name in parameters
            }
