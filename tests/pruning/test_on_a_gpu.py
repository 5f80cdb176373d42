"""Masks are found where the weights are, and are the CPU's bit for bit."""

import pytest
import torch

from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.training.regrowth import regrown
from tests.devices import on_gpus
from tests.toy import toy_model

pytestmark = [pytest.mark.slow, on_gpus]

WEIGHTS = prunable_matrices(toy_model())
HEAD_DIM = {"encoder": 4, "decoder": 4}


def move(masks: MaskSet, there: torch.device) -> MaskSet:
    return MaskSet({prunable: masks[prunable.name].to(there) for prunable in masks.prunables})


def assert_equal_masks(found: MaskSet, expected: MaskSet, there: torch.device) -> None:
    assert {found[name].device.type for name in found} == {there.type}
    assert move(found, torch.device("cpu")) == expected


def assert_the_same(there, saliency="magnitude", budget="matrix", group="element", sparsity=0.5, **settings):
    entries = {
        "saliency": saliencies.build(saliency, head_dim=HEAD_DIM),
        "budget": budgets.build(budget),
        "group": groups.build(group, head_dim=HEAD_DIM),
    }
    pruner = Pruner(**entries, **settings)
    expected = pruner.prune(WEIGHTS, MaskSet.dense(WEIGHTS), sparsity)
    weights = {prunable: weight.to(there) for prunable, weight in WEIGHTS.items()}
    found = pruner.prune(weights, move(MaskSet.dense(WEIGHTS), there), sparsity)
    assert_equal_masks(found, expected, there)
    assert pruner.pruned_share(found) == pruner.pruned_share(expected) > 0
    assert found.digest() == expected.digest()
    further = pruner.prune(weights, found, sparsity) if budget.startswith("nm") else found
    assert_equal_masks(further, expected, there)


@pytest.mark.parametrize("saliency", ["magnitude", "random", "synflow:rounds=3"])
@pytest.mark.parametrize("budget", ["matrix", "global:floor=0.25", "global-body", "erk", "layerwise:remeasure=false"])
def test_every_saliency_of_weights_alone(there, saliency, budget):
    body_only = budget.startswith("global:") and saliency.startswith("synflow")
    assert_the_same(there, saliency, budget, prune_set="body" if body_only else "all")


def test_runs_of_weights(there):
    assert_the_same(there, budget="nm:keep=2,of=4", prune_set="body")


def test_a_threshold(there):
    assert_the_same(there, budget="threshold:below=0.5", sparsity=0.0)


@pytest.mark.parametrize("group", ["head", "unit", "channel:normalise=true", "sublayer", "block:rows=2,columns=3"])
@pytest.mark.parametrize("reduce", ["norm", "mean"])
def test_every_group(there, group, reduce):
    assert_the_same(there, group=f"{group}{',' if ':' in group else ':'}reduce={reduce}")


@pytest.mark.parametrize("control", ["shuffled", "inverted"])
def test_controls(there, control):
    assert_the_same(there, mask_control=control)
    assert_the_same(there, mask_control=control, group="unit")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_ties_of_half_precision_are_drawn_alike(there, dtype, monkeypatch):
    monkeypatch.setitem(globals(), "WEIGHTS", {p: (weight / 64).to(dtype) for p, weight in WEIGHTS.items()})
    assert_the_same(there, budget="global")


def test_regrowth(there):
    slopes = {prunable.name: torch.randn(prunable.shape) for prunable in WEIGHTS}
    weights = {prunable.name: weight for prunable, weight in WEIGHTS.items()}
    pruner = Pruner(saliencies.build("random"), budgets.build("erk"))
    alive = pruner.prune(WEIGHTS, MaskSet.dense(WEIGHTS), 0.8)
    expected = regrown(weights, slopes, alive, WEIGHTS, 0.3)
    moved = [{name: tensor.to(there) for name, tensor in each.items()} for each in (weights, slopes)]
    assert_equal_masks(regrown(*moved, move(alive, there), WEIGHTS, 0.3), expected, there)
