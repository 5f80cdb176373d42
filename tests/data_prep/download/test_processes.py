"""Processes that download: what is left when one ends, and two at the same file."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.download import http as transfer
from data_prep.download.fetching import Fetching
from data_prep.download.files import fetch_all
from data_prep.download.http import Patience
from tests.data_prep.downloading import CONTENT, IMPATIENT, PATH, ranges, remote
from tests.data_prep.mirror import Fault
from tests.waiting import wait_until

PROCESS = """
import sys
from pathlib import Path
from data_prep.download.files import Remote, fetch_all
from data_prep.download.fetching import Fetching

folder, mirror, url, size, digest = sys.argv[1:]
fetching = Fetching(Path(folder), lambda line: print(line, flush=True), mirrors=(mirror,))
fetch_all([Remote("x.tgz", url, int(size), digest)], Path(folder), fetching)
"""


@pytest.fixture
def start(tmp_path, mirror):
    """Starts a process that downloads the file into ``tmp_path/cache``."""
    processes = []

    def call() -> subprocess.Popen[str]:
        file = remote()
        arguments = [str(tmp_path / "cache"), mirror.address, file.url, str(file.size), file.sha256]
        command = [sys.executable, "-c", PROCESS, *arguments]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield call
    for process in processes:
        process.kill()
        process.communicate()


def wait_for_bytes(part: Path, size: int) -> None:
    wait_until(lambda: part.exists() and part.stat().st_size >= size)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_process_ends_though_the_server_stalls_and_leaves_a_part_that_is_resumed(tmp_path, mirror, start, end):
    mirror.misbehave(PATH, Fault(stall_after=2 * transfer._BLOCK))
    process = start()
    wait_for_bytes(tmp_path / "cache/x.tgz.part", transfer._BLOCK)
    process.send_signal(end)
    process.communicate(timeout=Patience().read / 2)
    assert process.returncode != 0
    assert not (tmp_path / "cache/x.tgz").exists()
    held = (tmp_path / "cache/x.tgz.part").stat().st_size
    fetching = Fetching(tmp_path / "cache", lambda line: None, (mirror.address,))
    (path,) = fetch_all([remote()], tmp_path / "cache", fetching, IMPATIENT)
    assert path.read_bytes() == CONTENT
    assert ranges(mirror) == [None, f"bytes={held}-"]


def test_two_processes_download_a_file_once(tmp_path, mirror, start):
    mirror.misbehave(PATH, Fault(hold_after=2 * transfer._BLOCK))
    first = start()
    wait_for_bytes(tmp_path / "cache/x.tgz.part", transfer._BLOCK)
    second = start()
    assert "another nmt-prune is at it; waiting" in second.stdout.readline()
    mirror.go_on.set()
    outputs = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert len(mirror.requests) == 1
    assert not any("waiting" in output for output in outputs)
