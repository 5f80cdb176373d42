"""What a file says about what its masks could have pruned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_file import SUFFIX, load_masks
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import restrict
from nmt_prune.pruning.groups import groups


def known_scope(path: Path, masks: MaskSet, checkpoint: Checkpoint | None) -> frozenset[str]:
    """The matrices that could be pruned, as far as a mask file's provenance or a checkpoint's settings say.

    A checkpoint says so only if its training was told a sparsity: without one it held a mask that others had found.

    Args:
        path: the file.
        masks: its masks.
        checkpoint: what gives the width of heads; the file itself where it is a checkpoint.

    Returns:
        Names of matrices; none where nothing is known.
    """
    facts = load_masks(path)[1] if path.suffix == SUFFIX else _task(checkpoint)
    if "method" in facts:  # of a search, in attention and feed-forward sublayers
        facts = {"prune_set": "body", "sparsity": None}
    elif facts.get("prune_set") is None or facts.get("sparsity") is None:
        return frozenset()
    try:
        group = groups.build(str(facts.get("group") or "element"), head_dim=checkpoint.head_dim if checkpoint else {})
        return frozenset(one.name for one in group.members(restrict(masks.prunables, facts["prune_set"])))
    except PruneError:  # a group or prune set of an extension, or heads of unknown width
        return frozenset()


def _task(checkpoint: Checkpoint | None) -> Mapping[str, Any]:
    state = checkpoint.state if checkpoint else {}
    task = state.get("args") or (state.get("cfg") or {}).get("task") or {}
    return task if isinstance(task, Mapping) else vars(task)
