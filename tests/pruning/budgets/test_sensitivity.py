"""Densities by rises of the loss: shares by hand, and rises against explicitly masked models."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet, overlay
from nmt_prune.masks.prunable import parse
from nmt_prune.pruning.budgets import budgets, kept_count
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.settings import PruningSettings
from tests.pruning.saliency.measuring import HEAD_DIM, evidence, mean_loss, model, weights_and_masks
from tests.toy import save_toy

SMALL, LARGE = (
    parse("encoder.layers.0.self_attn.q_proj.weight", (10, 10)),
    parse("encoder.layers.0.fc1.weight", (40, 10)),
)
MATRICES = (SMALL, LARGE)
SCORES = {one.name: torch.arange(one.size, dtype=torch.float32).view(one.shape) for one in MATRICES}
DENSE = MaskSet.dense(MATRICES)


def select(spec, rises, alive=DENSE, sparsity=0.8):
    """Counts of the survivors, and the counts under which the loss was asked for."""
    asked = []

    def loss(masks):
        asked.append(tuple(map(masks.kept, MATRICES)))
        return 3.0 + sum(rises[one] for one in MATRICES if masks.kept(one) < alive.kept(one))

    masks = budgets.build(spec).measuring(loss).select(SCORES, alive, sparsity)
    return tuple(map(masks.kept, MATRICES)), asked


def test_shares_by_hand():
    """100 of 500 survive; √(100 · 4) = √(400 · 1), so half of them in each; each alone was pruned to a fifth."""
    assert select("sensitivity", {SMALL: 4.0, LARGE: 1.0}) == ((50, 50), [(100, 400), (20, 400), (100, 80)])
    # 100^(3/4) · 16^(1/4) : 400^(3/4) · 1 = 2 / 2^(3/2), of which 41.4 and 58.6 of 100 come
    assert select("sensitivity:power=0.25", {SMALL: 16.0, LARGE: 1.0})[0] == (41, 59)
    assert select("sensitivity:power=0", {SMALL: 4.0, LARGE: 1.0})[0] == (20, 80)
    assert select("sensitivity:power=1,floor=0", {SMALL: 4.0, LARGE: 1.0})[0] == (80, 20)
    assert select("sensitivity:power=1,floor=0", {SMALL: 0.0, LARGE: 1.0})[0] == (1, 99), "nothing is emptied"


def test_nothing_is_emptied_or_more_than_full():
    assert select("sensitivity", {SMALL: 0.0, LARGE: 1.0}, sparsity=0.75)[0] == (6, 119)  # 1/4 of 1/4 of 100
    assert select("sensitivity", {SMALL: -1.0, LARGE: 1.0}, sparsity=0.75)[0] == (6, 119), (
        "a loss that falls is no rise"
    )
    assert select("sensitivity", {SMALL: 9e9, LARGE: 1.0}, sparsity=0.75)[0] == (100, 25)  # 1/4 of 1/4 of 400
    assert select("sensitivity", {SMALL: 9e9, LARGE: 1.0}, sparsity=0.5)[0] == (100, 150)


def test_where_no_loss_rises_all_lose_the_same_share():
    assert select("sensitivity", {SMALL: 0.0, LARGE: -1.0})[0] == (33, 67)  # √100 : √400


def test_what_is_pruned_already_counts():
    half = MaskSet({SMALL: SCORES[SMALL.name] >= 50, LARGE: SCORES[LARGE.name] >= 0})
    # 90 of 450 are left, a fifth: each alone keeps 10 or 80. √(50 · 8) = √(400 · 1).
    assert select("sensitivity", {SMALL: 8.0, LARGE: 1.0}, half, 0.82) == ((45, 45), [(50, 400), (10, 400), (50, 80)])
    assert select("sensitivity", {SMALL: 8.0, LARGE: 1.0}, half, 0.1) == ((50, 400), []), "nothing is left to measure"


@pytest.mark.parametrize("group", ["element", "head"])
def test_rises_are_those_of_the_masked_model(group):
    sizes = {"encoder_layers": 1, "decoder_layers": 1}
    network = model(**sizes).eval()
    weights, dense = weights_and_masks(network)
    grouped = groups.build(group, head_dim=HEAD_DIM)
    asked = []
    measured = evidence(network)
    pruner = Pruner(
        saliencies.build("magnitude"), budgets.build("sensitivity"), grouped, prune_set="body", evidence=measured
    )
    loss = Pruner._loss
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pruner, "_loss", lambda *given: asked.append((given[-1], loss(*given))) or asked[-1][1])
        masks = pruner.prune(weights, dense, 0.5)
    families = grouped.alive(MaskSet({one: dense[one.name] for one in dense.prunables if one.in_body})).prunables
    assert len(asked) == 1 + len(families)
    assert measured.passes.count == 2 * len(asked), "two mini-batches each"
    size = sum(family.size for family in families)
    assert pruner.pruned_share(masks) == pytest.approx(1 - kept_count(size, 0.5) / size)
    for number in (0, 1, len(families)):
        survivors, found = asked[number]
        gone = [family for family in families if survivors.kept(family) < family.size]
        assert gone == list(families[number - 1 : number])
        body = MaskSet({one: dense[one.name] for one in dense.prunables if one.in_body})
        explicit = overlay(dense, grouped.expand(survivors, body))
        masked = model(**sizes).eval()
        with torch.no_grad():
            for name in explicit:
                masked.get_parameter(name).mul_(explicit[name])
        assert found == pytest.approx(_by_tokens(masked), abs=1e-12)
    assert abs(asked[0][1] - asked[1][1]) > 1e-6
    assert mean_loss(network) > 0


def _by_tokens(network):
    """The loss averaged over all target tokens."""
    with torch.no_grad():
        return evidence(network).probe(*weights_and_masks(network)).mean_loss()


def test_without_training_data_it_is_one_line(tmp_path):
    settings = PruningSettings(mask_from=str(save_toy(tmp_path / "dense.pt")), budget="sensitivity", sparsity=0.5)
    assert settings.is_measured
    with pytest.raises(PruneError, match=r"^this budget is measured on training data: give --data"):
        settings.ticket()


def test_a_power_is_a_share():
    with pytest.raises(PruneError, match=r"budget sensitivity: power=1.5 is outside \[0, 1\]"):
        budgets.build("sensitivity:power=1.5")
