"""The phases of a search on components of known worth, against a search in plain Python over lists."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.subnetworks.phases import Threshold, magnitude_phases, search, structured_phases
from tests.subnetworks.toys import ffn, heads, masks, survivors, weight_scores, weights, worth

PARTS = [heads(), ffn()]


class Toy:
    """A model whose score is what its components are worth together, as a share of that of all."""

    def __init__(self, parts, start, seed=0):
        self.parts, self.start, self.asked = parts, start, []
        self.worth = worth(parts, start, seed)

    def importance(self, found):
        self.asked.append(found)
        return weight_scores(self.parts, self.start, self.worth)

    def score(self, found):
        return sum(self.worth[each] for each in survivors(self.parts, found)) / sum(self.worth.values())


def is_head(name):
    return name.endswith("_attn")


def by_hand(toy, limit, heads_step, ffn_step):
    """(phase, survivors, passed) of each step, from sorted lists."""
    alive, found = set(toy.worth), []
    worst = lambda names, count: sorted(names, key=toy.worth.__getitem__)[:count]  # noqa: E731
    for phase, head_count, ffn_count in [
        ("joint", heads_step, ffn_step),
        ("heads only", max(1, heads_step // 2), 0),
        ("FFN only", 0, max(1, ffn_step // 2)),
    ]:
        while True:
            pruned = worst([each for each in alive if is_head(each[0])], head_count)
            pruned += worst([each for each in alive if not is_head(each[0])], ffn_count)
            left = alive - set(pruned)
            passed = sum(map(toy.worth.__getitem__, left)) / sum(toy.worth.values()) >= limit
            found.append((phase, left, passed))
            if not passed:
                break
            alive = left
    return found


@pytest.mark.parametrize("limit", [0.9, 0.8])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_three_phases_with_a_tenth_of_all_heads_then_half_of_that(limit, seed):
    toy = Toy(PARTS, masks(layers=3), seed)
    phases = structured_phases(*PARTS, toy.start, 0.1, whole_ffn=True)
    steps = list(search(phases, toy.start, toy.importance, toy.score, lambda score: score >= limit))
    # Of 36 heads a tenth, rounded down, is 3, half of that 1; of 6 feed-forward sublayers one at a time.
    expected = by_hand(toy, limit, heads_step=3, ffn_step=1)
    assert [(step.phase, survivors(PARTS, step.masks), step.passed) for step in steps] == expected
    assert [step.phase for step in steps if not step.passed] == ["joint", "heads only", "FFN only"]
    assert sum(step.passed for step in steps) >= 2


def test_units_in_steps_of_a_tenth_of_all():
    parts = [heads(), ffn("unit:reduce=mean")]
    toy = Toy(parts, masks(layers=3))
    phases = structured_phases(*parts, toy.start, 0.1, whole_ffn=False)
    steps = list(search(phases, toy.start, toy.importance, toy.score, lambda score: score >= 0.8))
    expected = by_hand(toy, 0.8, heads_step=3, ffn_step=3)  # 36 units as well
    assert [(step.phase, survivors(parts, step.masks), step.passed) for step in steps] == expected


def test_importance_is_measured_before_each_step_with_the_masks_in_place():
    toy = Toy(PARTS, masks())
    phases = structured_phases(*PARTS, toy.start, 0.1, whole_ffn=True)
    steps = list(search(phases, toy.start, toy.importance, toy.score, lambda score: score >= 0.8))
    passed = toy.start
    for asked, step in zip(toy.asked, steps, strict=True):
        assert asked == passed
        passed = step.masks if step.passed else passed


@pytest.mark.parametrize("stopped_after", range(1, 10))
def test_a_search_that_was_stopped_does_the_rest(stopped_after):
    toy = Toy(PARTS, masks())
    phases = structured_phases(*PARTS, toy.start, 0.1, whole_ffn=True)
    arguments = (toy.importance, toy.score, lambda score: score >= 0.8)
    whole = list(search(phases, toy.start, *arguments))
    first = whole[:stopped_after]
    last = next((step.masks for step in reversed(first) if step.passed), toy.start)
    rest = list(search(phases, last, *arguments, done=[(step.phase, step.passed) for step in first]))
    assert rest == whole[stopped_after:]


def test_magnitude_pruning_takes_a_tenth_of_the_remaining_weights_ten_times():
    part, start = weights(), masks(layers=1)
    scores = {name: torch.rand(start[name].shape) for name in start}
    total = part.total(start)
    steps = list(search(magnitude_phases(part, 0.1), start, lambda _: scores, lambda _: 1.0, lambda _: True))
    expected, left = [], total
    for _ in range(10):
        left -= round(0.1 * left)
        expected.append(left)
    assert [part.left(step.masks) for step in steps] == expected
    assert steps[-1].masks["encoder.embed_tokens.weight"].all()
    kept = torch.cat([scores[name][steps[-1].masks[name]] for name in part.alive(start)])
    everything = torch.cat([scores[name].flatten() for name in part.alive(start)])
    assert torch.equal(kept.sort().values, everything.sort().values[-left:])


def test_the_best_head_of_a_cross_attention_stays_unless_asked():
    start = masks(layers=1)
    scores = {name: torch.full(start[name].shape, float("encoder_attn" not in name)) for name in start}
    for spec, cross, removable in (
        ("head:reduce=mean", 1, 11),
        ("head:reduce=mean,empty_cross_attention=true", 0, 12),
    ):
        part = heads(spec)
        pruned = part.by_kind(part.prune(start, scores, 5))
        assert pruned["decoder cross-attention heads"] == cross  # all four are worth less than any other
        assert sum(pruned.values()) == 7
        assert part.removable(start) == removable


def test_a_phase_ends_where_nothing_is_left_to_prune():
    parts, start = [heads(), ffn()], masks(layers=1)
    toy = Toy(parts, start)
    steps = list(
        search(structured_phases(*parts, start, 0.3, True), start, toy.importance, lambda _: 1.0, lambda _: True)
    )
    # Two feed-forward sublayers end the joint phase after two steps of 3 heads; then 5 of the last 6 heads go singly.
    assert [step.phase for step in steps] == ["joint"] * 2 + ["heads only"] * 5
    assert [parts[0].left(step.masks) for step in steps] == [9, 6, 5, 4, 3, 2, 1]
    with pytest.raises(PruneError, match="no heads can be pruned: the checkpoint has 1 left of 12; search in a denser"):
        structured_phases(*parts, steps[-1].masks, 0.1, True)
    with pytest.raises(PruneError, match="no FFN components can be pruned: the checkpoint has 0 left of 2"):
        structured_phases(heads(), ffn(), steps[1].masks, 0.1, True)


@pytest.mark.parametrize(
    ("settings", "limit", "good", "bad"),
    [
        ({"keep": 0.9}, 27.0, 27.0, 26.99),
        ({"drop": 0.5}, 29.5, 29.5, 29.49),
        ({"keep": 0.8, "is_loss": True}, 37.5, 37.5, 37.51),
        ({"drop": 0.5, "is_loss": True}, 30.5, 30.4, float("nan")),
    ],
)
def test_thresholds(settings, limit, good, bad):
    threshold = Threshold(30.0, **settings)
    assert threshold.limit == pytest.approx(limit)
    assert threshold.passes(good)
    assert not threshold.passes(bad)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "--keep .* and --drop .* exclude each other; give one"),
        ({"keep": 0.9, "drop": 1.0}, "exclude each other"),
        ({"keep": 1.5}, r"--keep 1.5 is outside \(0, 1\]"),
        ({"drop": -1.0}, "--drop -1 is negative"),
        ({"keep": 0.9, "dense": 0.0}, "the dev score of the dense model is 0: .* train the model longer"),
    ],
)
def test_impossible_thresholds(settings, message):
    with pytest.raises(PruneError, match=message):
        Threshold(**{"dense": 30.0, **settings})
