"""Positions that count from 0, as Marian's do: to fairseq a learned table, whose rows are sinusoids and stay so."""

from collections.abc import Iterator
from typing import Any

import torch

from nmt_prune.errors import PruneError
from nmt_prune.sinusoids import sinusoids


def count_positions_from_zero(model: Any) -> None:
    """Fills the tables of a model with learned positions and takes them out of its training.

    Raises:
        PruneError: the model has no positions.
    """
    model.counts_from_zero = True
    for name, table in _tables(model):
        if table is None:
            raise PruneError(f"--marian-positions: the {name} has none; leave out --no-token-positional-embeddings")
        first = table.padding_idx + 1
        with torch.no_grad():
            table.weight[:first] = 0
            table.weight[first:] = torch.from_numpy(sinusoids(len(table.weight) - first, table.embedding_dim))
        table.weight.requires_grad_(False)


def keep_tables(model: Any, state_dict: dict[str, Any]) -> None:
    """Gives a state dict to be loaded the tables of the model, whatever positions it was trained with."""
    for name, table in _tables(model):
        prefix = f"{name}.embed_positions."
        for key in [key for key in state_dict if key.startswith(prefix)]:
            del state_dict[key]
        state_dict[f"{prefix}weight"] = table.weight.detach().clone()


def _tables(model: Any) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(model, name).embed_positions) for name in ("encoder", "decoder"))
