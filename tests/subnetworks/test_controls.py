"""Good, random and bad subnetworks have exactly the same size."""

import pytest
import torch

from nmt_prune.subnetworks.controls import bad_subnetwork, random_subnetwork
from tests.subnetworks.toys import ffn, heads, masks, survivors, weight_scores, weights, worth


def kinds(parts, found):
    return [part.by_kind(found) for part in parts]


def size(found):
    return sum(map(found.kept, found.prunables))


def pruned_by(counts, parts, start, seed=0):
    """A good subnetwork that lost so many components of each part."""
    scores, good = weight_scores(parts, start, worth(parts, start, seed)), start
    for part, count in zip(parts, counts, strict=True):
        good = part.prune(good, scores, count)
    return good


@pytest.mark.parametrize("unit", ["sublayer", "unit"])
@pytest.mark.parametrize("heads_gone", [4, 14, 30])
def test_as_many_of_each_kind(unit, heads_gone):
    parts, start = [heads(), ffn(f"{unit}:reduce=mean")], masks()
    good = pruned_by((heads_gone, 2 if unit == "sublayer" else 19), parts, start)
    draws = [random_subnetwork(good, start, parts, seed) for seed in range(20)]
    bads = [bad_subnetwork(good, start, parts, {}, seed) for seed in range(20)]
    for other in (*draws, *bads):
        assert kinds(parts, other) == kinds(parts, good)
        assert size(other) == size(good)  # in weights, too
        cross = [other[name] for name in other if name.endswith("encoder_attn.out_proj.weight")]
        assert all(mask.any() for mask in cross)
    assert len({draw.digest() for draw in draws}) > 10
    assert random_subnetwork(good, start, parts, 3) == draws[3]


def test_every_component_is_drawn_equally_often():
    parts, start = [heads()], masks()
    good = pruned_by((12,), parts, start)
    draws = [random_subnetwork(good, start, parts, seed) for seed in range(400)]
    kept = parts[0].by_kind(good)["encoder self-attention heads"]
    times = {each: 0 for each in survivors(parts, start) if each[0].startswith("encoder")}
    for draw in draws:
        for each in survivors(parts, draw) & times.keys():
            times[each] += 1
    expected = 400 * kept / 12
    assert all(abs(count - expected) < 4.5 * (400 * kept / 12 * (1 - kept / 12)) ** 0.5 for count in times.values())


def test_the_bad_one_is_what_the_good_one_lost():
    parts, start = [heads("head:reduce=mean,empty_cross_attention=true")], masks()
    for gone in (9, 18, 27):
        good = pruned_by((gone,), parts, start)
        bad = survivors(parts, bad_subnetwork(good, start, parts, {}, 1))
        lost = survivors(parts, start) - survivors(parts, good)
        for kind in ("encoder.layers", "decoder.layers"):
            for block in ("self_attn", "encoder_attn"):
                mine, others = (
                    {each for each in found if each[0].startswith(kind) and each[0].endswith(block)}
                    for found in (bad, lost)
                )
                assert others <= mine or mine <= others  # all that were pruned, or as many of them as fit


def test_the_bad_weights_are_the_smallest():
    parts, start = [weights()], masks(layers=1)
    torch.manual_seed(1)
    scores = {name: torch.rand(start[name].shape) for name in start}
    good = parts[0].prune(start, scores, parts[0].total(start) // 3)
    bad, drawn = bad_subnetwork(good, start, parts, scores, 1), random_subnetwork(good, start, parts, 1)
    assert kinds(parts, bad) == kinds(parts, good) == kinds(parts, drawn)
    attention = [name for name in start if "encoder.layers.0.self_attn" in name]
    kept = torch.cat([scores[name][bad[name]] for name in attention])
    gone = torch.cat([scores[name][~bad[name]] for name in attention])
    assert len(kept) == parts[0].by_kind(good)["encoder self-attention weights"]
    assert kept.max() < gone.min()
    assert bad["encoder.embed_tokens.weight"].all()


def test_a_parents_mask_is_kept_by_all():
    parts, start = [heads(), ffn()], masks()
    parent = pruned_by((6, 1), parts, start, seed=5)
    good = pruned_by((6, 1), parts, parent)
    for other in (random_subnetwork(good, parent, parts, 1), bad_subnetwork(good, parent, parts, {}, 1)):
        assert survivors(parts, other) <= survivors(parts, parent)
        assert kinds(parts, other) == kinds(parts, good)
