"""Masks for another language pair or domain: the layers as they are, embeddings by subword (Chen et al. 2020)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet

Embedding = Literal["match", "dense"]
Dictionaries = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Transferred:
    """Masks for another vocabulary.

    Attributes:
        masks: the masks.
        matched: per vocabulary matrix, how many rows had a row to take their mask from.
    """

    masks: MaskSet
    matched: dict[str, int]


def transfer(masks: MaskSet, source: Dictionaries, target: Dictionaries, embedding: Embedding = "match") -> Transferred:
    """Fits masks to a model of the same shape with other dictionaries.

    Args:
        masks: masks found on the source task.
        source: symbols of its dictionaries by stack, in the order of the rows.
        target: symbols of the target task's.
        embedding: ``match``: a subword that both have keeps its row of the mask, any other is dense; ``dense``:
            embeddings and output projection are left out.

    Raises:
        PruneError: a vocabulary matrix has not as many rows as its dictionary has symbols.
    """
    fitted, matched = {}, {}
    for prunable in masks.prunables:
        mask = masks[prunable.name]
        if prunable.in_body:
            fitted[prunable] = mask
            continue
        known, wanted = source[prunable.stack], target[prunable.stack]
        if len(known) != prunable.shape[0]:
            raise PruneError(
                f"{prunable.name} has {prunable.shape[0]} rows and the dictionary it should be of {len(known)} symbols;"
                " name the data folder that the mask's model was trained on"
            )
        rows = {symbol: row for row, symbol in enumerate(known)} if embedding == "match" else {}
        moved = torch.ones(len(wanted), prunable.shape[1], dtype=torch.bool)
        found = [(new, rows[symbol]) for new, symbol in enumerate(wanted) if symbol in rows]
        if found:
            new, old = torch.tensor(found).unbind(1)
            moved[new] = mask[old]
        matched[prunable.name] = len(found)
        fitted[replace(prunable, shape=(len(wanted), prunable.shape[1]))] = moved
    return Transferred(MaskSet(fitted), matched)
