"""Blocks of weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import Prunable
from nmt_prune.pruning.groups import Group, Membership, family, groups


@groups.register("block")
@dataclass(frozen=True)
class Block(Group):
    """Blocks of ``rows`` outputs by ``columns`` consecutive inputs.

    The default is the width that a processing element takes in at once (Yang, He & Fan 2020: groups of g input channels
    of one filter); blocks of 8 × 4 are what the CPU engine multiplies fastest (Narang, Undersander & Diamos 2017: 4 × 4
    to 32 × 32). What is left over at an edge is a smaller block. Of an embedding, rows are words that follow each other
    in the dictionary, and the padding row falls with none.

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

    def membership(self, prunable: Prunable, among: Sequence[Prunable]) -> Membership:
        rows, columns = prunable.shape
        down, across = -(-rows // self.rows), -(-columns // self.columns)
        blocks = family(prunable, prunable.name, "blocks", down, across)
        if self.rows == 1:  # the padding row has blocks of its own
            blocks = replace(blocks, padding_row=prunable.padding_row)
        row_ids, column_ids = torch.arange(rows) // self.rows, torch.arange(columns) // self.columns
        return Membership(blocks, row_ids[:, None] * across + column_ids[None, :])
