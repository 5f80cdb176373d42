"""Heads, units, sublayers, layers and blocks: which weights fall together, and how groups are chosen."""

import re

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.inspection.emptied import sublayers
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency import saliencies
from tests.toy import toy_model

WEIGHTS = prunable_matrices(toy_model())
DENSE = MaskSet.dense(WEIGHTS)
HEAD_DIM = {"encoder": 4, "decoder": 4}
HEADS = {"encoder": 2, "decoder": 2}


def build(spec):
    return groups.build(spec, head_dim=HEAD_DIM)


def prune(spec, sparsity, budget="matrix", saliency="magnitude", alive=DENSE, weights=WEIGHTS, **settings):
    entries = {"saliency": saliencies.build(saliency, seed=1), "budget": budgets.build(budget)}
    return Pruner(**entries, group=build(spec), **settings).prune(weights, alive, sparsity)


def weight(name):
    return next(tensor for prunable, tensor in WEIGHTS.items() if prunable.name == name)


@pytest.mark.parametrize("block", ["encoder.layers.0.self_attn", "decoder.layers.0.encoder_attn"])
def test_a_head_is_rows_of_q_k_v_and_columns_of_out(block):
    masks = prune("head", 0.5)
    parts = [weight(f"{block}.{matrix}_proj.weight") for matrix in ("q", "k", "v")]
    parts.append(weight(f"{block}.out_proj.weight").T)
    norms = [sum(float(part[4 * head : 4 * head + 4].square().sum()) for part in parts) for head in (0, 1)]
    best = norms.index(max(norms))
    for matrix in ("q", "k", "v"):
        mask = masks[f"{block}.{matrix}_proj.weight"]
        assert mask[4 * best : 4 * best + 4].all()
        assert mask.sum() == mask.numel() / 2
    assert masks[f"{block}.out_proj.weight"][:, 4 * best : 4 * best + 4].all()
    assert masks[f"{block}.out_proj.weight"].sum() == 32


def test_a_unit_is_a_row_of_fc1_and_a_column_of_fc2():
    masks = prune("unit", 0.25)
    fc1, fc2 = (weight(f"encoder.layers.0.{matrix}.weight") for matrix in ("fc1", "fc2"))
    norms = fc1.square().sum(dim=1) + fc2.square().sum(dim=0)
    kept = torch.zeros(12, dtype=torch.bool)
    kept[norms.topk(9).indices] = True
    assert torch.equal(masks["encoder.layers.0.fc1.weight"], kept[:, None].expand(12, 8))
    assert torch.equal(masks["encoder.layers.0.fc2.weight"], kept[None, :].expand(8, 12))


@pytest.mark.parametrize(
    "spec", ["head:empty_cross_attention=true", "unit", "sublayer", "layer", "block:rows=2,columns=3", "element"]
)
def test_every_weight_of_a_family_stands_or_falls_with_its_group(spec):
    group = build(spec)
    masks = prune(spec, 0.5, budget="global", saliency="random") if spec != "layer" else prune(spec, 0.0)
    chosen = group.alive(masks)
    assert group.expand(chosen, DENSE) == masks
    assert masks["encoder.embed_tokens.weight"].all() or spec == "element" or spec.startswith("block")


@pytest.mark.parametrize(("rows", "groups"), [(1, 38), (3, 14), (8, 6)])
def test_blocks_of_an_embedding_are_words_without_the_padding_row(rows, groups):
    """Of 20 words by 4, the first with the largest weights; the padding row is row 1."""
    weights = torch.arange(20.0, 0, -1)[:, None].repeat(1, 4)
    embedding, spec = prunable_matrices({"encoder.embed_tokens.weight": weights}), f"block:rows={rows},columns=2"
    (words,) = embedding
    dense = MaskSet.dense(embedding)
    (family,) = build(spec).alive(dense).prunables
    assert family.size == groups
    pruner = Pruner(saliencies.build("magnitude"), budgets.build("matrix"), build(spec))
    assert pruner.pruned_share(dense) == 0
    masks = pruner.prune(embedding, dense, 0.5)
    mask, kept = masks[words.name], groups // 2
    assert mask[1].all()
    assert build(spec).alive(masks).kept(family) == kept
    assert mask[2:5].all()
    assert not mask[17:].any()
    assert pruner.prune(embedding, masks, 0.5) == masks


def test_what_the_inspection_finds_dead_is_what_was_pruned():
    found = {sublayer.name: sublayer for sublayer in sublayers(prune("head", 0.5), HEADS)}
    assert all(sublayer.dead_units == 1 for name, sublayer in found.items() if name.endswith("attn"))
    assert all(sublayer.dead_units == 0 for name, sublayer in found.items() if name.endswith("ffn"))
    found = {sublayer.name: sublayer for sublayer in sublayers(prune("unit", 0.75), HEADS)}
    assert all(sublayer.dead_units == 9 for name, sublayer in found.items() if name.endswith("ffn"))


def test_global_budgets_and_controls_choose_among_groups():
    real, bad = (prune("unit", 0.5, budget="global", mask_control=control) for control in ("none", "inverted"))
    shuffled = prune("unit", 0.5, budget="global", mask_control="shuffled")
    kept = [build("unit").alive(masks) for masks in (real, bad, shuffled)]
    for family in kept[0].prunables:
        counts = [int(masks[family.name].sum()) for masks in kept]
        assert counts[0] == counts[1] == counts[2]
    assert sum(int(kept[0][family.name].sum()) for family in kept[0].prunables) == 12
    assert real != bad != shuffled != real


def test_groups_are_pruned_further_exactly_and_nothing_returns():
    alive = DENSE
    for sparsity, kept in ((0.25, 9), (0.5, 6), (0.75, 3)):
        masks = prune("unit", sparsity, alive=alive)
        assert all((~alive[name] & masks[name]).sum() == 0 for name in masks)
        assert int(build("unit").alive(masks)["encoder.layers.0.ffn"].sum()) == kept
        alive = masks
    with pytest.raises(PruneError, match="below what is already pruned"):
        prune("unit", 0.5, alive=alive)


def test_a_group_exists_as_long_as_one_of_its_weights_does():
    masks = {prunable: torch.ones(prunable.shape, dtype=torch.bool) for prunable in WEIGHTS}
    fc1, fc2 = (next(p for p in masks if p.name == f"decoder.layers.0.{name}.weight") for name in ("fc1", "fc2"))
    masks[fc1][2:5] = False
    masks[fc2][:, 3:6] = False
    alive = build("unit").alive(MaskSet(masks))["decoder.layers.0.ffn"]
    assert alive.flatten().tolist() == [index not in (3, 4) for index in range(12)]


@pytest.mark.parametrize(
    ("reduce", "expected"), [("norm", [5.0, 1.0]), ("sum", [-1.0, 1.0]), ("mean", [-0.5, 1.0]), ("abs-sum", [1.0, 1.0])]
)
def test_reductions_by_hand(reduce, expected):
    group = build(f"block:columns=2,reduce={reduce}")
    (fc1,) = (p for p in prunable_matrices({"encoder.layers.0.fc1.weight": torch.zeros(1, 3)}))
    scores = {fc1.name: torch.tensor([[3.0, -4.0, 1.0]])}
    found = group.scores(scores, MaskSet.dense([fc1]))
    assert found[fc1.name].flatten().tolist() == pytest.approx(expected)


def test_scores_may_come_from_the_output_matrix_alone_and_be_normalised_within_a_family():
    scores = {prunable.name: torch.ones(prunable.shape) for prunable in WEIGHTS}
    scores["encoder.layers.0.fc2.weight"][:, 0] = 3
    found = build("unit:reduce=sum,of=output,normalise=true").scores(scores, DENSE)["encoder.layers.0.ffn"].flatten()
    raw = torch.full((12,), 8.0, dtype=torch.float64)
    raw[0] = 24
    assert torch.allclose(found, raw / raw.norm())


def test_an_emptied_cross_attention_is_refused_unless_asked_for():
    weights = {p: t * (1e-3 if p.block == "encoder_attn" else 1) for p, t in WEIGHTS.items()}
    with pytest.raises(PruneError, match=r"decoder\.layers\.0\.encoder_attn would lose all its heads"):
        prune("head", 0.5, budget="global", weights=weights)
    masks = prune("head:empty_cross_attention=true", 0.5, budget="global", weights=weights)
    assert not masks["decoder.layers.0.encoder_attn.out_proj.weight"].any()


@pytest.mark.parametrize("budget", ["matrix", "global", "erk"])
@pytest.mark.parametrize("group", ["head", "channel"])
def test_the_sparsity_that_is_advised_leaves_every_cross_attention_a_head(group, budget):
    weights = {p: t * (1e-3 if p.block == "encoder_attn" else 1) for p, t in WEIGHTS.items()}
    with pytest.raises(PruneError, match=r"give --budget matrix and a --sparsity of at most (\S+), or") as refused:
        prune(group, 0.95, budget=budget, weights=weights)
    most = float(re.search(r"at most (\S+),", str(refused.value))[1])
    assert prune(group, most, weights=weights)["decoder.layers.0.encoder_attn.out_proj.weight"].any()
    with pytest.raises(PruneError, match="would lose all its heads"):
        prune("head", most + 0.2, weights=weights)


def test_heads_need_to_know_their_width():
    with pytest.raises(PruneError, match="does not divide into heads of unknown width"):
        groups.build("head").alive(DENSE)
    with pytest.raises(PruneError, match="does not divide into heads of 3 width"):
        groups.build("head", head_dim={"encoder": 3, "decoder": 3}).alive(DENSE)


def test_a_prune_set_without_such_groups_and_blocks_without_size_are_refused():
    embedding = [prunable for prunable in WEIGHTS if not prunable.in_body]
    with pytest.raises(PruneError, match="no matrix of the prune set has such groups"):
        build("unit").alive(MaskSet.dense(embedding))
    with pytest.raises(PruneError, match="rows=0 and columns=16 must be at least 1"):
        build("block:rows=0")


def test_layers_of_a_stack_compete():
    names = [f"encoder.layers.{layer}.{matrix}.weight" for layer in range(3) for matrix in ("fc1", "fc2")]
    weights = prunable_matrices({name: torch.full((2, 2), 1.0 + int(name.split(".")[2])) for name in names})
    masks = prune("layer", 1 / 3, weights=weights, alive=MaskSet.dense(weights))
    assert [bool(masks[name].any()) for name in names] == [False, False, True, True, True, True]
