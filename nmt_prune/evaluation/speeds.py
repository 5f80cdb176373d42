"""Speed of the runs of a recipe on this machine's CPU, each beside the dense model of its seed: ``speed.json``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.cost_records import SPEED_FILE, Speed, SpeedRecord
from nmt_prune.evaluation.costs import ONE_THREAD
from nmt_prune.evaluation.records import SCORES_FILE, read_record
from nmt_prune.evaluation.scored_runs import ScoredRun, read_runs
from nmt_prune.evaluation.search_settings import search_options
from nmt_prune.evaluation.subset import Subset
from nmt_prune.evaluation.text import digest
from nmt_prune.evaluation.translation import Decoding, generate_command, run_fairseq
from nmt_prune.files import write_json
from nmt_prune.techniques import DENSE

SENTENCES_AT_ONCE = 8

_PROGRAM = "nmt_prune.models.programs.translation_speed"


def measure_speeds(runs: Path, data: Path | None = None) -> tuple[str, ...]:
    """Measures the runs that have a checkpoint, and no ``speed.json`` of these scores and of these of the dense run.

    Not when a run is scored: all are to be measured on one machine, which does nothing else for the recipe then.

    Args:
        runs: ``runs/<recipe>``.
        data: data folder; None is the one whose ``raw/`` had the references when the runs were scored.

    Returns:
        Why runs were not measured that could have been.

    Raises:
        PruneError: a record cannot be read.
    """
    scored, _ = read_runs(runs)
    notes = []
    for dense in scored:
        if dense.record.technique != DENSE or not dense.checkpoint.is_file():
            continue
        same_seed = [run for run in scored if run.record.seed == dense.record.seed]
        new = [run for run in same_seed if run.checkpoint.is_file() and speed_of(run, same_seed) is None]
        try:
            if new:
                _measure(dense, new, data)
        except PruneError as error:
            notes.append(f"Speed on a CPU was not measured for seed {dense.record.seed}: {error}.")
    return tuple(notes)


def speed_of(run: ScoredRun, scored: Sequence[ScoredRun]) -> SpeedRecord | None:
    """The measurement of a run; None if there is none, or it is of another checkpoint of the run or the dense one.

    Args:
        run: the run.
        scored: all runs, the dense ones among them.

    Raises:
        PruneError: the file cannot be read.
    """
    path = run.folder / SPEED_FILE
    dense = [other for other in scored if (other.record.technique, other.record.seed) == (DENSE, run.record.seed)]
    if not path.is_file() or not dense:
        return None
    record = read_record(SpeedRecord, path)
    return record if record.scores_sha256 == _identity(run, dense[0]) else None


def _measure(dense: ScoredRun, runs: Sequence[ScoredRun], data: Path | None) -> None:
    scores = dense.scores
    flags = (*scores.generate_flags, "--batch-size", str(SENTENCES_AT_ONCE))
    decoding = Decoding(scores.beam, scores.lenpen, cpu=True, extra=flags)
    search_options(decoding)
    subset = Subset.find(data or Path(scores.reference).parent.parent, scores.subset)
    paths = Path(":".join(str(run.checkpoint) for run in (dense, *runs)))
    command = generate_command(paths, subset, decoding, dense.folder, _PROGRAM)
    found = json.loads(run_fairseq(command, str(dense.checkpoint), ONE_THREAD).stdout.splitlines()[-1])
    for run, measured in zip(runs, found["runs"], strict=True):
        systems = {name: Speed(**speed) for name, speed in measured["systems"].items()}
        record = SpeedRecord(
            _identity(run, dense),
            measured["sentences"],
            SENTENCES_AT_ONCE,
            found["engine"],
            systems,
            tuple(measured["notes"]),
        )
        write_json(run.folder / SPEED_FILE, asdict(record))


def _identity(run: ScoredRun, dense: ScoredRun) -> tuple[str, str]:
    return digest(run.folder / SCORES_FILE), digest(dense.folder / SCORES_FILE)
