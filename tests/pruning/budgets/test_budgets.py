"""How many weights survive where, against independent computations on a small Transformer."""

import random

import pytest
import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_matrices
from nmt_prune.pruning.budgets import budgets, kept_count
from tests.toy import toy_model

WEIGHTS = prunable_matrices(toy_model())
DENSE = MaskSet.dense(WEIGHTS)
SCORES = {prunable.name: weight.abs() for prunable, weight in WEIGHTS.items()}
TOTAL = 12 * 64 + 4 * 96 + 80
NAMES = ["matrix", "global", "global-body", "erk"]


def counts(masks: MaskSet) -> list[int]:
    return [masks.kept(prunable) for prunable in masks.prunables]


def best(candidates: dict[str, Tensor], count: int) -> set[tuple[str, int]]:
    """The ``count`` candidates with the highest scores, by a full sort."""
    ranked = [
        (-float(SCORES[name].flatten()[position]), name, position)
        for name, mask in candidates.items()
        for position in mask.flatten().nonzero().squeeze(1).tolist()
    ]
    return {(name, position) for _, name, position in sorted(ranked)[:count]}


def kept_places(masks: MaskSet) -> set[tuple[str, int]]:
    return {
        (prunable.name, position)
        for prunable in masks.prunables
        for position in masks.candidates(prunable).flatten().nonzero().squeeze(1).tolist()
    }


def all_candidates(alive: MaskSet) -> dict[str, Tensor]:
    return {prunable.name: alive.candidates(prunable) for prunable in alive.prunables}


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.8, 0.98])
def test_per_matrix_is_the_same_sparsity_in_each_and_the_best_of_each(sparsity):
    masks = budgets.build("matrix").select(SCORES, DENSE, sparsity)
    for prunable in masks.prunables:
        kept = masks.kept(prunable)
        assert abs(kept - (1 - sparsity) * prunable.size) < 1
        places = best({prunable.name: DENSE.candidates(prunable)}, kept)
        assert places == kept_places(MaskSet({prunable: masks[prunable.name]}))
    assert sum(counts(masks)) == kept_count(TOTAL, sparsity)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.8, 0.98])
def test_global_is_the_best_of_all(sparsity):
    masks = budgets.build("global").select(SCORES, DENSE, sparsity)
    assert kept_places(masks) == best(all_candidates(DENSE), kept_count(TOTAL, sparsity))


def test_global_with_a_floor_is_the_floors_and_the_best_of_the_rest():
    # One matrix is worth nothing: alone the floor keeps any of it.
    name = "decoder.layers.0.fc2.weight"
    scores = {key: score * 1e-3 if key == name else score for key, score in SCORES.items()}
    bare = budgets.build("global").select(scores, DENSE, 0.8)
    masks = budgets.build("global:floor=0.25").select(scores, DENSE, 0.8)
    of = {prunable.name: prunable for prunable in masks.prunables}
    assert bare.kept(of[name]) == 0
    assert masks.kept(of[name]) == int(0.25 * 0.2 * 96) == 4
    assert all(masks.kept(prunable) >= int(0.05 * prunable.size) for prunable in masks.prunables)
    assert sum(counts(masks)) == kept_count(TOTAL, 0.8)
    others = {key: mask for key, mask in all_candidates(DENSE).items() if key != name}
    assert kept_places(masks) == best(others, kept_count(TOTAL, 0.8) - 4) | best({name: DENSE.candidates(of[name])}, 4)


def test_global_body_ranks_the_body_and_keeps_the_embedding_at_the_target():
    masks = budgets.build("global-body").select(SCORES, DENSE, 0.8)
    embedding = masks.prunables[0]
    body = {name: mask for name, mask in all_candidates(DENSE).items() if name != embedding.name}
    assert masks.kept(embedding) == 16  # a fifth of 80
    assert sum(counts(masks)) == kept_count(TOTAL, 0.8) == 246
    assert kept_places(masks) == best(body, 230) | best({embedding.name: DENSE.candidates(embedding)}, 16)


def rigl_counts(count: int) -> list[float]:
    """Densities ε (n_in + n_out) / (n_in · n_out), those above 1 dense, as RigL's own code finds ε."""
    dense: set[int] = set()
    prunables = DENSE.prunables
    while True:
        left = count - sum(prunables[i].size for i in dense)
        epsilon = left / sum(sum(p.shape) for i, p in enumerate(prunables) if i not in dense)
        shares = [p.size if i in dense else epsilon * sum(p.shape) for i, p in enumerate(prunables)]
        above = [i for i, share in enumerate(shares) if share > prunables[i].size]
        if not above:
            return shares
        dense.add(max(above, key=lambda i: shares[i] / prunables[i].size))


@pytest.mark.parametrize("sparsity", [0.05, 0.2, 0.5, 0.8, 0.95])
def test_erk_follows_the_formula(sparsity):
    masks = budgets.build("erk").select(SCORES, DENSE, sparsity)
    expected = rigl_counts(kept_count(TOTAL, sparsity))
    assert all(abs(kept - share) < 1 for kept, share in zip(counts(masks), expected, strict=True))
    assert sum(counts(masks)) == kept_count(TOTAL, sparsity)


def test_erk_by_hand_at_half():
    # Σ (n_in + n_out) = 12 · 16 + 4 · 20 + 19 = 291; 616 of 1232 survive: 2.1168 per row and column.
    masks = budgets.build("erk").select(SCORES, DENSE, 0.5)
    by_name = {prunable.name: masks.kept(prunable) for prunable in masks.prunables}
    assert by_name["encoder.layers.0.fc1.weight"] in (42, 43)  # 42.34 of 96
    assert by_name["encoder.layers.0.self_attn.q_proj.weight"] in (33, 34)  # 33.87 of 64
    assert by_name["encoder.embed_tokens.weight"] in (40, 41)  # 40.22 of 80


def test_denser_embeddings_leave_the_others_their_floor():
    bare, masks = (budgets.build(f"matrix:embedding=8{more}").select(SCORES, DENSE, 0.8) for more in ("", ",floor=0.9"))
    floors = {prunable: int(0.9 * 0.2 * prunable.size) for prunable in DENSE.prunables}
    assert any(bare.kept(prunable) < floor for prunable, floor in floors.items())
    assert all(masks.kept(prunable) >= floor for prunable, floor in floors.items())
    assert sum(counts(masks)) == kept_count(TOTAL, 0.8)


@pytest.mark.parametrize("name", NAMES)
def test_sparsity_zero_keeps_everything_and_0_999_one_weight(name):
    assert budgets.build(name).select(SCORES, DENSE, 0.0) == DENSE
    masks = budgets.build(name).select(SCORES, DENSE, 0.999)
    assert sum(counts(masks)) == 1
    assert masks["encoder.embed_tokens.weight"][1].all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("floor", [0.0, 0.25, 1.0])
def test_any_ladder_is_exact_and_never_brings_a_weight_back(name, floor):
    draw = random.Random(f"{name} {floor}")
    for _ in range(8):
        alive = MaskSet({p: torch.rand(p.shape) < draw.uniform(0.3, 1.2) for p in DENSE.prunables})
        sparsity = alive.sparsity()
        for _ in range(4):
            sparsity += draw.random() * (1 - sparsity) * 0.7
            masks = budgets.build(f"{name}:floor={floor}").select(SCORES, alive, sparsity)
            assert sum(counts(masks)) == kept_count(TOTAL, sparsity)
            assert all(not (masks[key] & ~alive[key]).any() for key in masks)
            for prunable in masks.prunables:
                least = min(int(floor * (1 - sparsity) * prunable.size), alive.kept(prunable))
                assert masks.kept(prunable) >= least
            alive = masks


@pytest.mark.parametrize("name", NAMES)
def test_the_same_sparsity_again_changes_nothing(name):
    masks = budgets.build(name).select(SCORES, DENSE, 0.8)
    assert budgets.build(name).select(SCORES, masks, 0.8) == masks
    assert budgets.build(name).select(SCORES, masks, masks.sparsity()) == masks


@pytest.mark.parametrize("name", NAMES)
def test_less_than_is_already_pruned_is_refused(name):
    alive = budgets.build(name).select(SCORES, DENSE, 0.8)
    with pytest.raises(PruneError, match=r"sparsity 0\.5 is below what is already pruned \(0\.800325\)"):
        budgets.build(name).select(SCORES, alive, 0.5)


@pytest.mark.parametrize("name", ["matrix", "global-body", "erk"])
def test_a_matrix_that_is_sparser_than_its_share_keeps_all_it_has(name):
    first = DENSE.prunables[0]
    few = torch.zeros(first.shape, dtype=torch.bool)
    few[5] = True  # 8 of 80
    alive = MaskSet({p: few if p == first else DENSE[p.name] for p in DENSE.prunables})
    masks = budgets.build(name).select(SCORES, alive, 0.5)
    assert masks.kept(first) == 8
    assert sum(counts(masks)) == TOTAL // 2
    if name == "matrix":  # the others make up for it, in proportion
        assert all(abs(masks.kept(p) / p.size - (TOTAL / 2 - 8) / (TOTAL - 80)) < 1 / 64 for p in masks.prunables[1:])


@pytest.mark.parametrize("floor", ["-0.1", "1.5"])
def test_a_floor_outside_its_range_is_refused(floor):
    with pytest.raises(PruneError, match=rf"floor={floor} is outside \[0, 1\]"):
        budgets.build(f"global:floor={floor}")


def test_padding_is_not_among_the_survivors_even_with_the_highest_score():
    scores = {name: score.clone() for name, score in SCORES.items()}
    scores["encoder.embed_tokens.weight"][1] = 1e9
    masks = budgets.build("global").select(scores, DENSE, 0.9)
    assert kept_places(masks) == best(all_candidates(DENSE), kept_count(TOTAL, 0.9))


@pytest.mark.parametrize("embedding", [0.5, 2.0])
def test_embeddings_may_be_denser_or_sparser_than_the_body(embedding):
    masks = budgets.build(f"matrix:embedding={embedding}").select(SCORES, DENSE, 0.8)
    assert sum(counts(masks)) == kept_count(TOTAL, 0.8)
    density = {in_body: [masks.kept(p) / p.size for p in masks.prunables if p.in_body == in_body] for in_body in (0, 1)}
    body = sum(density[1]) / len(density[1])
    assert all(found == pytest.approx(body, abs=0.02) for found in density[1])
    assert all(found == pytest.approx(embedding * body, abs=0.03) for found in density[0])


def test_a_full_embedding_leaves_the_rest_to_the_body():
    masks = budgets.build("matrix:embedding=9").select(SCORES, DENSE, 0.3)
    assert all(masks.kept(p) == p.size for p in masks.prunables if not p.in_body)
    assert sum(counts(masks)) == kept_count(TOTAL, 0.3)


def test_without_embeddings_there_is_nothing_to_weigh():
    body = MaskSet({p: DENSE[p.name] for p in DENSE.prunables if p.in_body})
    with pytest.raises(PruneError, match="embedding=2 weighs embeddings against the body, and only one of them"):
        budgets.build("matrix:embedding=2").select(SCORES, body, 0.5)
    with pytest.raises(PruneError, match="embedding=0 must be above 0"):
        budgets.build("matrix:embedding=0")
