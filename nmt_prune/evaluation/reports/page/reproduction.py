"""How to get each number again: the commands of each run."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from nmt_prune.evaluation.records.run import RUN_FILE, SCORES_FILE
from nmt_prune.evaluation.records.scored_runs import ScoredRun, ScoredRuns, beside
from nmt_prune.files import read_object


@dataclass(frozen=True)
class Recipe:
    """The commands of a run.

    Attributes:
        run: its name.
        parent: the run that must be there before.
        commands: what trains, or else makes, it, and what scores it.
    """

    run: str
    parent: str | None
    commands: tuple[str, ...]


def whole(folder: Path) -> list[str]:
    """The commands that make everything again; RECIPE is what the runs were started with."""
    return ["nmt-prune run RECIPE", f"nmt-prune report {shlex.quote(str(folder))}"]


def recipes(scored: ScoredRuns) -> dict[str, Recipe]:
    """The commands by run."""
    return {run.name: Recipe(run.name, run.record.parent, _commands(run)) for run in scored.scored}


def _commands(run: ScoredRun) -> tuple[str, ...]:
    taught = (run.record.settings.get("teacher") or {}).get("sequence")
    needed = [folder for name in (run.record.parent, taught) if (folder := beside(run.folder, name))]
    # A search, or a translation of the data, has no number, and so no place of its own.
    made = [words for folder in needed if not (folder / SCORES_FILE).is_file() for words in _made(folder)]
    return tuple(shlex.join(words) for words in [*made, *_made(run.folder), _scoring(run)])


def _made(folder: Path) -> list[list[str]]:
    """The commands that make a run, in their order; of a run of an older version some are not known."""
    if not (folder / RUN_FILE).is_file():
        return []
    found = read_object(folder / RUN_FILE)
    command = found.get("command")
    return [*found.get("before", []), *([command] if command else []), *found.get("after", [])]


def _scoring(run: ScoredRun) -> list[str]:
    scores = run.scores
    reference = Path(scores.reference)
    is_own = reference.parent.name == "raw" and reference.stem == scores.subset
    data = str(reference.parents[1]) if is_own else scores.data
    words = ["nmt-prune", "score", "--checkpoint", str(run.checkpoint), "--data", data]
    words += ["--subset", scores.subset, "--beam", str(scores.beam), "--lenpen", f"{scores.lenpen:g}"]
    words += ["--tokenize", scores.tokenize, "--out", str(run.folder / "scores.json")]
    words += [] if is_own else ["--reference", scores.reference]
    return [*words, *(["--", *scores.generate_flags] if scores.generate_flags else [])]
