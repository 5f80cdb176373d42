"""The public name of this registry, for extension files; its home is ``nmt_prune.pruning.budgets``."""

from nmt_prune.pruning.budgets import Budget, budgets, kept_count, select_counts

__all__ = ["Budget", "budgets", "kept_count", "select_counts"]
