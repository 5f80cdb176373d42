"""All callbacks of a training as one."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.training.callback import Callback, Substitution


class Callbacks:
    """All callbacks of a training, by name.

    Raises:
        PruneError: two of them substitute weights.
    """

    def __init__(self, callbacks: Mapping[str, Callback]) -> None:
        substitutions = [name for name, callback in callbacks.items() if isinstance(callback, Substitution)]
        if len(substitutions) > 1:
            raise PruneError(f"{' and '.join(substitutions)} both put weights in place of the trained ones: choose one")
        self._callbacks = callbacks

    @property
    def settled_at(self) -> int:
        return max((callback.settled_at for callback in self._callbacks.values()), default=0)

    def begin(self, optimizer: Any) -> None:
        for callback in self._callbacks.values():
            callback.begin(optimizer)

    def before_forward(self, update: int) -> None:
        for callback in self._callbacks.values():
            callback.before_forward(update)

    def penalised(self, criterion: Any) -> Any:
        """The criterion with the penalties added to its loss."""
        if not self._callbacks:
            return criterion

        def compute(model: Any, sample: Any) -> Any:
            loss, sample_size, log = criterion(model, sample)
            for penalty in self._penalties():
                # The trainer divides by the sum of all sample sizes, over mini-batches and workers.
                loss = loss + penalty * sample_size
            return loss, sample_size, log

        return compute

    def needs_dense_gradients(self, update: int) -> bool:
        return any(callback.needs_dense_gradients(update) for callback in self._callbacks.values())

    def before_step(self, optimizer: Any, update: int) -> None:
        # In reverse, so that what was put in place last goes first.
        for callback in reversed(list(self._callbacks.values())):
            callback.before_step(optimizer, update)

    def after_step(self, optimizer: Any, update: int) -> None:
        for callback in self._callbacks.values():
            callback.after_step(optimizer, update)

    def masks(self, update: int) -> MaskSet | None:
        found = (callback.masks(update) for callback in self._callbacks.values())
        return next((masks for masks in found if masks is not None), None)

    def unready(self, going: MaskSet) -> float | None:
        found = (callback.unready(going) for callback in self._callbacks.values())
        return next((share for share in found if share is not None), None)

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        with ExitStack() as stack:
            for callback in self._callbacks.values():
                stack.enter_context(callback.evaluation())
            yield

    def statistics(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for callback in self._callbacks.values():
            found |= callback.statistics()
        return found

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """The states of all callbacks, once the trained weights are in place."""
        for callback in self._callbacks.values():
            callback.put_back()
        states = {name: callback.state_dict() for name, callback in self._callbacks.items()}
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, states: Mapping[str, Any]) -> None:
        for name, callback in self._callbacks.items():
            if name in states:
                callback.load_state_dict(states[name])

    def _penalties(self) -> Iterable[Tensor]:
        penalties = (callback.penalty() for callback in self._callbacks.values())
        return (penalty for penalty in penalties if penalty is not None)
