"""fairseq models of the plugin. Importing them also lets ``torch.load`` read fairseq checkpoints safely."""

import torch
from fairseq.distributed import utils as distributed_utils

from nmt_prune.checkpoints.safe_types import allow_checkpoint_types

allow_checkpoint_types()
# Stands for a tensor where fairseq sends a checkpoint to the other data-parallel workers.
torch.serialization.add_safe_globals([distributed_utils._TensorPlaceholder])
