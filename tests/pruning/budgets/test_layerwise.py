"""One matrix or family after the other: order, exact sizes, and scores of the network pruned so far."""

import itertools

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import Prunable, prunable_matrices
from nmt_prune.pruning.budgets import budgets, kept_count
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from tests.pruning.saliency.measuring import HEAD_DIM, evidence, model, weights_and_masks
from tests.toy import toy_model

ORDER = [
    *(f"encoder.layers.{layer}.{block}" for layer in (0, 1) for block in ("self_attn", "ffn")),
    *(f"decoder.layers.{layer}.{block}" for layer in (0, 1) for block in ("self_attn", "encoder_attn", "ffn")),
]


def families(sizes):
    """Families of the given sizes in the wrong order; all their groups exist."""
    blocks = [("decoder", 0, "ffn"), ("encoder", 1, "ffn"), ("encoder", 0, "ffn"), ("encoder", 0, "self_attn")]
    found = [
        Prunable(f"{s}.{n}.{b}", (1, size), s, n, b, "units") for (s, n, b), size in zip(blocks, sizes, strict=True)
    ]
    return MaskSet.dense(found)


def counts(masks):
    return [masks.kept(prunable) for prunable in masks.prunables]


def scores(masks):
    return {prunable.name: torch.arange(prunable.size).float().view(1, -1) for prunable in masks.prunables}


@pytest.mark.parametrize("sizes", [(40, 40, 40, 8), (7, 5, 3, 2), (5, 5, 5, 5), (1, 2, 3, 4)])
@pytest.mark.parametrize("sparsity", [0.1, 0.25, 0.5, 0.6])
def test_each_stage_prunes_the_next_family_to_its_share(sizes, sparsity):
    alive = families(sizes)
    budget, total = budgets.build("layerwise", final=sparsity), sum(sizes)
    final = counts(budget.select(scores(alive), alive, sparsity))
    assert sum(final) == kept_count(total, sparsity)
    # Shares are rounded one after the other, so a family is off by less than one and what the others before it left.
    assert all(abs(kept - (1 - sparsity) * size) < 2 and kept >= 1 for kept, size in zip(final, sizes, strict=True))
    stages = budget.stages(alive, sparsity)
    assert stages[-1] == sparsity
    assert list(stages) == sorted(stages)
    expected, masks = list(sizes), alive
    pruned_order = [position for position in (3, 2, 1, 0) if final[position] < sizes[position]]
    assert len(stages) == len(pruned_order)
    for stage, position in zip(stages, pruned_order, strict=True):
        masks = budget.select(scores(masks), masks, stage)
        expected[position] = final[position]
        assert counts(masks) == expected


def test_between_two_stages_one_family_is_pruned_in_part():
    alive = families((10, 10, 10, 10))
    masks = budgets.build("layerwise", final=0.5).select(scores(alive), alive, 7 / 40)
    assert counts(masks) == [10, 10, 8, 5]
    assert masks["encoder.0.ffn"].tolist() == [[False] * 2 + [True] * 8]


def test_without_an_end_all_are_pruned_at_once():
    alive = families((12, 4, 8, 40))
    assert counts(budgets.build("layerwise").select(scores(alive), alive, 0.75)) == [3, 1, 2, 10]


def test_a_family_that_is_sparser_already_is_no_stage_and_the_others_make_up_for_it():
    alive = families((10, 10, 10, 10))
    thin = MaskSet({p: torch.arange(10)[None] < (2 if "encoder.1" in p.name else 10) for p in alive.prunables})
    budget = budgets.build("layerwise", final=0.5)
    stages = budget.stages(thin, 0.5)
    assert [counts(budget.select(scores(thin), thin, stage)) for stage in stages] == [
        [10, 2, 10, 6],
        [10, 2, 6, 6],
        [6, 2, 6, 6],
    ]


def test_matrices_follow_one_another_as_in_the_network():
    weights = prunable_matrices(toy_model())
    alive = MaskSet.dense(weights)
    budget = budgets.build("layerwise", final=0.5)
    magnitudes = {prunable.name: weight.abs() for prunable, weight in weights.items()}
    first_pruned = []
    for stage in budget.stages(alive, 0.5):
        masks = budget.select(magnitudes, alive, stage)
        first_pruned += [
            prunable.name
            for prunable in weights
            if not masks[prunable.name].all() and prunable.name not in first_pruned
        ]
    assert len(first_pruned) == len(weights)
    blocks = [name.rsplit(".", 2)[0] for name in first_pruned]
    assert [block for block, _ in itertools.groupby(blocks)] == [
        "encoder",
        "encoder.layers.0.self_attn",
        "encoder.layers.0",
        "decoder.layers.0.self_attn",
        "decoder.layers.0.encoder_attn",
        "decoder.layers.0",
    ]


def test_blocks_of_an_output_projection_come_last():
    model = {f"decoder.{name}.weight": torch.ones(8, 4) for name in ("output_projection", "layers.0.fc1")}
    blocks = groups.build("block:rows=8,columns=1")
    alive = blocks.alive(MaskSet.dense(prunable_matrices(model)))
    masks = budgets.build("layerwise", final=0.5).select(scores(alive), alive, 0.25)
    assert {prunable.name: masks.kept(prunable) for prunable in alive.prunables} == {
        "decoder.output_projection.weight": 4,
        "decoder.layers.0.fc1.weight": 2,
    }


def test_more_survivors_than_exist_are_refused():
    alive = families((10, 10, 10, 10))
    budget = budgets.build("layerwise", final=0.5)
    pruned = budget.select(scores(alive), alive, 0.5)
    assert budget.stages(pruned, 0.25) == [0.25]
    with pytest.raises(PruneError, match="below what is already pruned"):
        budget.select(scores(alive), pruned, 0.25)
    with pytest.raises(PruneError, match=r"2 of 40 cannot survive: .* keeps a floor, 4 in all"):
        budgets.build("layerwise").select(scores(alive), alive, 0.95)


def pruner(network, budget, final=0.5, saliency="activation"):
    return Pruner(
        saliencies.build(saliency, evidence=evidence(network), head_dim=HEAD_DIM),
        budgets.build(budget, final=final),
        groups.build("channel", head_dim=HEAD_DIM),
    )


def by_hand(network, measure_again):
    """Heads and units removed sublayer by sublayer, half of each, by activations that are measured here."""
    weights, alive = weights_and_masks(network)
    group, masks = groups.build("channel", head_dim=HEAD_DIM), alive
    saliency = saliencies.build("activation", evidence=evidence(network), head_dim=HEAD_DIM)
    dense = group.scores(saliency.score(weights, alive), alive)
    for name in ORDER:
        found = group.scores(saliency.score(weights, masks), masks) if measure_again else dense
        best = found[name].flatten().argsort(descending=True)[: found[name].numel() // 2]
        chosen = {family: group.alive(masks)[family.name].clone() for family in group.alive(masks).prunables}
        family = next(family for family in chosen if family.name == name)
        chosen[family] = torch.zeros_like(chosen[family]).index_fill_(1, best, True)
        masks = group.expand(MaskSet(chosen), masks)
    return masks


def test_greedy_channels_are_scored_on_the_network_pruned_so_far():
    network = model()
    weights, alive = weights_and_masks(network)
    greedy = pruner(network, "layerwise").prune(weights, alive, 0.5)
    oneshot = pruner(network, "layerwise:remeasure=false").prune(weights, alive, 0.5)
    assert greedy == by_hand(network, measure_again=True)
    assert oneshot == by_hand(network, measure_again=False)
    assert greedy != oneshot
    first = "encoder.layers.0.self_attn.q_proj.weight"
    assert torch.equal(greedy[first], oneshot[first])
    group = groups.build("channel", head_dim=HEAD_DIM)
    assert {family.name: group.alive(greedy).kept(family) for family in group.alive(greedy).prunables} == {
        name: 12 if name.endswith("ffn") else 2 for name in ORDER
    }


def test_stage_by_stage_gives_the_same_as_all_at_once():
    network = model()
    weights, alive = weights_and_masks(network)
    greedy, masks = pruner(network, "layerwise"), alive
    stages = greedy.stages(alive, 0.5)
    assert len(stages) == len(ORDER)
    for stage in stages:
        masks = greedy.prune(weights, masks, stage)
    assert masks == greedy.prune(weights, alive, 0.5)


def test_rounds_of_a_saliency_are_within_a_stage():
    network = model()
    weights, alive = weights_and_masks(network)
    rounds = pruner(network, "layerwise", saliency="snip:rounds=2")
    targets = list(rounds._targets(rounds.group.alive(alive), 0.5))
    assert targets == sorted(targets)
    assert targets[1::2] == list(rounds.stages(alive, 0.5))
    assert rounds.pruned_share(rounds.prune(weights, alive, 0.5)) == 0.5
