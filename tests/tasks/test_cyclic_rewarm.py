"""The learning rate that is re-warmed at the mask changes, by hand and in trainings."""

import pytest
from hydra.core.config_store import ConfigStore

from nmt_prune.optimizers.cyclic_rewarm import cyclic_rate
from tests.tasks.test_movement import killed_at
from tests.tasks.training import assert_same


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (0, 8.0),
        (1, 6.0),
        (3, 2.0),
        (4, 8.0),  # the mask has changed after 4 updates
        (7, 2.0),
        (8, 8.0),  # and after 8, for the last time: the cycle goes on to update 16
        (12, 4.0),
        (16, 0.0),
        (20, 0.0),
    ],
)
def test_each_change_brings_back_the_peak(update, rate):
    assert cyclic_rate(update, 8.0, 0.0, 0, (4, 8), 16) == rate


def test_the_warm_up_multiplies_and_the_end_is_a_floor():
    assert [cyclic_rate(n, 8.0, 4.0, 4, (4,), 8) for n in (0, 1, 2, 3, 4, 6, 8)] == [
        0,
        7 / 4,
        6 / 2,
        5 * 3 / 4,
        8,
        6,
        4,
    ]


def test_hydra_knows_it():
    assert "cyclic_rewarm.yaml" in ConfigStore.instance().list("lr_scheduler")


CYCLIC = "--schedule cubic:interval=3,end=6 --sparsity 0.8 --lr 0.012 --lr-scheduler cyclic_rewarm --warmup-updates 0"


@pytest.mark.slow
def test_a_training_follows_the_schedule_and_goes_on(run_training, monkeypatch):
    whole = run_training("whole", CYCLIC)
    # fairseq's lines have the rate that follows the update.
    expected = [0.008, 0.004, 0.012, 0.008, 0.004, 0.012, 0.01, 0.008, 0.006, 0.004, 0.002, 0]
    assert [line["lr"] for line in whole.progress()] == pytest.approx(expected, abs=1e-6)
    killed_at(monkeypatch, lambda: run_training("parts", CYCLIC, "--save-interval-updates 1"), 5)
    assert_same(whole.state()["model"], run_training("parts", CYCLIC).state()["model"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--schedule constant", "does nothing here: --schedule constant changes no mask; give e.g. --schedule cubic"),
        ("--lr 0.1,0.2", "has one peak: give --lr one value"),
        (
            "--max-update 0 --max-epoch 1 --schedule cubic:end=6,interval=3",
            "give --max-update, where the last cycle ends",
        ),
    ],
)
def test_what_has_no_cycles_is_refused(run_training, flags, message):
    with pytest.raises(SystemExit, match=message) as error:
        run_training("refused", CYCLIC, flags)
    assert "\n" not in str(error.value)
