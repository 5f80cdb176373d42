"""Data-parallel workers."""

from typing import Any

import torch
from fairseq.distributed import utils as distributed_utils

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet


def is_distributed() -> bool:
    """Whether several processes train together."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def is_master() -> bool:
    """Whether this process is the one that writes files."""
    return not is_distributed() or distributed_utils.get_data_parallel_rank() == 0


def wait_for_master() -> None:
    """Waits until every process has come here."""
    if is_distributed():
        torch.distributed.barrier()


def check_agreement(masks: MaskSet, what: str) -> None:
    """Checks that every process has computed the same masks.

    Raises:
        PruneError: they differ.
    """
    if not is_distributed():
        return
    # Not fairseq's all_gather_list, which needs a GPU.
    digests: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(digests, masks.digest())
    if len(set(digests)) > 1:
        raise PruneError(f"data-parallel workers computed different {what}; do all run the same version and flags?")
