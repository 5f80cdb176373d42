"""Sparsity as a function of the update, with the numbers of the papers worked out by hand."""

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.pruning.schedules import Schedule, schedules

STAGES = (0.2, 0.5, 0.6, 0.8)


def build(spec: str, final: float = 0.8, inherited: float = 0.0, max_update: int = 100, stages=STAGES) -> Schedule:
    return schedules.build(spec, final=final, inherited=inherited, max_update=max_update, stages=stages)


def changes(schedule: Schedule, until: int) -> list[int]:
    return [update for update in range(1, until + 1) if schedule.changes_at(update)]


class TestCubicOfBrix:
    """500 k updates, s_t = s_T + min{0, (s_0 - s_T) (1 - t / 400 k)^3}, masks every 10 k updates."""

    schedule = build("cubic", final=0.9, max_update=500_000)

    def test_the_mask_changes_every_10_k_updates_until_400_k(self):
        assert changes(self.schedule, 500_000) == list(range(10_000, 400_001, 10_000))
        assert not self.schedule.changes_at(0)
        assert self.schedule.settled_at == 400_000

    @pytest.mark.parametrize(
        ("update", "sparsity"),
        [
            (0, 0.0),
            (10_000, 0.9 - 0.9 * 0.975**3),
            (100_000, 0.9 * (1 - 27 / 64)),
            (200_000, 0.9 * 7 / 8),
            (300_000, 0.9 * 63 / 64),
            (399_999, 0.9),
            (400_000, 0.9),
            (500_000, 0.9),
        ],
    )
    def test_the_sparsity(self, update, sparsity):
        assert self.schedule.sparsity(update) == pytest.approx(sparsity, abs=1e-9)

    def test_it_ends_at_exactly_the_final_sparsity(self):
        assert self.schedule.sparsity(400_000) == 0.9

    def test_slt_mp_starts_at_60_percent(self):
        given, inherited = build("cubic:initial=0.6", 0.9, 0.6, 500_000), build("cubic", 0.9, 0.6, 500_000)
        for schedule in (given, inherited):
            assert schedule.sparsity(0) == pytest.approx(0.6)
            assert schedule.sparsity(200_000) == pytest.approx(0.9 - 0.3 / 8)


def test_zhu_and_gupta_in_general():
    # t_0 = 1000, n = 8 steps of 500 updates, from 0.25 to 0.85.
    schedule = build("cubic:initial=0.25,begin=1000,end=5000,interval=500", 0.85, max_update=0)
    assert changes(schedule, 9000) == [1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000]
    assert [schedule.sparsity(update) for update in (0, 1000)] == [0.25, 0.25]
    assert schedule.sparsity(2000) == pytest.approx(0.85 - 0.6 * 0.75**3)
    assert schedule.sparsity(3000) == pytest.approx(0.85 - 0.6 / 8)
    assert schedule.sparsity(5000) == schedule.sparsity(9000) == 0.85


def test_a_linear_schedule():
    schedule = build("cubic:exponent=1,end=80,interval=20")
    assert [schedule.sparsity(update) for update in (20, 40, 60, 80)] == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_an_interval_that_does_not_divide_still_reaches_the_end():
    assert changes(build("cubic:begin=10,end=50,interval=15"), 100) == [25, 40, 50]
    assert changes(build("cubic:end=10,interval=30"), 100) == [10]


@pytest.mark.parametrize(("max_update", "end", "interval"), [(800, 640, 16), (100, 80, 2), (10, 8, 1), (3, 2, 1)])
def test_the_defaults_are_80_and_2_percent(max_update, end, interval):
    assert changes(build("cubic", max_update=max_update), max_update) == list(range(interval, end + 1, interval))


def test_cubic_sparsity_never_falls():
    schedule = build("cubic:begin=7,end=93,interval=1", 0.98, 0.1)
    values = [schedule.sparsity(update) for update in range(101)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(0.1)
    assert values[-1] == 0.98


def test_constant():
    schedule = build("constant", 0.5, 0.4)
    assert [schedule.sparsity(update) for update in (0, 1, 10**6)] == [0.5] * 3
    assert (schedule.settled_at, changes(schedule, 100)) == (0, [])


def test_oneshot():
    schedule = build("oneshot:at=40", 0.5, 0.1)
    assert [schedule.sparsity(update) for update in (0, 39, 40, 100)] == [0.1, 0.1, 0.5, 0.5]
    assert (schedule.settled_at, changes(schedule, 100)) == (40, [40])


def test_layerwise_reaches_one_stage_per_window():
    schedule = build("layerwise:begin=5,window=20", inherited=0.1)
    assert changes(schedule, 100) == [5, 25, 45, 65]
    assert [schedule.sparsity(update) for update in (0, 4, 5, 24, 25, 64, 65, 100)] == [
        *(0.1, 0.1, 0.2, 0.2),
        *(0.5, 0.6, 0.8, 0.8),
    ]
    assert schedule.settled_at == 65


def test_layerwise_windows_are_equal_by_default_and_end_at_80_percent():
    assert changes(build("layerwise:begin=20"), 100) == [20, 40, 60, 80]
    assert changes(build("layerwise:begin=1,end=11"), 100) == [1, 4, 7, 11]
    first_at_once = build("layerwise")
    assert (first_at_once.sparsity(0), changes(first_at_once, 100)) == (0.2, [26, 53, 80])


def test_layerwise_needs_stages_and_an_end():
    with pytest.raises(PruneError, match="one sublayer after the other: also give --budget layerwise"):
        build("layerwise", stages=())
    assert build("layerwise", final=0.5, inherited=0.5, stages=()).sparsity(50) == 0.5
    with pytest.raises(PruneError, match="give --max-update, window= or end="):
        build("layerwise", max_update=0)


def test_oneshot_cannot_bring_weights_back():
    with pytest.raises(PruneError, match=r"--sparsity 0\.5 is below what is already pruned \(0\.6\)"):
        build("oneshot:at=40", 0.5, 0.6)


@pytest.mark.parametrize("name", ["constant", "cubic", "oneshot", "layerwise"])
@pytest.mark.parametrize("final", [-0.1, 1.0, 1.5, float("nan")])
def test_a_final_sparsity_outside_its_range_is_refused(name, final):
    with pytest.raises(PruneError, match=r"--sparsity .* is outside \[0, 1\)"):
        build(name, final)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cubic:begin=80", "begin=80 must lie before end=80"),
        ("cubic:begin=-1", "begin=-1 must lie before end=80"),
        ("cubic:begin=30,end=20", "begin=30 must lie before end=20"),
        ("cubic:interval=0", "interval=0 must be at least 1"),
        ("cubic:end=101", "end=101 lies after --max-update 100"),
        ("cubic:initial=0.9", r"initial=0\.9 must lie in \[0, --sparsity 0\.8\]"),
        ("cubic:initial=-0.1", r"initial=-0\.1 must lie in"),
        ("cubic:initial=nan", "initial=.nan.: give a finite number"),
        ("cubic:exponent=0", "exponent=0 must be above 0"),
        ("cubic:exponent=-3", "exponent=-3 must be above 0"),
        ("cubic:exponent=nan", "exponent=.nan.: give a finite number"),
        ("oneshot:at=101", "at=101 must lie between 0 and --max-update 100"),
        ("oneshot:at=-1", "at=-1 must lie between 0"),
        ("layerwise:begin=-1", "begin=-1 must be at least 0"),
        ("layerwise:window=0", "window=0 must be at least 1"),
        ("layerwise:window=5,end=20", "window= and end= both say when"),
        ("layerwise:begin=10,end=12", "4 sublayers need as many updates; end=12 is too close to begin=10"),
        ("layerwise:window=40", "the last of 4 sublayers is pruned at update 120, after --max-update 100"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(spec, message):
    with pytest.raises(PruneError, match=message):
        build(spec)


@pytest.mark.parametrize("spec", ["cubic", "cubic:end=80", "cubic:interval=5"])
def test_cubic_defaults_need_the_length_of_the_training(spec):
    with pytest.raises(PruneError, match="give --max-update, or both end= and interval="):
        build(spec, max_update=0)


def test_cubic_cannot_start_above_its_end():
    with pytest.raises(PruneError, match=r"initial=0\.9 must lie in \[0, --sparsity 0\.8\]"):
        build("cubic", 0.8, inherited=0.9)


@pytest.mark.parametrize(
    ("spec", "last"),
    [("cubic", 79), ("cubic:begin=10,end=20,interval=5", 19), ("oneshot:at=50", 49), ("layerwise:end=60", 59)],
)
def test_a_schedule_is_over_with_its_last_change(spec, last):
    schedule = build(spec)
    assert not schedule.is_over(last)
    assert schedule.is_over(last + 1)
    assert changes(schedule, 100)[-1] == last + 1


def test_rigl_is_over_when_weights_stop_moving():
    schedule = build("rigl:interval=1,end=0.6")
    assert [update for update in range(100) if schedule.moves_at(update)][-1] == 59
    assert (schedule.is_over(59), schedule.is_over(60)) == (False, True)


def test_what_is_pruned_from_the_start_is_never_over():
    assert not build("constant").is_over(1000)
    assert not build("oneshot:at=0").is_over(1000)
    assert not build("cubic", final=0.5, inherited=0.5).is_over(1000)
