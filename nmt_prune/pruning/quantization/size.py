"""How many bytes the weights of a checkpoint need."""

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.weights import parameter_count
from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.groups import Group, groups
from nmt_prune.pruning.groups.element import Element
from nmt_prune.pruning.quantization import FULL
from nmt_prune.pruning.quantization.quantized import Facts


def quantized_bytes(checkpoint: Checkpoint, group: str | None = None) -> int:
    """Bytes of all weights, tied ones once: what is quantized in its few bits, everything else in fp32.

    A pruned matrix needs the bits of its kept weights (2 if ternary) and an index of one bit per group that says
    whether the group is kept; it is when one of its weights, after quantization, is not zero (Yang, He & Fan 2020).
    Where that is more than without an index, there is none. Scales and ranges of activations are counted in fp32,
    the few numbers of a checkpoint's own format are not.

    Args:
        checkpoint: a checkpoint, quantized or not.
        group: spec of the groups; by default those that it was pruned by, or single weights where an extension that is
            not loaded made them.

    Raises:
        PruneError: the given groups are unknown or do not fit.
    """
    facts = Facts.of(checkpoint.state["model"]) or Facts({}, {})
    matrices = checkpoint.matrices
    exists = MaskSet({prunable: weight != 0 for prunable, weight in matrices.items()})
    try:
        families = _families(groups.build(group or _group_of(checkpoint), head_dim=checkpoint.head_dim), exists)
    except PruneError:
        if group is not None:
            raise
        families = _families(Element(), exists)
    bits = 0
    for count, members in families:
        kept = sum(masks.kept(prunable) * facts.bits.get(prunable.name, FULL) for prunable, masks in members)
        dense = sum(prunable.size * facts.bits.get(prunable.name, FULL) for prunable, _ in members)
        bits += min(kept + count, dense)
    rest = parameter_count(checkpoint) - sum(rows * columns for rows, columns in (p.shape for p in matrices))
    numbers = rest + sum(scale.numel() for scale in facts.scales.values()) + 2 * len(facts.ranges or {})
    return -(-bits // 8) + 4 * numbers


def _families(group: Group, exists: MaskSet) -> list[tuple[int, list[tuple[Prunable, MaskSet]]]]:
    """For each family the number of its groups, and its matrices with the weights of groups that are kept.

    Matrices without such groups, e.g. the embedding where heads or units are pruned, have single weights for groups.
    """
    found, grouped = [], set()
    if not isinstance(group, Element):
        kept = group.expand(group.alive(exists), MaskSet.dense(exists.prunables))
        for family, members in group.families(exists.prunables).items():
            found.append((family.size, [(prunable, kept) for prunable, _ in members]))
            grouped |= {prunable.name for prunable, _ in members}
    single = [prunable for prunable in exists.prunables if prunable.name not in grouped]
    return [*found, *((prunable.size, [(prunable, exists)]) for prunable in single)]


def _group_of(checkpoint: Checkpoint) -> str:
    task = (checkpoint.state.get("cfg") or {}).get("task") or {}
    return (task.get("group") if isinstance(task, dict) else getattr(task, "group", None)) or "element"
