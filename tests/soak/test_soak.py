"""The short form, a strike of each kind; ``make soak`` is the long one."""

import random

import pytest

from tests.soak.faults import Faults
from tests.soak.findings import Findings
from tests.soak.soak import Soak
from tests.soak.stage import Strike
from tests.soak.sweep import MASK, MODEL, Moment, Shape

pytestmark = pytest.mark.slow


def strike(faults: Faults) -> None:
    """Each strikes what the one before it has left."""
    faults.kill_at(Moment(0.2, "data preparation"))
    faults.kill_at(Strike("saving", entry=3, calls=200))
    faults.kill_at(Strike("marking"))  # all is trained, and nothing says so
    faults.truncate("dense-seed1")
    faults.kill_at(Strike("mask change", entry=2, victim="worker"))


def test_a_struck_sweep_ends_with_the_bytes_of_an_undisturbed_one(tmp_path):
    findings = Findings(tmp_path / "soak.json", seed=1, wanted=5)
    shape = Shape(rungs=(50,), techniques=("gmp",), updates=20)
    soak = Soak(tmp_path, findings, random.Random(1), minutes=10, each=5, pairs=0, disk_is_own=False, shape=shape)
    soak.run_undisturbed()
    sweep, faults = soak.new_sweep()
    strike(faults)
    while sweep.at < 3:
        assert faults.go_on()
    for name in (MODEL, MASK):
        faults.damage(name)
    assert faults.go_on()
    soak.compare(sweep, faults)
    assert findings.wrong == []
    assert findings.kills >= 4
    assert sum(findings.count.values()) == findings.kills + 3
