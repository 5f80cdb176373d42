"""What the engine of experiments costs: the wall time of a sweep beside that of its trainings, on two cores.

The sweep is ``frontier-numbers`` with two seeds, which keeps both cores busy, and longer trainings: what it costs to
start one is the same for a training of days. Or, with ``--runs``, one that was run before, in sittings of any length.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

import nmt_prune
from nmt_prune.experiments.execution.runner import LOG
from nmt_prune.files import read_json
from tests.benchmarks.reporting import report

RECIPE = Path(nmt_prune.__file__).parent / "recipes" / "frontier-numbers.yaml"
SLOTS = 2
CHANGES = {"techniques": ["mp", "slt"], "controls": [], "ladder": [90, 98], "seeds": [1, 2]}
UPDATES = 1200
PAUSE = 60.0
"""Seconds without a step after which a sitting was over."""

NOTES = (
    "All in seconds of wall time. trainings: from the start of fairseq-train to its end, all of them; scored: from the"
    " start of the command until the last score is there, data included; report: from there to the end of the command,"
    " above all the speed of each model, which is measured while nothing else runs; × trainings: of the whole, relative"
    f" to the trainings on {SLOTS} cores without a gap; × steps: the same without the report, relative to trainings and"
    " scorings. Goal: 1.05."
)
NOTES_OF_RUNS = (
    "steps: trainings and scorings; seconds: of a training, on average; hours: from the first step of a sitting to its"
    f" last, all sittings; × trainings, × steps: relative to those on {SLOTS} cores without a gap. Data, report and the"
    " start of the command are left out, what was lost of a training that a sitting ended is a gap; of a scoring only"
    " fairseq-generate is counted. training, scoring: of the last sitting, whole, in seconds on average; × both: its"
    " time relative to these. Goal: 1.05."
)


def run(runs: Path | None) -> None:
    """Runs the sweep, or looks at one that was run."""
    if runs is not None:
        if not list(_spans(runs, "trained.json")):
            print(f"sweep: {runs} has no */trained.json; name the folder of a recipe's runs, or leave out --runs\n")
            return
        row = of_runs(runs)
        report("sweep_that_ran", f"{runs}: {row['trainings']} trainings", list(row), [row], NOTES_OF_RUNS)
        return
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8")) | CHANGES
    recipe["training"] |= {"max-update": UPDATES}
    with tempfile.TemporaryDirectory(prefix="nmt-prune-") as name:
        folder = Path(name)
        (folder / "sweep.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        command = [sys.executable, "-m", "nmt_prune.cli", "run", "sweep.yaml", "--cores", str(SLOTS)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        start, began = time.perf_counter(), time.time()
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        row = _row(folder / "runs" / recipe["name"], time.perf_counter() - start, began)
    report("sweep", f"{row['runs']} trainings of {UPDATES} updates", list(row), [row], NOTES)


def _row(runs: Path, whole: float, began: float) -> dict[str, Any]:
    scores = list(runs.glob("*/scores.json"))
    trainings = sum(read_json(path)["seconds"] for path in runs.glob("*/trained.json"))
    scorings = sum(path.stat().st_mtime - path.with_name("trained.json").stat().st_mtime for path in scores)
    scored = max(path.stat().st_mtime for path in scores) - began
    return {
        "runs": len(scores),
        "trainings": trainings,
        "scorings": scorings,
        "scored": scored,
        "report": whole - scored,
        "× trainings": whole / (trainings / SLOTS),
        "× steps": scored / ((trainings + scorings) / SLOTS),
    }


def of_runs(runs: Path) -> dict[str, Any]:
    """What became of the time of a sweep that was run.

    Args:
        runs: its folder.
    """
    trainings, scorings = (sorted(_spans(runs, name)) for name in ("trained.json", "scores.json"))
    sittings, whole, begin, end = 0, 0.0, 0.0, 0.0
    for first, last in sorted([*trainings, *scorings]):
        if first > end + PAUSE:
            sittings, whole, begin = sittings + 1, whole + end - begin, first
        end = max(end, last)
    whole += end - begin
    training, scoring = (sum(last - first for first, last in spans) for spans in (trainings, scorings))
    return {
        "trainings": len(trainings),
        "steps": len(trainings) + len(scorings),
        "sittings": sittings,
        "seconds": training / len(trainings),
        "hours": whole / 3600,
        "× trainings": whole / (training / SLOTS),
        "× steps": whole / ((training + scoring) / SLOTS),
        **_last_sitting(runs / LOG),
    }


def _last_sitting(log: Path) -> dict[str, float]:
    """The same by Snakemake's log, which is that of the last sitting and has the whole of each step."""
    now, began, spans = 0.0, dict[str, float](), dict[str, list[tuple[float, float]]](train=[], score=[])
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        if found := re.fullmatch(r"\[(\w{3} \w{3} +\d+ [\d:]+ \d{4})\]", line):
            now = datetime.strptime(found[1], "%a %b %d %H:%M:%S %Y").timestamp()
        elif found := re.fullmatch(r"(?:local)?rule (\S+):", line):
            began[found[1]] = now
        elif (found := re.match(r"Finished jobid: \d+ \(Rule: (\S+)\)", line)) and found[1].partition("_")[0] in spans:
            spans[found[1].partition("_")[0]].append((began[found[1]], now))
    if not all(spans.values()):
        return {}
    ends = [moment for kind in spans.values() for span in kind for moment in span]
    total = {kind: sum(last - first for first, last in found) for kind, found in spans.items()}
    return {
        "training": total["train"] / len(spans["train"]),
        "scoring": total["score"] / len(spans["score"]),
        "× both": (max(ends) - min(ends)) / (sum(total.values()) / SLOTS),
    }


def _spans(runs: Path, name: str) -> Iterator[tuple[float, float]]:
    """When steps began and ended, in seconds."""
    for path in runs.glob(f"*/{name}"):
        end = path.stat().st_mtime
        yield end - read_json(path)["seconds"], end
