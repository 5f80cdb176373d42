"""The public name of this registry, for extension files; its home is ``nmt_prune.pruning.resets``."""

from nmt_prune.pruning.resets import Reset, resets

__all__ = ["Reset", "resets"]
