"""Exact selection against a full sort by (score, position)."""

import random
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_prune.errors import PruneError
from nmt_prune.masks.selection import select


def sort_and_cut(scores: dict[str, Tensor], candidates: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """The definition, spelled out: sort all candidates, keep the first ``count``."""
    places = chain.from_iterable(
        [(-value, matrix, position) for position, value in enumerate(score.flatten().tolist()) if mask[position]]
        for matrix, (score, mask) in enumerate(
            (scores[name], candidates[name].flatten().tolist()) for name in candidates
        )
    )
    kept = {name: torch.zeros(mask.numel(), dtype=torch.bool) for name, mask in candidates.items()}
    names = list(candidates)
    for _, matrix, position in sorted(places)[:count]:
        kept[names[matrix]][position] = True
    return {name: flat.view(candidates[name].shape) for name, flat in kept.items()}


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


@pytest.mark.parametrize("seeds", [range(start, start + 50) for start in range(0, 300, 50)], ids=str)
def test_equals_a_full_sort_for_random_shapes_densities_and_ties(seeds):
    for seed in seeds:
        scores, candidates, count = random_case(seed)
        kept = select(scores, candidates, count)
        expected = sort_and_cut(scores, candidates, count)
        assert list(kept) == list(candidates)
        assert sum(int(mask.sum()) for mask in kept.values()) == count
        assert all(torch.equal(kept[name], expected[name]) for name in candidates), seed


def test_ties_at_the_threshold_go_to_the_first_positions():
    scores = {"a": torch.tensor([[1.0, 2.0, 1.0], [3.0, 1.0, 1.0]]), "b": torch.tensor([[1.0, 5.0]])}
    everything = {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}
    kept = select(scores, everything, 5)
    assert kept["a"].tolist() == [[True, True, True], [True, False, False]]
    assert kept["b"].tolist() == [[False, True]]


def test_all_scores_equal():
    scores = {name: torch.full((3, 4), 0.5) for name in "ab"}
    kept = select(scores, {name: torch.ones(3, 4, dtype=torch.bool) for name in "ab"}, 14)
    assert kept["a"].all()
    assert kept["b"].flatten().nonzero().squeeze(1).tolist() == [0, 1]


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
    expected = sort_and_cut({"a": score.float()}, candidates, 777)
    assert torch.equal(select({"a": score}, candidates, 777)["a"], expected["a"])


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
    flat = torch.cat([score.flatten() for score in scores.values()]).numpy()
    places = torch.cat([mask.flatten() for mask in candidates.values()]).numpy().nonzero()[0]
    ranked = places[np.argsort(-flat[places], kind="stable")]
    for count in (1, 1000, 345_678, len(places) - 1):
        expected = np.zeros(len(flat), dtype=bool)
        expected[ranked[:count]] = True
        kept = select(scores, candidates, count)
        assert np.array_equal(torch.cat([mask.flatten() for mask in kept.values()]).numpy(), expected)


def test_transposed_matrices_are_ranked_by_their_rows():
    score = torch.tensor([[1.0, 1.0], [2.0, 1.0], [0.0, 1.0]]).t()
    kept = select({"a": score}, {"a": torch.ones(3, 2, dtype=torch.bool).t()}, 3)
    assert kept["a"].tolist() == [[True, True, False], [True, False, False]]
