"""Types, checked beside other tests: a core has half a minute's work with them where nothing is cached."""

import subprocess
import sys

import pytest

from tests.programs import REPOSITORY


@pytest.mark.slow
def test_types_are_right():
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
