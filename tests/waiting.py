"""Waiting for what another process does, however busy the machine is."""

import time
from collections.abc import Callable
from pathlib import Path

LONGEST = 60
"""Seconds that a test waits for what may never happen."""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
