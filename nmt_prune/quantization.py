"""The public name of this registry, for extension files; its home is ``nmt_prune.pruning.quantization``."""

from nmt_prune.pruning.quantization import Quantizer, quantizers

__all__ = ["Quantizer", "quantizers"]
