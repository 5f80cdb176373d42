"""All companions of a training as one."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor

from nmt_prune.companion import Companion, Substitution
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet


class Companions:
    """All companions of a training, by name.

    Raises:
        PruneError: two of them substitute weights.
    """

    def __init__(self, companions: Mapping[str, Companion]) -> None:
        substitutions = [name for name, companion in companions.items() if isinstance(companion, Substitution)]
        if len(substitutions) > 1:
            raise PruneError(f"{' and '.join(substitutions)} both put weights in place of the trained ones: choose one")
        self._companions = companions

    @property
    def settled_at(self) -> int:
        return max((companion.settled_at for companion in self._companions.values()), default=0)

    def before_forward(self, update: int) -> None:
        for companion in self._companions.values():
            companion.before_forward(update)

    def penalised(self, criterion: Any) -> Any:
        """The criterion with the penalties added to its loss."""
        if not self._companions:
            return criterion

        def compute(model: Any, sample: Any) -> Any:
            loss, sample_size, log = criterion(model, sample)
            for penalty in self._penalties():
                # The trainer divides by the sum of all sample sizes, over mini-batches and workers.
                loss = loss + penalty * sample_size
            return loss, sample_size, log

        return compute

    def needs_dense_gradients(self, update: int) -> bool:
        return any(companion.needs_dense_gradients(update) for companion in self._companions.values())

    def before_step(self, optimizer: Any, update: int) -> None:
        # In reverse, so that what was put in place last goes first.
        for companion in reversed(list(self._companions.values())):
            companion.before_step(optimizer, update)

    def after_step(self, optimizer: Any, update: int) -> None:
        for companion in self._companions.values():
            companion.after_step(optimizer, update)

    def masks(self, update: int) -> MaskSet | None:
        found = (companion.masks(update) for companion in self._companions.values())
        return next((masks for masks in found if masks is not None), None)

    def unready(self, going: MaskSet) -> float | None:
        found = (companion.unready(going) for companion in self._companions.values())
        return next((share for share in found if share is not None), None)

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        with ExitStack() as stack:
            for companion in self._companions.values():
                stack.enter_context(companion.evaluation())
            yield

    def statistics(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for companion in self._companions.values():
            found |= companion.statistics()
        return found

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """The states of all companions, once the trained weights are in place."""
        for companion in self._companions.values():
            companion.put_back()
        states = {name: companion.state_dict() for name, companion in self._companions.items()}
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, states: Mapping[str, Any]) -> None:
        for name, companion in self._companions.items():
            if name in states:
                companion.load_state_dict(states[name])

    def _penalties(self) -> Iterable[Tensor]:
        penalties = (companion.penalty() for companion in self._companions.values())
        return (penalty for penalty in penalties if penalty is not None)
