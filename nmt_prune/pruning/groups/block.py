"""Blocks of weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.groups import Group, Membership, family, groups


@groups.register("block")
@dataclass(frozen=True)
class Block(Group):
    """Blocks of ``rows`` outputs by ``columns`` consecutive inputs.

    The default is the width that a processing element takes in at once (Yang, He & Fan 2020: groups of g input channels
    of one filter); 4 × 1 suits CPU kernels that share an index between rows. What is left over at an edge is a smaller
    block.

    Args:
        rows: rows of a block.
        columns: columns of a block.

    Raises:
        PruneError: a block has no size.
    """

    rows: int = 1
    columns: int = 16

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 1:
            raise PruneError(f"group block: rows={self.rows} and columns={self.columns} must be at least 1")

    def membership(self, prunable: Prunable, among: Sequence[Prunable]) -> Membership | None:
        if not prunable.in_body:
            return None
        rows, columns = prunable.shape
        down, across = -(-rows // self.rows), -(-columns // self.columns)
        blocks = family(prunable, prunable.name, "blocks", down, across)
        row_ids, column_ids = torch.arange(rows) // self.rows, torch.arange(columns) // self.columns
        return Membership(blocks, row_ids[:, None] * across + column_ids[None, :])
