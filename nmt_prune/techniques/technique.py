"""What a technique is: how the run at one rung of the ladder follows from another run."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nmt_prune.errors import PruneError
from nmt_prune.techniques.mask_sources import MaskSource, RungBelow

DENSE = "dense"
LONGER = "dense-longer"
"""The equal-update control: the dense model trained on. Its runs differ in their updates, not in their sparsity."""

RECOMMENDED = "ladder-gmp"
"""How ``nmt-prune prune`` prunes unless it is told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Technique:
    """How the run at one rung of the ladder follows from another run.

    Attributes:
        label: what tables and figures call it.
        summary: one line, with the paper.
        mask: where the mask is found.
        reset: what the survivors become; a spec of the resets.
        rewind: the rewind point that goes with it: ``early`` is θ_t, ``init`` is θ_0 of the dense run.
        schedule: ``constant``; with ends and intervals of the recipe: ``cubic`` (Zhu & Gupta 2018) from the sparsity of
            the mask source on, ``oneshot``: that sparsity until ``prune_end``, then the final one, ``layerwise``,
            ``rigl``, ``granet``, ``acdc``; or any spec of the schedules, as it is.
        prune_end: when the mask is final, as a share of the training, unless the recipe says when.
        clock: update number that training starts at.
        length: of the training: that of every other one, or, for equal-update controls, as many updates as bring it to
            the total of the longest technique at its rung. Its schedule is stretched.
        start: technique that makes the first rungs.
        rounds: sparsities of those rungs, in percent; a recipe may choose others.
        counts_of: technique whose counts per matrix a control has, rung by rung.
        flags: further flags of the task, in place of the recipe's.
        teacher: what its runs learn from the dense one, as a recipe's ``teacher`` has it; None: nothing.
        training: flags of its own trainings, in place of the recipe's, as ``sparse_lr``.
        subnetwork: which of the search's subnetworks.
        is_trained: whether the survivors are trained again.
        is_small: whether it is no mask at all but a dense model with as many parameters as the rung leaves non-zero.
        is_control: whether it asks a question about another technique and is not meant to be good.
    """

    label: str
    summary: str
    mask: MaskSource = field(default_factory=RungBelow)
    reset: str = "keep"
    rewind: Literal["early", "init"] | None = None
    schedule: str = "constant"
    prune_end: float | None = None
    clock: Literal["restart", "rewind", "keep"] = "restart"
    length: Literal["training", "ladder"] = "training"
    start: str | None = None
    rounds: tuple[float, ...] = ()
    counts_of: str | None = None
    flags: Mapping[str, str] = field(default_factory=dict)
    teacher: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    subnetwork: Literal["good", "random", "bad"] = "good"
    is_trained: bool = True
    is_small: bool = False
    is_control: bool = False

    @property
    def quantizes(self) -> bool:
        """Whether its weights have fewer bits; then there is something to do at 0 %, too."""
        return "quantizer" in self.flags

    @property
    def leaves_rewind_point(self) -> bool:
        """Whether another run may be rewound to this technique's θ_t."""
        rewinds_itself = self.mask == RungBelow() and self.rewind == "early" and self.clock == "restart"
        return self.mask.grows or rewinds_itself


class Techniques(Mapping[str, Technique]):
    """The techniques by name, in the order of tables; :meth:`add` makes one available to recipes.

    Args:
        entries: those that it begins with.
    """

    def __init__(self, entries: Mapping[str, Technique]) -> None:
        self._entries = dict(entries)

    def add(self, name: str, technique: Technique) -> None:
        """Makes a technique available as ``name``; for extension files.

        Raises:
            PruneError: the name is taken, or what it refers to does not exist.
        """
        if self._entries.get(name) == technique:  # its file is read again
            return
        if name in (*self._entries, DENSE, LONGER):
            raise PruneError(f"technique {name!r} exists already; give yours another name")
        if not isinstance(technique, Technique):
            raise PruneError(f"technique {name!r}: give an object of nmt_prune.techniques.Technique")
        for other in (technique.start, technique.counts_of, getattr(technique.mask, "of", None)):
            if other is not None:
                self.find(other)
        self._entries[name] = technique

    def controls(self) -> dict[str, str]:
        """Summaries of what a recipe lists under ``controls``."""
        longest = "the dense model trained on for as long as the longest chain of trainings"
        return {LONGER: longest} | {name: one.summary for name, one in self.items() if one.is_control}

    def find(self, name: str) -> Technique:
        """The technique of a name.

        Raises:
            PruneError: there is none.
        """
        if name not in self._entries:
            close = difflib.get_close_matches(name, self._entries, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(self._entries)}"
            raise PruneError(f"unknown technique {name!r}; {hint}")
        return self._entries[name]

    def __getitem__(self, name: str) -> Technique:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
