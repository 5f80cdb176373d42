"""The server of the runtime's README under load: throughput, latency and memory, on the loopback."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nmt_prune.runtime.translator import Translator
from tests.benchmarks.reporting import memory, report

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "nmt_prune" / "runtime" / "README.md"
WARM_UP = 500
REQUESTS = {1: 2000, 2: 3000, 8: 5000}
"""How many, by the number of clients at once."""
LONGEST_START = 120  # seconds


class Server(NamedTuple):
    port: int
    process: int


def run(model: Path, text: Path) -> None:
    """Measures one model, a line a request."""
    for path in (model, text):
        if not path.exists():
            print(f"serving: {path} does not exist; name another with --model and --text\n")
            return
    if missing := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        print(f"serving: {missing[0]} is not installed; pip install fastapi uvicorn\n")
        return
    lines = text.read_text(encoding="utf-8").splitlines()
    translator = Translator(model)
    expected = {line: next(translator.translate_lines([line])).lines[0] for line in lines}
    with tempfile.TemporaryDirectory(prefix="nmt-prune-") as name, serve(model, Path(name)) as server:
        load(server, 2, WARM_UP, expected)
        before = memory("VmRSS", server.process)
        rows = [_row(server, clients, number, expected) for clients, number in REQUESTS.items()]
    report(
        "serving",
        f"{model.name} behind FastAPI and uvicorn, one process, {len(os.sched_getaffinity(0))} cores with its clients",
        ["clients", "requests", "requests/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms", "MB"],
        rows,
        f"Beam 5, a line a request, after {WARM_UP} requests ({before / 1e6:.1f} MB); CPU ms: the server's for a"
        " request; MB: its resident memory in the end. Every answer was that of the Translator alone.",
    )


def server_code() -> str:
    """What the README says to run."""
    found = re.search(r"## Behind a server\n.*?```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


@contextmanager
def serve(model: Path, folder: Path) -> Iterator[Server]:
    """The README's server, once it answers."""
    (folder / "serve.py").write_text(server_code(), encoding="utf-8")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    paths = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "uvicorn", "serve:app", "--port", str(port), "--no-access-log"]
    environment = {**os.environ, "MODEL": str(model.absolute()), "PYTHONPATH": paths}
    with subprocess.Popen([*command, "--log-level", "warning"], cwd=folder, env=environment) as process:
        try:
            end = time.monotonic() + LONGEST_START
            while process.poll() is None and time.monotonic() < end:
                with socket.socket() as one:
                    if not one.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.1)
            else:
                raise SystemExit("serving: the server did not start")
            yield Server(port, process.pid)
        finally:
            process.terminate()


def load(server: Server, clients: int, requests: int, expected: dict[str, str]) -> list[float]:
    """Has clients ask at once, each for the next line when it has its answer.

    Returns:
        Seconds of each request.
    """
    lines = list(islice(cycle(expected), requests))
    with ThreadPoolExecutor(clients) as pool:
        each = pool.map(lambda own: _ask(server.port, own, expected), [lines[one::clients] for one in range(clients)])
        return [seconds for taken in each for seconds in taken]


def _ask(port: int, lines: Sequence[str], expected: dict[str, str]) -> list[float]:
    taken, connection = [], http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for line in lines:
        begin = time.perf_counter()
        connection.request("POST", "/translate", json.dumps({"lines": [line]}), {"Content-Type": "application/json"})
        answer = connection.getresponse().read()
        taken.append(time.perf_counter() - begin)
        if json.loads(answer) != [expected[line]]:
            raise SystemExit(f"serving: {line} became {answer.decode()} instead of {expected[line]}")
    connection.close()
    return taken


def _row(server: Server, clients: int, requests: int, expected: dict[str, str]) -> dict[str, Any]:
    begin, before = time.perf_counter(), _cpu_seconds(server.process)
    taken = load(server, clients, requests, expected)
    rate, used = requests / (time.perf_counter() - begin), _cpu_seconds(server.process) - before
    percentiles = {f"p{one} ms": float(np.percentile(taken, one)) * 1e3 for one in (50, 95, 99)}
    sizes = {"CPU ms": used / requests * 1e3, "MB": memory("VmRSS", server.process) / 1e6}
    return {
        "clients": clients,
        "requests": requests,
        "requests/s": rate,
        **percentiles,
        **sizes,
    }


def _cpu_seconds(process: int) -> float:
    """In user and kernel mode, of all threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
