"""fairseq models of the plugin. Importing them also lets ``torch.load`` read fairseq checkpoints safely."""

from nmt_prune.checkpoints import allow_checkpoint_types

allow_checkpoint_types()
