"""Independent random masks agree by chance and no more, whatever could be pruned and however unevenly."""

from dataclasses import replace

import pytest
import torch

from nmt_prune.inspection.overlap import overlaps
from nmt_prune.inspection.stability import agreement, survivors
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import parse, restrict
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies

BODY = [f"{stack}.layers.{layer}" for stack in ("encoder", "decoder") for layer in range(2)]
SHAPES = {
    "encoder.embed_tokens.weight": (200, 32),
    **{f"{layer}.self_attn.{matrix}.weight": (32, 32) for layer in BODY for matrix in ("q_proj", "out_proj")},
    **{f"{layer}.fc1.weight": (48, 32) for layer in BODY},
}
PRUNABLES = [prunable for name, shape in SHAPES.items() if (prunable := parse(name, shape))]
ELEMENT = groups.build("element")


def random_masks(seed: int, prune_set: str, sparsity: float, budget: str, group: str = "element") -> MaskSet:
    head_dim = {"encoder": 8, "decoder": 8}
    pruner = Pruner(
        saliencies.build("random", seed=seed),
        budgets.build(budget),
        groups.build(group, head_dim=head_dim),
        prune_set,
    )
    weights = {prunable: torch.ones(prunable.shape) for prunable in PRUNABLES}
    return pruner.prune(weights, MaskSet.dense(PRUNABLES), sparsity)


@pytest.mark.parametrize("sparsity", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("prune_set", ["body", "all"])
@pytest.mark.parametrize("budget", ["matrix", "global", "erk"])
def test_random_masks_agree_by_chance(budget, prune_set, sparsity):
    masks = [random_masks(seed, prune_set, sparsity, budget) for seed in (1, 2, 3)]
    found = agreement(masks, ELEMENT)
    size = sum(prunable.size for prunable in restrict(PRUNABLES, prune_set))
    assert found.groups == size
    assert abs(found.fleiss_kappa) < 0.02
    assert found.jaccard == pytest.approx(found.chance, abs=0.02)
    if budget != "erk":
        assert found.chance == pytest.approx((1 - sparsity) / (1 + sparsity), abs=0.01)
    total = overlaps(*masks[:2])[-1]
    assert total.size == size
    assert total.jaccard == pytest.approx(total.chance, abs=0.02)


@pytest.mark.parametrize("budget", ["matrix", "global:floor=0.1"])
@pytest.mark.parametrize("group", ["head:empty_cross_attention=true", "unit"])
def test_random_heads_and_units_agree_by_chance(group, budget):
    """Few groups a sublayer, and with a global budget other numbers in each: over many draws κ is 0 nevertheless."""
    built = groups.build(group, head_dim={"encoder": 8, "decoder": 8})
    draws = [
        agreement([random_masks(2 * seed + side, "all", 0.5, budget, group) for side in (0, 1)], built)
        for seed in range(60)
    ]
    kappas = torch.tensor([draw.fleiss_kappa for draw in draws])
    kappas = kappas[~kappas.isnan()]
    assert abs(float(kappas.mean())) < 3 * float(kappas.std()) / len(kappas) ** 0.5


def test_unevenness_over_matrices_is_no_agreement():
    """Every mask keeps nine tenths of one matrix and a tenth of the others, at random."""

    def drawn(seed: int) -> MaskSet:
        random = torch.Generator().manual_seed(seed)
        shares = {prunable: 0.9 if prunable is PRUNABLES[0] else 0.1 for prunable in PRUNABLES}
        return MaskSet({one: torch.rand(one.shape, generator=random) < share for one, share in shares.items()})

    masks = [drawn(seed) for seed in (1, 2, 3)]
    found, total = agreement(masks, ELEMENT), overlaps(*masks[:2])[-1]
    assert abs(found.fleiss_kappa) < 0.02
    assert found.jaccard == pytest.approx(found.chance, abs=0.02)
    assert total.jaccard == pytest.approx(total.chance, abs=0.02)


def test_what_no_mask_touches_does_not_count_unless_it_is_known_to_have_been_spared():
    embedding, first = PRUNABLES[:2]
    masks = [MaskSet({embedding: torch.ones(200, 32).bool(), first: torch.rand(32, 32) < 0.5}) for _ in range(2)]
    *rows, total = overlaps(*masks)
    assert [row.counted for row in rows] == [False, True]
    assert replace(total, name=rows[1].name) == rows[1]
    assert agreement(masks, ELEMENT).groups == first.size
    assert [family.name for family in survivors(masks, ELEMENT)] == [first.name]
    known = [embedding.name]
    assert overlaps(*masks, known=known)[-1].size == agreement(masks, ELEMENT, known).groups == 199 * 32 + 32 * 32
    assert len(survivors(masks, ELEMENT, known)) == 2
