"""From weights to masks."""

from dataclasses import replace

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.budgets import budgets, kept_count
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from tests.toy import toy_model

WEIGHTS = prunable_matrices(toy_model())
DENSE = MaskSet.dense(WEIGHTS)


def pruner(saliency: str = "magnitude", budget: str = "matrix", **settings) -> Pruner:
    return Pruner(saliencies.build(saliency), budgets.build(budget), **settings)


@pytest.mark.parametrize("budget", ["matrix", "global", "global-body", "erk"])
def test_the_body_alone_can_be_pruned(budget):
    masks = pruner(budget=budget, prune_set="body").prune(WEIGHTS, DENSE, 0.75)
    embedding, *body = masks.prunables
    assert masks.prunables == DENSE.prunables
    assert masks.kept(embedding) == embedding.size
    size = sum(prunable.size for prunable in body)
    assert sum(masks.kept(prunable) for prunable in body) == kept_count(size, 0.75) == size // 4
    assert pruner(prune_set="body").pruned_share(masks) == 0.75
    assert pruner().pruned_share(masks) == pytest.approx(0.75 * size / (size + embedding.size))


def test_a_body_pruned_further_keeps_what_was_pruned_elsewhere():
    alive = pruner().prune(WEIGHTS, DENSE, 0.5)
    masks = pruner(prune_set="body").prune(WEIGHTS, alive, 0.9)
    name = "encoder.embed_tokens.weight"
    assert torch.equal(masks[name], alive[name])
    assert all(not (masks[key] & ~alive[key]).any() for key in masks)


def test_weights_of_a_checkpoint_with_fewer_aliases_fit():
    # fairseq of 2019 saved no decoder.output_projection.weight for tied embeddings.
    old = {replace(prunable, aliases=()): weight for prunable, weight in WEIGHTS.items()}
    assert pruner().prune(old, DENSE, 0.5) == pruner().prune(WEIGHTS, DENSE, 0.5)


def test_an_unknown_prune_set_is_refused():
    with pytest.raises(PruneError, match="unknown prune set 'heads'"):
        pruner(prune_set="heads").prune(WEIGHTS, DENSE, 0.5)


def test_half_precision_weights_are_ranked_in_float32():
    half = {prunable: weight.half() for prunable, weight in WEIGHTS.items()}
    exact = {prunable: weight.half().float() for prunable, weight in WEIGHTS.items()}
    assert pruner(budget="global").prune(half, DENSE, 0.7) == pruner(budget="global").prune(exact, DENSE, 0.7)


def test_diverged_weights_are_refused_by_name():
    broken = {prunable: weight.clone() for prunable, weight in WEIGHTS.items()}
    prunable = list(broken)[3]
    broken[prunable][0, 0] = float("nan")
    with pytest.raises(PruneError, match=f"the saliency of {prunable.name} is NaN; has the training diverged"):
        pruner().prune(broken, DENSE, 0.5)
