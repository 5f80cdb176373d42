"""Checking one run: its records, translations, checkpoint, parents and data."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sacrebleu

from nmt_prune.data_digests import data_digest, first_other, known_digests
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.scores import score
from nmt_prune.evaluation.quality.text import digest, read_lines
from nmt_prune.evaluation.records.references import reference_file
from nmt_prune.evaluation.records.run import RUN_FILE, SCORES_FILE, RunRecord, ScoreRecord, read_record
from nmt_prune.evaluation.records.scored_runs import beside
from nmt_prune.files import file_digest, read_object
from nmt_prune.pruning.flags import FILES

TOLERANCE = 1e-6
"""Differences in a score that are rounding."""

_SCORES = ("bleu", "chrf", "ter")
_VERSION = "|version:"


@dataclass
class Verdict:
    """What was found of a run.

    Attributes:
        name: the run.
        differs: what is not as it was recorded.
        notes: what could not be checked, and why.
    """

    name: str
    differs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.differs:
            return f"{self.name}: differs: {'; '.join(self.differs)}"
        notes = f" ({'; '.join(self.notes)})" if self.notes else ""
        return f"{self.name}: ok{notes}"


@dataclass
class RunCheck:
    """Checks runs, each data folder once.

    Attributes:
        data: data folder with the references; None is where they were when the runs were scored.
    """

    data: Path | None = None
    _folders: dict[Path, tuple[str, str | None]] = field(default_factory=dict)

    def check(self, folder: Path, name: str) -> Verdict:
        """Checks a run; whatever is wrong with it becomes a line."""
        verdict = Verdict(name)
        try:
            if (folder / RUN_FILE).is_file():
                run = read_record(RunRecord, folder / RUN_FILE)
                self._parents(folder, run, verdict)
                if run.step in ("search", "distill"):
                    verdict.notes.append(f"nothing to score: a {run.step}")
                    return verdict
            else:
                verdict.notes.append(f"not recorded: settings, there is no {RUN_FILE}")
            if not (folder / SCORES_FILE).is_file():
                verdict.notes.append("not scored yet")
                return verdict
            scores = read_record(ScoreRecord, folder / SCORES_FILE)
        except PruneError as error:
            verdict.differs.append(str(error))
            return verdict
        self._scores(folder, scores, verdict)
        self._made_of(folder, scores, verdict)
        return verdict

    def _scores(self, folder: Path, scores: ScoreRecord, verdict: Verdict) -> None:
        if unsigned := [name for name in _SCORES if name not in scores.signatures]:
            verdict.differs.append(f"{SCORES_FILE} has no signature of {', '.join(unsigned)}")
            return
        try:
            hypotheses = read_lines(folder / scores.hypotheses_file)
            references = read_lines(reference_file(scores, self.data))
            # Of the language only what the signature says of it matters.
            language = "zh" if "asian:yes" in scores.signatures["ter"] else ""
            found = score(hypotheses, references, language, scores.tokenize)
        except PruneError as error:
            verdict.differs.append(str(error))
            return
        here = sacrebleu.__version__
        versions = {signature.partition(_VERSION)[2] for signature in scores.signatures.values()} - {here}
        by = f" (scored with sacreBLEU {', '.join(sorted(versions))}, here is {here})" if versions else ""
        for name in _SCORES:
            said, signature = getattr(scores, name), scores.signatures[name].partition(_VERSION)[0]
            ours = found.signatures[name].partition(_VERSION)[0]
            if signature != ours:
                verdict.differs.append(
                    f"{SCORES_FILE}: signature of {name} {signature}, and it is scored by {ours}{by}"
                )
            elif abs(said - getattr(found, name)) > TOLERANCE:
                verdict.differs.append(
                    f"{SCORES_FILE} says {name} {said:.4f}, its translations give {getattr(found, name):.4f}{by}"
                )
        if by and not verdict.differs:
            verdict.notes.append(f"scored with sacreBLEU {', '.join(sorted(versions))}, {here} here gives the same")

    def _made_of(self, folder: Path, scores: ScoreRecord, verdict: Verdict) -> None:
        kept = scores.provenance
        if kept is None:
            verdict.notes.append("not recorded: digests of checkpoint, data and translations, versions, CPU time")
            return
        translations, checkpoint = folder / scores.hypotheses_file, folder / scores.checkpoint
        if translations.is_file() and digest(translations) != kept.hypotheses_sha256:
            verdict.differs.append(f"{translations.name} has changed since it was scored")
        if not checkpoint.is_file():
            verdict.notes.append(f"not checked: {checkpoint.name} is not kept")
        elif file_digest(checkpoint) != kept.checkpoint_sha256:
            verdict.differs.append(f"{checkpoint.name} is not the one that was scored")
        data = self.data or Path(scores.reference).parent.parent
        if data.resolve().name != scores.data or not data.is_dir():
            verdict.notes.append(f"not checked: data folder {scores.data} is not at {data}; give --data")
            return
        try:
            whole, other = self._data(data)
        except PruneError as error:
            verdict.differs.append(str(error))
            return
        if other is not None:
            verdict.differs.append(f"{data / other} is not the one in the folder's manifest")
        if whole != kept.data_sha256:
            verdict.differs.append(f"{data} holds other data than the run was scored with")

    def _data(self, folder: Path) -> tuple[str, str | None]:
        if folder not in self._folders:
            known = known_digests(folder)
            self._folders[folder] = data_digest(known), first_other(folder, known)
        return self._folders[folder]

    def _parents(self, folder: Path, run: RunRecord, verdict: Verdict) -> None:
        for path, recorded in _parents(folder, run):
            if recorded is None:
                verdict.notes.append(f"not recorded: digest of the parent {path}")
            elif (found := beside(folder, path)) is None:
                verdict.notes.append(f"not checked: the parent {path} is not kept")
            elif file_digest(found) != recorded:
                verdict.differs.append(f"its parent {path} has changed since")


def _parents(folder: Path, run: RunRecord) -> Iterator[tuple[str, str | None]]:
    """The files that a run was made of, as RUN/FILE, each with the digest that it had."""
    path = folder / "pruning.json"
    kept: dict[str, Any] = read_object(path) if path.is_file() else {}
    flags = kept.get("flags") or {}
    for flag in FILES:
        if named := (run.settings.get("pruning") or {}).get(flag):
            recorded = (flags.get(flag) or {}).get("sha256")
            yield named, recorded or (kept.get("parent_sha256") if flag == "mask_from" else None)
