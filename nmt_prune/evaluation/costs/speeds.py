"""Speed of the runs of a recipe on this machine's CPU, each beside the dense model of its seed: ``speed.json``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.costs.measurement import ONE_THREAD
from nmt_prune.evaluation.costs.search_settings import search_options
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.text import digest
from nmt_prune.evaluation.quality.translation import Decoding, generate_command, run_fairseq
from nmt_prune.evaluation.records.costs import SPEED_FILE, Speed, SpeedRecord
from nmt_prune.evaluation.records.references import reference_file
from nmt_prune.evaluation.records.run import SCORES_FILE, read_record
from nmt_prune.evaluation.records.scored_runs import ScoredRun, ScoredRuns
from nmt_prune.files import write_json

SENTENCES_AT_ONCE = 8

_PROGRAM = "nmt_prune.measuring.translation_speed"


def measure_speeds(runs: ScoredRuns, data: Path | None = None) -> tuple[dict[str, SpeedRecord], tuple[str, ...]]:
    """Measures the runs that have a checkpoint, and no ``speed.json`` of these scores and of these of the dense run.

    Not when a run is scored: all are to be measured on one machine, which does nothing else for the recipe then.

    Args:
        runs: the runs of a recipe.
        data: data folder; None is the one whose ``raw/`` had the references when the runs were scored.

    Returns:
        All measurements by run, and why runs were not measured that could have been.

    Raises:
        PruneError: a record cannot be read.
    """
    speeds, notes = read_speeds(runs), []
    for seed, dense in runs.dense.items():
        if not dense.checkpoint.is_file():
            continue
        new = [run for run in runs.of_seed(seed) if run.checkpoint.is_file() and run.name not in speeds]
        try:
            if new:
                speeds |= _measure(dense, new, data)
        except PruneError as error:
            notes.append(f"Speed on a CPU was not measured for seed {seed}: {error}.")
    return speeds, tuple(notes)


def read_speeds(runs: ScoredRuns) -> dict[str, SpeedRecord]:
    """The measurements by run; without those of another checkpoint of the run or the dense one.

    Raises:
        PruneError: a file cannot be read.
    """
    found = {}
    for run in runs.scored:
        path, dense = run.folder / SPEED_FILE, runs.dense.get(run.record.seed)
        if dense is not None and path.is_file():
            record = read_record(SpeedRecord, path)
            if record.scores_sha256 == _identity(run, dense):
                found[run.name] = record
    return found


def _measure(dense: ScoredRun, runs: Sequence[ScoredRun], data: Path | None) -> dict[str, SpeedRecord]:
    scores = dense.scores
    flags = (*scores.generate_flags, "--batch-size", str(SENTENCES_AT_ONCE))
    decoding = Decoding(scores.beam, scores.lenpen, cpu=True, extra=flags)
    search_options(decoding)
    reference = reference_file(scores, data)
    subset = Subset.find(data or reference.parent.parent, scores.subset, reference)
    paths = Path(":".join(str(run.checkpoint) for run in (dense, *runs)))
    command = generate_command(paths, subset, decoding, dense.folder, _PROGRAM)
    found = json.loads(run_fairseq(command, str(dense.checkpoint), ONE_THREAD).stdout.splitlines()[-1])
    records = {}
    for run, measured in zip(runs, found["runs"], strict=True):
        systems = {name: Speed(**speed) for name, speed in measured["systems"].items()}
        records[run.name] = SpeedRecord(
            _identity(run, dense),
            measured["sentences"],
            SENTENCES_AT_ONCE,
            found["engine"],
            systems,
            tuple(measured["notes"]),
        )
        write_json(run.folder / SPEED_FILE, asdict(records[run.name]))
    return records


def _identity(run: ScoredRun, dense: ScoredRun) -> tuple[str, str]:
    return digest(run.folder / SCORES_FILE), digest(dense.folder / SCORES_FILE)
