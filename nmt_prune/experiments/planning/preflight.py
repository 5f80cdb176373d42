"""What would fail in a run, found before anything of it is started."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nmt_prune.data_digests import MANIFEST
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.reports.drawing import require_plots
from nmt_prune.experiments.planning.commands import inputs, train_arguments
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.planning.runs import Run


def check_plan(plan: Plan) -> None:
    """Refuses what a step of the plan would refuse: a missing program, corpora, flags and values of trainings.

    fairseq itself judges its flags, in a process of its own; that takes a few seconds.

    Raises:
        PruneError: a step would fail.
    """
    require_plots()  # the report comes last
    corpora: list[dict[str, Any]] = []
    for run in plan.runs:
        if not plan.data_is_given and run.settings["corpus"] not in corpora:
            corpora.append(run.settings["corpus"])
            _check_corpus(run.settings["corpus"], plan.places.data_of(run.settings["corpus"]))
    _check_parents(plan)
    left = {step["run"] for step in plan.steps() if step["train"]}
    _check_trainings([run for run in plan.runs if run.name in left and run.step == "train"], plan)


def _check_corpus(corpus: dict[str, Any], folder: Path) -> None:
    from data_prep.corpora import choose
    from data_prep.preparation import Preparation

    if (folder / MANIFEST).exists():
        return  # prepared before: its settings are compared when the run starts
    general = ("vocab_size", "model_type", "sample_size", "max_length", "max_ratio", "clean", "identify_languages")
    own = {key: value for key, value in corpus.items() if key not in ("name", "folder", *general)}
    try:
        chosen = choose(corpus["name"], **own)
        Preparation.of(chosen, **{key: corpus.get(key) for key in general[:-1]}, identify_languages=False)
    except PruneError as error:
        raise PruneError(f"corpus: {error}") from None
    for part in ("train", "valid", "test"):
        for language in (chosen.source, chosen.target):
            if (prefix := corpus.get(part)) and not list(Path(prefix).parent.glob(f"{Path(prefix).name}.{language}*")):
                raise PruneError(f"corpus: {prefix}.{language}, one of the {part} files, does not exist")
    if corpus.get("identify_languages") and importlib.util.find_spec("lingua") is None:
        raise PruneError("corpus: identify_languages needs lingua; pip install 'nmt-prune[languages]'")


def _check_parents(plan: Plan) -> None:
    """Refuses a run whose parent is trained and has lost what the run starts from."""
    trained = {run.name for run in plan.runs if plan.folder(run).trained.exists()}
    # A training that has begun goes on without what it began with.
    begun = {run.name for run in plan.runs if (plan.folder(run).path / "checkpoint_last.pt").exists()}
    for run in plan.runs:
        for file in inputs(run) if run.name not in trained | begun else ():
            parent = str(Path(file).parent)
            if parent in trained and (wrong := _wrong_with(path := plan.places.runs / file)):
                raise PruneError(
                    f"run {run.name} starts from {path}, which is {wrong} although {parent} is trained; put it back, or"
                    f" delete {path.with_name('trained.json')} to train {parent} again"
                )


def _wrong_with(file: Path) -> str | None:
    if not file.exists():
        return "gone"
    if file.suffix == ".pt" and not zipfile.is_zipfile(file):
        return "truncated"
    return None


def _check_trainings(runs: Iterable[Run], plan: Plan) -> None:
    """Has fairseq parse one training of each kind: other seeds and rungs differ in numbers and folders only."""
    if importlib.util.find_spec("fairseq") is None:
        raise PruneError("fairseq is not installed here; pip install 'nmt-prune[fairseq]'")
    kinds = {(run.technique, plan.places.data_of(run.settings["corpus"])): run for run in runs}
    commands = [train_arguments(run, plan.places) for run in kinds.values()]
    if not commands:
        return
    program = [sys.executable, "-m", "nmt_prune.tasks.preflight"]
    process = subprocess.run(program, input=json.dumps(commands), capture_output=True, text=True)
    if process.returncode:
        lines = [line for line in process.stderr.splitlines() if line.strip()]
        reason = (lines or [f"it ended with status {process.returncode}"])[-1]
        raise PruneError(f"the trainings of this recipe would fail: {reason}")
