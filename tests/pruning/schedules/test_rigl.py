"""When weights move, and how many: Evci et al. 2020, worked out by hand."""

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules import schedules
from nmt_prune.pruning.schedules.rigl import Rigl


def build(spec: str, final: float = 0.8, max_update: int = 4000) -> Rigl:
    return schedules.build(spec, final=final, max_update=max_update)


def test_weights_move_every_100_updates_until_three_quarters():
    rigl = build("rigl")
    assert [update for update in range(4001) if rigl.moves_at(update)] == list(range(100, 3000, 100))
    assert not any(rigl.changes_at(update) for update in range(4001))
    assert {rigl.sparsity(update) for update in (0, 1, 3000, 4000)} == {0.8}
    assert rigl.settled_at == 0


@pytest.mark.parametrize(("update", "share"), [(0, 0.3), (750, 0.256066), (1000, 0.225), (1500, 0.15), (2000, 0.075)])
def test_ever_fewer_move(update, share):
    assert build("rigl").moving_share(update) == pytest.approx(share, abs=1e-6)  # cos 45°, 60°, 90°, 120°


def test_its_settings():
    rigl = build("rigl:interval=7,end=0.5,share=0.1", max_update=40)
    assert [update for update in range(41) if rigl.moves_at(update)] == [7, 14]
    assert rigl.moving_share(10) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("spec", "final", "max_update", "message"),
    [
        ("rigl:interval=0", 0.8, 100, "interval=0 must be at least 1"),
        ("rigl:end=0", 0.8, 100, r"end=0 is outside \(0, 1\]"),
        ("rigl:end=75", 0.8, 100, r"end=75 is outside \(0, 1\]; it is a share of --max-update"),
        ("rigl:share=1.5", 0.8, 100, r"share=1.5 is outside \(0, 1\]"),
        ("rigl", 0.8, 0, "give --max-update"),
        ("rigl", 0.0, 100, "give --sparsity"),
        ("rigl", 1.0, 100, "outside"),
    ],
)
def test_what_makes_no_sense_is_refused(spec, final, max_update, message):
    with pytest.raises(PruneError, match=message) as error:
        build(spec, final, max_update)
    assert "\n" not in str(error.value)
