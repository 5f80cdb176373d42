"""The public name of this registry, for extension files; its home is ``nmt_prune.pruning.saliency``."""

from nmt_prune.pruning.saliency import Evidence, MeasuredSaliency, ModelSaliency, Probe, Saliency, saliencies

__all__ = ["Evidence", "MeasuredSaliency", "ModelSaliency", "Probe", "Saliency", "saliencies"]
