"""The public name of this registry, for extension files; its home is ``nmt_prune.pruning.regularisers``."""

from nmt_prune.pruning.regularisers import Regulariser, regularisers

__all__ = ["Regulariser", "regularisers"]
