"""Flags in place of others, among which another learning rate scheduler has flags of its own."""

from collections.abc import Mapping
from typing import Any

OWN_FLAGS: Mapping[str, frozenset[str]] = {
    "cosine": frozenset({"lr_period_updates", "lr_shrink", "min_lr", "t_mult", "warmup_init_lr", "warmup_updates"}),
    "cyclic_rewarm": frozenset({"end_learning_rate", "warmup_updates"}),
    "fixed": frozenset({"force_anneal", "lr_shrink", "warmup_updates"}),
    "inverse_sqrt": frozenset({"warmup_init_lr", "warmup_updates"}),
    "manual": frozenset({"epoch2lr", "update2lr"}),
    "pass_through": frozenset(),
    "polynomial_decay": frozenset({"end_learning_rate", "force_anneal", "power", "total_num_update", "warmup_updates"}),
    "reduce_lr_on_plateau": frozenset({"lr_patience", "lr_shrink", "lr_threshold", "warmup_init_lr", "warmup_updates"}),
    "step": frozenset({"lr_deacy_period", "lr_decay", "min_lr", "warmup_init_lr", "warmup_updates"}),
    "tri_stage": frozenset(
        {"decay_steps", "final_lr_scale", "hold_steps", "init_lr_scale", "phase_ratio", "warmup_steps"}
    ),
    "triangular": frozenset({"lr_period_updates", "lr_shrink", "max_lr", "shrink_min"}),
}
"""The schedulers of fairseq and of this toolkit, with the flags that a training takes only with some of them."""

_ALL = frozenset[str]().union(*OWN_FLAGS.values())


def replaced(flags: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The flags with others in their place.

    Those of the scheduler go with it: fairseq refuses a training that has flags of a scheduler which it does not use.
    """
    known = OWN_FLAGS.get(others.get("lr_scheduler", flags.get("lr_scheduler", "")), _ALL)
    return {**{name: value for name, value in flags.items() if name not in _ALL - known}, **others}


def ended(flags: Mapping[str, Any], last: int) -> dict[str, Any]:
    """The flags with the end of a decay that must have one: the last update of the training, unless they say another.

    fairseq asks for ``--total-num-update``, which in a recipe would be that of its trainings of one length alone.
    """
    if flags.get("lr_scheduler") == "polynomial_decay":
        return {"total_num_update": last, **flags}
    return dict(flags)
