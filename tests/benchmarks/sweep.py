"""What the engine of experiments costs: the wall time of a sweep beside that of its trainings, on two cores.

The sweep is ``frontier-numbers`` with two seeds, which keeps both cores busy, and longer trainings: what it costs to
start one is the same for a training of days.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

import nmt_prune
from nmt_prune.files import read_json
from tests.benchmarks.reporting import report

RECIPE = Path(nmt_prune.__file__).parent / "recipes" / "frontier-numbers.yaml"
SLOTS = 2
CHANGES = {"techniques": ["mp", "slt"], "controls": [], "ladder": [90, 98], "seeds": [1, 2]}
UPDATES = 1200
NOTES = (
    "All in seconds of wall time. trainings: from the start of fairseq-train to its end, all of them; scored: from the"
    " start of the command until the last score is there, data included; report: from there to the end of the command,"
    " above all the speed of each model, which is measured while nothing else runs; × trainings: of the whole, relative"
    f" to the trainings on {SLOTS} cores without a gap; × steps: the same without the report, relative to trainings and"
    " scorings. Goal: 1.05."
)


def run() -> None:
    """Runs the sweep."""
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
