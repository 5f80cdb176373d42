"""The short form: four kills and what else strikes between them; ``make soak`` is the long one."""

import random

import pytest

from tests.soak.findings import Findings
from tests.soak.soak import Soak
from tests.soak.sweep import Shape

pytestmark = pytest.mark.slow


def test_a_struck_sweep_ends_with_the_bytes_of_an_undisturbed_one(tmp_path):
    findings = Findings(tmp_path / "soak.json", seed=1, wanted=4)
    shape = Shape(rungs=(50,), techniques=("gmp",), updates=20)
    Soak(tmp_path, findings, random.Random(1), minutes=10, each=4, pairs=0, disk_is_own=False, shape=shape).run()
    assert findings.kills == 4
    assert findings.sweeps == 1
    assert findings.wrong == []
    assert findings.count["packed model damaged", "between commands"] == 1
