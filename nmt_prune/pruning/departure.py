"""What a training departs from: what a resumed one needs to know of its start."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nmt_prune.checkpoints import Checkpoint


@dataclass(frozen=True)
class Departure:
    """What each checkpoint of a training says of its start, under ``start`` in the task's state.

    Attributes:
        inherited: share of the prune set that was pruned before anything else was.
        stages: the sparsities that the budget goes through, if they are several.
        first_update: number of updates done at the start.
        flags: those that decide the start.
        resets: what fairseq was asked not to take from the checkpoint that it started with.
        restored: name and SHA-256 of the file that ``--restore-file`` gave; empty without one, None if unknown.
        cut: what :class:`nmt_prune.evaluation.records.run.ScoreRecord` says of it; None before there was one.
    """

    inherited: float
    stages: tuple[float, ...] = ()
    first_update: int = 0
    flags: dict[str, Any] = field(default_factory=dict)
    resets: tuple[str, ...] = ()
    restored: dict[str, str] | None = None
    cut: dict[str, float] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Departure":
        """Takes it from JSON values, whatever else they say."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        return cls(**{**known, **{name: tuple(known.get(name, ())) for name in ("stages", "resets")}})

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> "Departure | None":
        """What a checkpoint says; None if its training was not one of the task's."""
        saved = (checkpoint.state.get("task_state") or {}).get("start")
        return None if saved is None else cls.of(saved)

    def masks(self) -> dict[str, Any]:
        """What a schedule has to know of the masks at the start, as JSON values."""
        return {"inherited": self.inherited, **({"stages": list(self.stages)} if self.stages else {})}

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        whole = {**self.masks(), "first_update": self.first_update, "flags": self.flags, "resets": list(self.resets)}
        later = {"restored": self.restored, "cut": self.cut}
        return whole | {name: value for name, value in later.items() if value is not None}
