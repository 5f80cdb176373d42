"""Exact selection: the count, the order, and no favour among equals."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks import selection
from nmt_prune.masks.selection import select
from tests.devices import on_gpus

Tensors = dict[str, Tensor]


def assert_best(kept: Tensors, scores: Tensors, candidates: Tensors, count: int) -> None:
    """Exactly ``count`` candidates, none of them with a lower score than one that is left out."""
    assert list(kept) == list(candidates)
    assert not any((kept[name] & ~mask).any() for name, mask in candidates.items())
    chosen, left = (
        torch.cat([scores[name].float()[mask[name]] for name in candidates])
        for mask in (kept, {name: mask & ~kept[name] for name, mask in candidates.items()})
    )
    assert len(chosen) == count
    assert not (len(chosen) and len(left)) or chosen.min() >= left.max()


def random_case(seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    draw, source = random.Random(seed), torch.Generator().manual_seed(seed)
    scores, candidates = {}, {}
    for matrix in range(draw.randint(1, 4)):
        shape, name = (draw.randint(1, 9), draw.randint(1, 9)), f"m{matrix}"
        if draw.random() < 0.5:  # a handful of different values: most scores are ties
            values = torch.tensor([0.0, -0.0, 1.0, 2.0, float("inf"), 1e-45])
            scores[name] = values[torch.randint(len(values), shape, generator=source)]
        else:
            scores[name] = torch.randn(shape, generator=source)
        candidates[name] = torch.rand(shape, generator=source) < draw.choice([0.2, 0.7, 1.1])
    total = sum(int(mask.sum()) for mask in candidates.values())
    return scores, candidates, draw.randint(0, total)


@pytest.fixture(params=[selection._FEW, 0], ids=["few", "counted"])
def _way(request, monkeypatch):
    """Both ways to find the threshold; what is small is usually put in order."""
    monkeypatch.setattr(selection, "_FEW", request.param)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("seeds", [range(start, start + 50) for start in range(0, 300, 50)], ids=str)
def test_equals_a_full_sort_for_random_shapes_densities_and_ties(seeds):
    for seed in seeds:
        scores, candidates, count = random_case(seed)
        assert_best(select(scores, candidates, count), scores, candidates, count)


@pytest.mark.usefixtures("_way")
@on_gpus
def test_the_same_mask_bit_for_bit_on_a_gpu(there):
    for seed in range(40):
        scores, candidates, count = random_case(seed)
        moved = {name: mask.to(there) for name, mask in candidates.items()}
        for placed in (scores, {name: score.to(there) for name, score in scores.items()}):
            found = select(placed, moved, count)
            assert {mask.device.type for mask in found.values()} == {there.type}
            kept = select(scores, candidates, count)
            assert all(torch.equal(found[name].cpu(), kept[name]) for name in kept)


def test_whole_matrices_give_the_same_mask_as_blocks(monkeypatch):
    scores = {"a": torch.randn(700, 800).half().float(), "b": -torch.rand(1000, 300).half().float()}
    candidates = {name: torch.rand(score.shape) < 0.9 for name, score in scores.items()}
    in_blocks = select(scores, candidates, 345_678)
    monkeypatch.setattr(selection, "_in_blocks", lambda device: False)
    whole = select(scores, candidates, 345_678)
    assert all(torch.equal(whole[name], in_blocks[name]) for name in whole)


@pytest.mark.usefixtures("_way")
def test_ties_are_drawn_and_not_taken_by_position():
    """Frequent words have the first rows of an embedding, and bfloat16 has few values: no half of them may win."""
    scores = {name: torch.randint(8, (400, 50)).float() for name in ("first", "second")}
    everything = {name: torch.ones(400, 50, dtype=torch.bool) for name in scores}
    count = sum(int((score == 7).sum()) for score in scores.values()) + 2000
    kept = select(scores, everything, count)
    drawn = {name: mask & (scores[name] == 6) for name, mask in kept.items()}
    assert sum(int(mask.sum()) for mask in drawn.values()) == 2000
    for part in (drawn["first"], drawn["second"]):
        for half in part.split(200):
            assert int(half.sum()) == pytest.approx(500, abs=80)
    again = select(scores, everything, count)
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def test_the_inputs_are_left_alone():
    scores, candidates, _ = random_case(3)
    before = {name: mask.clone() for name, mask in candidates.items()}
    total = sum(int(mask.sum()) for mask in candidates.values())
    for count in (0, 1, total):
        for mask in select(scores, candidates, count).values():
            mask.fill_(True)
    assert all(torch.equal(candidates[name], before[name]) for name in before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_compared_in_float32(dtype):
    score = torch.randn(40, 50).to(dtype)
    candidates = {"a": torch.ones(40, 50, dtype=torch.bool)}
    assert_best(select({"a": score}, candidates, 777), {"a": score}, candidates, 777)


def test_the_same_mask_bit_for_bit_whatever_the_number_of_threads(set_threads):
    scores = {name: torch.randint(500, (400, 600)).float() for name in "abc"}
    everything = {name: torch.ones(400, 600, dtype=torch.bool) for name in "abc"}
    masks = []
    for threads in (1, 2, 4):
        set_threads(threads)
        kept = select(scores, everything, 123_457)
        masks.append(b"".join(np.packbits(kept[name].numpy()).tobytes() for name in "abc"))
    assert masks[0] == masks[1] == masks[2]


def test_nan_scores_are_refused_by_name():
    score = torch.tensor([[1.0, float("nan")], [2.0, 3.0]])
    with pytest.raises(PruneError, match=r"saliency of q_proj is NaN"):
        select({"q_proj": score}, {"q_proj": torch.ones(2, 2, dtype=torch.bool)}, 2)


@pytest.mark.parametrize("count", [-1, 4])
def test_more_than_there_are_or_fewer_than_none_cannot_be_kept(count):
    candidates = {"a": torch.tensor([[True, True, True, False]])}
    with pytest.raises(PruneError, match=f"cannot keep {count} of 3 weights"):
        select({"a": torch.rand(1, 4)}, candidates, count)


def test_matrices_of_several_blocks_equal_a_full_sort():
    scores = {"a": torch.randn(700, 800).half().float(), "b": -torch.rand(1000, 300).half().float()}
    candidates = {name: torch.rand(score.shape) < 0.9 for name, score in scores.items()}
    total = sum(int(mask.sum()) for mask in candidates.values())
    for count in (1, 1000, 345_678, total - 1):
        assert_best(select(scores, candidates, count), scores, candidates, count)


def test_transposed_matrices_are_ranked_by_their_rows():
    score = torch.tensor([[1.0, 4.0], [2.0, 5.0], [0.0, 3.0]]).t()
    kept = select({"a": score}, {"a": torch.ones(3, 2, dtype=torch.bool).t()}, 3)
    assert kept["a"].tolist() == [[False, False, False], [True, True, True]]
