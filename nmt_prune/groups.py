"""The public name of this registry, for extension files; its home is ``nmt_prune.pruning.groups``."""

from nmt_prune.pruning.groups import Group, groups

__all__ = ["Group", "groups"]
