"""The public name of this registry, for extension files; its home is ``nmt_prune.pruning.schedules``."""

from nmt_prune.pruning.schedules import Schedule, schedules

__all__ = ["Schedule", "schedules"]
