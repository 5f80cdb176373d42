"""What the tests start ends with them."""

import os
import subprocess
import sys

import pytest

from tests.programs import REPOSITORY
from tests.waiting import is_alive, wait_until

STARTS = """
import sys, time
from pathlib import Path
from tests import programs
programs.COMMON = programs.COMMON[:1]
if __name__ == "__main__":
    process = programs.start("timeit", ["-n1", "-r1", "import time; time.sleep(600)"], Path(sys.argv[1]))
    print(programs.forkserver._forkserver._forkserver_pid, process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends them")
def test_a_killed_pytest_leaves_nothing_behind(tmp_path):
    (tmp_path / "starts.py").write_text(STARTS)
    command = [sys.executable, tmp_path / "starts.py", tmp_path / "output"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}) as tests:
        left = [int(pid) for pid in tests.stdout.readline().split()]
        assert len(left) == 2
        assert all(map(is_alive, left))
        tests.kill()
    wait_until(lambda: not any(map(is_alive, left)))
