"""nmt-prune: a fairseq plugin that prunes Transformer translation models (``--user-dir nmt_prune``)."""

__version__ = "0.1.0"
