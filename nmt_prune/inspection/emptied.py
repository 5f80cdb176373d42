"""What an unstructured mask has emptied altogether: heads, feed-forward units, sublayers."""

from dataclasses import dataclass

from torch import Tensor

from nmt_prune.masks.mask_set import MaskSet


@dataclass(frozen=True)
class Emptied:
    """One attention or feed-forward sublayer.

    Attributes:
        name: e.g. ``encoder.layers.0.self_attn`` or ``decoder.layers.1.ffn``.
        units: number of heads or feed-forward units; None where the number of heads is not known.
        dead_units: those without any effect on the sublayer's output.
        is_dead: whether nothing but the output bias is left.
    """

    name: str
    units: int | None
    dead_units: int | None
    is_dead: bool


def sublayers(masks: MaskSet, heads: dict[str, int]) -> list[Emptied]:
    """Finds what is dead in each sublayer.

    A head has no effect if its rows of v_proj or its columns of out_proj are empty (without q or k it attends
    uniformly); a unit of the feed-forward sublayer if its column of fc2 is empty. A unit whose row of fc1 is empty
    still passes its bias on.

    Args:
        masks: the masks.
        heads: number of attention heads by stack, ``encoder`` and ``decoder``, as configured; may be empty.
    """
    found = []
    for prunable in masks.prunables:
        prefix = prunable.name.removesuffix(f"{prunable.matrix}.weight")
        if prunable.matrix == "out_proj":
            values, outputs = masks[f"{prefix}v_proj.weight"], masks[prunable.name]
            alive = values.any(dim=1) & outputs.any(dim=0)
            count = heads.get(prunable.stack)
            if count is not None:  # where a model has been shrunk, the projection is narrower than it is tall
                count = count * prunable.shape[1] // prunable.shape[0]
            dead = None if count is None else _dead(alive.view(count, -1).any(dim=1))
            found.append(Emptied(prefix.rstrip("."), count, dead, not bool(alive.any())))
        elif prunable.matrix == "fc2":
            alive = masks[prunable.name].any(dim=0)
            found.append(Emptied(f"{prefix}ffn", len(alive), _dead(alive), not bool(alive.any())))
    return found


def _dead(alive: Tensor) -> int:
    return int((~alive).sum())
