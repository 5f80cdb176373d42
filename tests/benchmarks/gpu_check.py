"""All that a GPU has to tell, in less than ten minutes: ``python -m tests.benchmarks.gpu_check``.

First the tests marked ``gpu``, then the time of masks and of training steps. Every result is written when it is there.
"""

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from nmt_prune.files import write_json
from tests.benchmarks.gpu_steps import PRECISIONS, SHAPES, UPDATE_FREQS, Shape, build_trainers, compare_steps
from tests.benchmarks.mask_changes import mask_change
from tests.benchmarks.reporting import RESULTS, machine
from tests.benchmarks.transformer_shapes import SIZES, random_matrices

TESTS = Path(__file__).parents[1]
SECONDS_OF_TESTS = 240
SECONDS_OF_ALL = 560
ROUNDS = 40
Row = dict[str, Any]


class Findings:
    """The one file of all results, written anew with each of them."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self._deadline = path, time.monotonic() + seconds
        self.found: dict[str, Any] = {"benchmark": "gpu_check", "machine": {**machine(), **graphics_card()}}

    def left(self) -> float:
        """Seconds until everything must be done."""
        return self._deadline - time.monotonic()

    def add(self, part: str, row: Row) -> None:
        """Keeps and prints a result."""
        self.found.setdefault(part, []).append(row)
        write_json(self.path, self.found)
        print(part, *(f"{key}={_text(value)}" for key, value in row.items() if key != "rounds"), flush=True)


def graphics_card() -> Row:
    """The GPU and what drives it; nothing without one."""
    if not torch.cuda.is_available():
        return {}
    card = torch.cuda.get_device_properties(0)
    return {
        "gpu": card.name,
        "gpus": torch.cuda.device_count(),
        "gpu_memory": card.total_memory,
        "cuda": torch.version.cuda,
        "apex": find_spec("apex") is not None,
    }


def run_tests(seconds: float) -> Row:
    """Runs the tests marked ``gpu``, only the files that have some: others may import what is not there."""
    marks = ("tests.devices", "mark.gpu")
    files = [path for path in sorted(TESTS.rglob("test_*.py")) if any(mark in path.read_text() for mark in marks)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", f"--junitxml={report}", *map(str, files)]
        command += ["-n", "4"] if find_spec("xdist") else []
        try:
            done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired as late:
            said = late.stdout or ""
            return {"status": f"stopped after {seconds:.0f} s", "said": str(said)[-4000:]}
        row: Row = {"status": done.returncode}
        if report.exists():
            suite = next(xml.parse(report).iter("testsuite"))
            row |= {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
            row["failed"] = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    return row if done.returncode == 0 else {**row, "said": (done.stdout + done.stderr)[-12000:]}


def measure_masks(device: str, sizes: tuple[str, ...] = tuple(SIZES), rounds: int = 5) -> Iterator[Row]:
    """The time of masks by magnitude, where the weights are and, as a scale, on the CPU."""
    for size in sizes:
        weights = random_matrices(size)
        for budget in ("matrix", "global"):
            for where in dict.fromkeys((device, "cpu")):
                times = mask_change(weights, budget, where, rounds if where == device else 1)
                yield {"model": size, "budget": budget, "on": where, "s": statistics.median(times), "rounds": times}


def measure_steps(device: str, shapes: dict[str, Shape], findings: Findings, rounds: int = ROUNDS) -> Iterator[Row]:
    """Masked steps against stock ones in every precision; what there is no time for is named."""
    for name, shape in shapes.items():
        for precision, flags in PRECISIONS.items():
            if findings.left() < 30:
                yield {"model": name, "precision": precision, "skipped": "no time left"}
                continue
            try:
                trainers = build_trainers(shape, flags, device)
                for update_freq in UPDATE_FREQS:
                    seconds = min(8.0, findings.left() / 2)
                    found = compare_steps(trainers, shape, update_freq, device, rounds, seconds)
                    yield {"model": name, "precision": precision, "update-freq": update_freq, **found}
                del trainers
            except Exception as error:  # out of memory, a precision that the card lacks: the others go on
                yield {"model": name, "precision": precision, "skipped": f"{type(error).__name__}: {error}"[:500]}
            gc.collect()
            if device == "cuda":
                torch.cuda.empty_cache()


def tables(found: dict[str, Any]) -> Iterator[Table]:
    """What is printed at the end."""
    for part in ("tests", "masks", "steps"):
        rows = found.get(part, [])
        keys = dict.fromkeys(key for row in rows for key in row if key not in ("rounds", "said"))
        table = Table(*keys, title=f"{part}, {found['machine'].get('gpu', 'no GPU')}", title_justify="left")
        for row in rows:
            table.add_row(*(_text(row.get(key, "")) for key in keys))
        yield table


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)[:200]


def main() -> int:
    """Measures everything; without a GPU says so and claims nothing."""
    parser = argparse.ArgumentParser(description="Tests and times nmt-prune on a GPU.")
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu_check.json", help="default: %(default)s")
    out = parser.parse_args().out
    if not torch.cuda.is_available():
        print(f"torch {torch.__version__} sees no GPU here: nothing was tested or measured")
        return 0
    findings = Findings(out, SECONDS_OF_ALL)
    tests = run_tests(SECONDS_OF_TESTS)
    findings.add("tests", tests)
    for part, rows in (
        ("masks", partial(measure_masks, "cuda")),
        ("steps", partial(measure_steps, "cuda", SHAPES, findings)),
    ):
        for row in rows():
            findings.add(part, row)
    console = Console(width=160)
    for table in tables(findings.found):
        console.print(table)
    console.print(out)
    return int(tests["status"] != 0)


if __name__ == "__main__":
    sys.exit(main())
