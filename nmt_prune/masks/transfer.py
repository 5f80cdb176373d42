"""Masks and weights for another language pair or domain: layers as they are, embeddings by subword (Chen 2020)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, prunable_matrices

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
        _check_rows(prunable, mask, source)
        wanted = target[prunable.stack]
        moved = torch.ones(len(wanted), prunable.shape[1], dtype=torch.bool)
        new, old = _matching_rows(prunable, source, target, embedding)
        moved[new] = mask[old]
        matched[prunable.name] = len(new)
        fitted[replace(prunable, shape=(len(wanted), prunable.shape[1]))] = moved
    return Transferred(MaskSet(fitted), matched)


def transfer_weights(
    parent: Mapping[str, Tensor],
    onto: Mapping[str, Tensor],
    source: Dictionaries,
    target: Dictionaries,
    embedding: Embedding = "match",
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Fits the weights of a parent model to a model of the same shape with other dictionaries.

    Args:
        parent: state dict of the model trained on the source task.
        onto: state dict of a model of the target task, whose rows stay where the parent does not know the subword.
        source: symbols of the parent's dictionaries by stack, in the order of the rows.
        target: symbols of the target task's.
        embedding: ``match``, or ``dense``: all embeddings are those of ``onto``.

    Returns:
        The state dict, and per vocabulary matrix how many of its rows are the parent's.

    Raises:
        PruneError: the two differ in more than their vocabularies, or a dictionary is of another model.
    """
    vocabulary = [prunable for prunable in prunable_matrices(onto) if not prunable.in_body]
    _check_architecture(parent, onto, {name for prunable in vocabulary for name in prunable.names})
    weights, matched = dict(parent), {}
    for prunable in vocabulary:
        rows = onto[prunable.name].clone()
        _check_rows(prunable, parent[prunable.name], source)
        _check_rows(prunable, rows, target)
        new, old = _matching_rows(prunable, source, target, embedding)
        rows[new] = parent[prunable.name][old].to(rows.dtype)
        matched[prunable.name] = len(new)
        weights.update(dict.fromkeys(prunable.names, rows))
    return weights, matched


def _check_architecture(parent: Mapping[str, Tensor], onto: Mapping[str, Tensor], vocabulary: set[str]) -> None:
    for name in sorted(parent.keys() | onto.keys()):
        its, mine = (tuple(state[name].shape) if name in state else None for state in (parent, onto))
        if its is None or mine is None or (its != mine and name not in vocabulary):
            raise PruneError(
                f"the parent is of another architecture: {name} is {its or 'missing'} there and {mine or 'missing'} in"
                " the target's model; train both with the same --arch and sizes"
            )


def _check_rows(prunable: Prunable, matrix: Tensor, dictionaries: Dictionaries) -> None:
    symbols = dictionaries[prunable.stack]
    if len(symbols) != matrix.shape[0]:
        raise PruneError(
            f"{prunable.name} has {matrix.shape[0]} rows and the dictionary it should be of {len(symbols)} symbols;"
            " name the data folder that its model was trained on"
        )


def _matching_rows(
    prunable: Prunable, source: Dictionaries, target: Dictionaries, embedding: Embedding
) -> tuple[list[int], list[int]]:
    """The rows of a vocabulary matrix that both have: places in the target's, and in the source's."""
    known = {symbol: row for row, symbol in enumerate(source[prunable.stack])} if embedding == "match" else {}
    new = [row for row, symbol in enumerate(target[prunable.stack]) if symbol in known]
    return new, [known[target[prunable.stack][row]] for row in new]
