"""A GPU that is pretended: tensors that say they are elsewhere and lie in ordinary memory.

What a real one refuses is refused, so that code for GPUs can be tested without one: a tensor here and one there in the
same operation, and NumPy. The kernels are those of the CPU: whether a GPU computes the same, only a GPU tells. Of
torch's own devices ``meta`` is the one that any build knows and that the product never uses.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

GPU = torch.device("meta")
_COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class _There(Tensor):
    """A tensor on the pretended GPU."""

    @staticmethod
    def __new__(cls, here: Tensor) -> "_There":
        layout = {"strides": here.stride(), "storage_offset": here.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(cls, here.size(), dtype=here.dtype, device=GPU, **layout)

    def __init__(self, here: Tensor) -> None:
        self.here = here

    def __repr__(self) -> str:  # type: ignore[override]
        return f"pretended {self.here}"

    # Python's conversions would ask the device itself.

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Sees also what makes tensors of none."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled, and keeping the compiler away takes as long as what is computed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


def _compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors: list[Tensor] = []
    _each(tensors.append, (*args, *kwargs.values()))
    is_there = any(isinstance(tensor, _There) for tensor in tensors)
    if is_there and func not in _COPIES:
        for tensor in tensors:
            if not isinstance(tensor, _There) and tensor.dim():
                raise RuntimeError(f"{func}: {tuple(tensor.shape)} is on the CPU, other tensors are not")
    if is_there:
        inner, settings = _each(_here, args), {key: _each(_here, value) for key, value in kwargs.items()}
    else:
        inner, settings = args, kwargs
    if kwargs.get("device") is not None:
        is_there = torch.device(kwargs["device"]) == GPU
        settings = {**settings, "device": torch.device("cpu")}
    found = func(*inner, **settings)
    if func._schema.is_mutable and isinstance(found, Tensor):
        return args[0]
    return _each(_There, found) if is_there else found


def _each(call: Callable[[Tensor], Any], value: Any) -> Any:
    """The value with what a call makes of each of its tensors in their place; torch's own trees take long."""
    if isinstance(value, Tensor):
        return call(value)
    return type(value)(_each(call, part) for part in value) if type(value) in (tuple, list) else value


def _here(tensor: Tensor) -> Tensor:
    return tensor.here if isinstance(tensor, _There) else tensor


@contextmanager
def pretended_gpu() -> Iterator[torch.device]:
    """While it lasts tensors and models can be moved to the device that it gives."""
    before = torch.__future__.get_swap_module_params_on_conversion()
    # Else a model that moves would have other parameters than before, which with a real GPU it has not.
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with _Mode():
            yield GPU
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)
