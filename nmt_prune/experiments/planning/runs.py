"""A plan: the trainings of an experiment, each after its parent, and what happens between them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Run:
    """One training, or a step without one.

    Attributes:
        name: folder of the run, e.g. ``slt-80-seed1``.
        technique: what it is a result of.
        also: further techniques whose result at this sparsity it is.
        step: ``train``; without an update: ``search`` for subnetworks, which leaves masks and no checkpoint,
            ``prune``: a mask on trained weights, ``adopt``: a model that was trained elsewhere, for ``updates``, or
            ``distill``: the training data in a teacher's translation.
        sparsity: final sparsity in [0, 1).
        seed: of the training and of whatever the pruning draws.
        parent: the run that the mask is found on; None for a training from scratch.
        first_update: update number that training starts at.
        updates: length of this training.
        total_updates: with those of all its ancestors.
        settings: everything that decides the result, free of paths. ``settings["pruning"]`` holds the task's pruning
            flags, checkpoints as RUN/FILE.
        needs: further runs that must be trained before.
    """

    name: str
    technique: str
    sparsity: float
    seed: int
    parent: str | None
    first_update: int
    updates: int
    total_updates: int
    settings: dict[str, Any]
    also: tuple[str, ...] = field(default=())
    step: Literal["train", "search", "prune", "adopt", "distill"] = "train"
    needs: tuple[str, ...] = field(default=())

    @property
    def is_scored(self) -> bool:
        """Whether there is a model to translate with."""
        return self.step not in ("search", "distill")

    @property
    def after(self) -> tuple[str, ...]:
        """All runs that must be trained before this one."""
        return tuple(dict.fromkeys([*([self.parent] if self.parent else []), *self.needs]))

    @property
    def last_update(self) -> int:
        """Update number that training ends at (``--max-update``)."""
        return self.first_update + self.updates


def with_ancestors(runs: Iterable[Run], names: set[str]) -> list[Run]:
    """The runs of these names and those that they follow from, in the order given.

    Args:
        runs: all runs, parents first.
        names: the names that are wanted.
    """
    runs = list(runs)
    wanted = set(names)
    for run in reversed(runs):
        if run.name in wanted:
            wanted.update(run.after)
    return [run for run in runs if run.name in wanted]


def path_lengths(runs: Iterable[Run], left: Mapping[str, int]) -> dict[str, int]:
    """Updates from the start of each run to the end of the longest chain that goes through it.

    Args:
        runs: all runs, parents first.
        left: updates that each still needs.
    """
    runs = list(runs)
    lengths = {run.name: left[run.name] for run in runs}
    for run in reversed(runs):
        for name in run.after:
            lengths[name] = max(lengths[name], left[name] + lengths[run.name])
    return lengths
