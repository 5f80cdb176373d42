"""Control masks: the same count in every matrix, other weights."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.controls import control
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.randomness import generator
from tests.toy import toy_model

WEIGHTS = prunable_matrices(toy_model())
SCORES = {prunable.name: weight.abs() for prunable, weight in WEIGHTS.items()}


def prune(mask_control: str, sparsity: float = 0.8, alive: MaskSet | None = None, seed: int = 1) -> MaskSet:
    pruner = Pruner(saliencies.build("magnitude"), budgets.build("global"), mask_control=mask_control, seed=seed)
    return pruner.prune(WEIGHTS, alive or MaskSet.dense(WEIGHTS), sparsity)


@pytest.mark.parametrize("name", ["shuffled", "inverted"])
def test_a_control_has_the_count_of_the_real_mask_in_every_matrix(name):
    alive = prune("none", 0.5)
    real, fake = prune("none", alive=alive), prune(name, alive=alive)
    counts = [real.kept(prunable) for prunable in real.prunables]
    assert [fake.kept(prunable) for prunable in fake.prunables] == counts
    assert len({count / prunable.size for count, prunable in zip(counts, real.prunables, strict=True)}) > 5
    assert fake != real
    assert all(not (fake[key] & ~alive[key]).any() for key in fake)


@pytest.mark.parametrize("name", ["shuffled", "inverted"])
def test_a_control_has_the_counts_that_it_is_given(name):
    """On a later rung its own weights would give it others with a budget that ranks all matrices."""
    like = prune("none", 0.8, alive=prune("none", 0.5))
    alive = prune("shuffled", 0.5)
    others = {prunable: torch.randn(prunable.shape, generator=generator(3)) for prunable in WEIGHTS}
    settings = {"mask_control": name, "seed": 1}
    pruners = [
        Pruner(saliencies.build("magnitude"), budgets.build("global"), counts=counts, **settings)
        for counts in (lambda: like, None)
    ]
    wanted, own = (pruner.prune(others, alive, 0.8) for pruner in pruners)
    assert [wanted.kept(prunable) for prunable in WEIGHTS] == [like.kept(prunable) for prunable in WEIGHTS]
    assert [own.kept(prunable) for prunable in WEIGHTS] != [like.kept(prunable) for prunable in WEIGHTS]
    assert all(not (wanted[key] & ~alive[key]).any() for key in wanted)
    with pytest.raises(PruneError, match=r"--counts-from: its masks are 0\.8.* sparse, and --sparsity is 0\.9"):
        pruners[0].prune(others, alive, 0.9)
    emptied = MaskSet({one: torch.full(one.shape, index > 0) for index, one in enumerate(WEIGHTS)})
    with pytest.raises(PruneError, match=r"--counts-from: its masks keep .* of which only 0 exist in --mask-from"):
        pruners[0].prune(others, emptied, 0.8)


def test_nothing_is_drawn_before_a_schedule_prunes():
    like = prune("none", 0.8)
    pruner = Pruner(
        saliencies.build("magnitude"), budgets.build("global"), counts=lambda: like, mask_control="shuffled", seed=1
    )
    dense = MaskSet.dense(WEIGHTS)
    assert pruner.prune(WEIGHTS, dense, 0.0) == dense


def test_a_control_that_would_be_the_real_mask_is_refused():
    settings = PruningSettings(mask_from="slt.pt", sparsity=0.8, mask_control="shuffled")
    with pytest.raises(PruneError, match=r"--mask-control shuffled draws among what there is, and --sparsity 0\.8 lea"):
        settings.departure(settings.pruner(), prune("none", 0.8))
    settings.departure(settings.pruner(), prune("none", 0.5))


def test_counts_without_a_control_are_refused():
    with pytest.raises(PruneError, match="--counts-from is about a control"):
        Pruner(saliencies.build("magnitude"), budgets.build("global"), counts=lambda: MaskSet.dense(WEIGHTS))


def test_shuffling_depends_on_the_seed_alone():
    assert prune("shuffled", seed=1) == prune("shuffled", seed=1)
    assert prune("shuffled", seed=1) != prune("shuffled", seed=2)


def test_a_shuffled_mask_only_loses_weights_as_sparsity_grows():
    sparser, alive = prune("shuffled", 0.9), prune("shuffled", 0.6)
    again = prune("shuffled", 0.9, alive=alive)
    assert all(not (again[key] & ~alive[key]).any() for key in again)
    assert again.sparsity() == sparser.sparsity()


def test_the_inverted_mask_keeps_the_lowest_scores():
    fake = prune("inverted")
    for prunable in fake.prunables:
        scores, kept = SCORES[prunable.name], fake.candidates(prunable)
        gone = MaskSet.dense([prunable]).candidates(prunable) & ~kept
        if kept.any():
            assert scores[kept].max() <= scores[gone].min()


def test_none_is_the_real_mask():
    masks = prune("none")
    assert control("none", masks, MaskSet.dense(WEIGHTS), SCORES, 1) is masks


def test_an_unknown_control_is_refused():
    with pytest.raises(PruneError, match="unknown mask control 'bad'; known: none, shuffled, inverted"):
        prune("bad")


def test_shuffled_masks_are_uniform_over_positions():
    prunable = next(iter(WEIGHTS))
    one = MaskSet({prunable: torch.arange(88).view(11, 8) < 48})  # 5 of 10 rows, and the padding row
    drawn = sum(
        control("shuffled", one, MaskSet.dense([prunable]), SCORES, seed)[prunable.name].float() for seed in range(400)
    )
    # Each position is kept in half of the draws: 200, with a standard deviation of 10.
    share = torch.cat([drawn[:1], drawn[2:]])
    assert share.min() > 150
    assert share.max() < 250
