"""Tickets: a mask and reset weights as a fairseq checkpoint that training starts from.

A ticket is an ordinary checkpoint, so fairseq's own loading sets the clock, the weights and the masks at once, and a
training that is killed at any time goes on from its last checkpoint without pruning or resetting again.
"""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from nmt_prune.checkpoints import FIRST_EPOCH, MASK_MODULE, Checkpoint
from nmt_prune.checkpoints.own_dictionaries import recorded
from nmt_prune.checkpoints.stock import as_masked
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.pruning.resets import Reset

Clock = Literal["restart", "rewind", "keep"]
CLOCKS: tuple[Clock, ...] = ("restart", "rewind", "keep")


def make_ticket(
    trained: Checkpoint, masks: MaskSet, reset: Reset, rewind_point: Checkpoint | None, clock: str
) -> dict[str, Any]:
    """Builds a ticket.

    Args:
        trained: the checkpoint that the mask was found on (θ_T).
        masks: masks of all its matrices.
        reset: what the survivors become.
        rewind_point: checkpoint at θ_0 or θ_t; None if neither reset nor clock needs it.
        clock: ``restart``: update 0, warm-up again (Brix 2020); ``rewind``: go on at the rewind point's update with
            the learning rate of that time (Frankle 2019, Renda 2020); ``keep``: go on after θ_T (fine-tuning).

    Returns:
        The state of a fairseq checkpoint.

    Raises:
        PruneError: unknown clock, a rewind point that is missing or of another architecture, or no optimizer state
            to go on with.
    """
    masks.check_matches(trained.matrices, f"mask for {trained.path}")
    if rewind_point is None and (reset.needs_rewind_point or clock == "rewind"):
        raise PruneError("this reset or clock needs a rewind point: give --rewind-from, e.g. PARENT/rewind_0.pt")
    if rewind_point is not None:
        _check_same_architecture(trained, rewind_point)
        masks.check_matches(rewind_point.matrices, f"mask for the rewind point {rewind_point.path}")
    source = trained if rewind_point is None else rewind_point
    weights = reset.apply(masks, trained.model, source.model)
    stored = {
        f"{MASK_MODULE}.{prunable.name}": masks[prunable.name].byte()
        for prunable in masks.prunables
        if masks.kept(prunable) < prunable.size
    }
    continued = _continued(trained, source, reset, clock)
    history = {"lr_scheduler_state": {"best": None}, **(continued or trained).history}
    # What a denser model scored is nothing that this one has to reach.
    is_denser = continued is not None and continued.masks != masks
    return {
        **as_masked(trained),
        "model": {**weights, **stored},
        "criterion": trained.state.get("criterion"),
        "optimizer_history": [{**history, "num_updates": continued.num_updates if continued else 0}],
        "task_state": {**recorded(trained), "best_is_denser": is_denser},
        "extra_state": {"train_iterator": _train_iterator(continued)},
        "last_optimizer_state": continued.state["last_optimizer_state"] if continued else None,
    }


def _continued(trained: Checkpoint, source: Checkpoint, reset: Reset, clock: str) -> Checkpoint | None:
    """The checkpoint whose training goes on: its update number and its optimizer state; None for a restart."""
    if clock == "restart":
        return None
    if clock not in CLOCKS:
        raise PruneError(f"unknown clock {clock!r}; known: {', '.join(CLOCKS)}")
    continued = trained if clock == "keep" else source
    # Kept weights with a rewound learning rate keep the moments that belong to them (Renda 2020, section 2).
    owner = continued if reset.needs_rewind_point else trained
    if not owner.has_optimizer:
        raise PruneError(
            f"{owner.path} has no optimizer state, which the clock {clock!r} goes on with; take a checkpoint that"
            " was saved without --no-save-optimizer-state, or use --clock restart"
        )
    return Checkpoint(continued.path, {**continued.state, "last_optimizer_state": owner.state["last_optimizer_state"]})


def _train_iterator(continued: Checkpoint | None) -> Mapping[str, Any]:
    saved = continued.state.get("extra_state", {}).get("train_iterator") if continued else None
    return saved or dict(FIRST_EPOCH)


def _check_same_architecture(trained: Checkpoint, rewind_point: Checkpoint) -> None:
    mine, other = _shapes(trained.model), _shapes(rewind_point.model)
    for name in sorted(mine.keys() | other.keys()):
        if mine.get(name) != other.get(name):
            raise PruneError(
                f"rewind point {rewind_point.path} is of another architecture than {trained.path}: {name} is"
                f" {other.get(name, 'missing')} there and {mine.get(name, 'missing')} here"
            )


def _shapes(model: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.items()}
