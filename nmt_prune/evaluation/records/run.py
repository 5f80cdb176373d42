"""What a run folder says about itself: ``run.json``, ``scores.json`` and ``speed.json``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.records.costs import Costs, SpeedRecord
from nmt_prune.files import read_json, write_json
from nmt_prune.text.bleu import WORDS
from nmt_prune.versions import refuse_newer

RUN_FILE = "run.json"
SCORES_FILE = "scores.json"


@dataclass(frozen=True)
class RunRecord:
    """The part of ``run.json`` that a report needs.

    Attributes:
        technique: what was done.
        sparsity: target sparsity, 0 to 1.
        seed: seed of the training.
        updates: parameter updates that were planned for this training.
        total_updates: the same with all its ancestors'.
        parent: run that this one started from.
        also: further techniques whose result this run is (SLT-MP up to 60 % is SLT).
        settings: everything that decides the result.
        step: ``train``, or what the run is instead; a ``search`` has no scores.
    """

    technique: str
    sparsity: float
    seed: int
    updates: int
    total_updates: int
    parent: str | None = None
    also: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    step: str = "train"

    @property
    def pair(self) -> str | None:
        """Language pair, e.g. ``en-de``; None if the settings do not say."""
        corpus = self.settings.get("corpus", {})
        return f"{corpus['source']}-{corpus['target']}" if {"source", "target"} <= corpus.keys() else None


@dataclass(frozen=True)
class Provenance:
    """What scores come of, beside the reference.

    Attributes:
        checkpoint_sha256: digest of the checkpoint.
        data_sha256: of the data folder, see :mod:`nmt_prune.data_digests`.
        hypotheses_sha256: of the file with the translations.
        versions: of the packages behind them.
        git: commit of the source, see :func:`nmt_prune.versions.git_state`.
        cpu_seconds: user and system time of fairseq-generate on the subset.
    """

    checkpoint_sha256: str
    data_sha256: str
    hypotheses_sha256: str
    versions: dict[str, str]
    git: str | None
    cpu_seconds: float


@dataclass(frozen=True)
class ScoreRecord:
    """What ``scores.json`` holds.

    Attributes:
        subset: what was translated.
        bleu: BLEU.
        chrf: chrF2.
        ter: TER in per cent.
        signatures: sacreBLEU's signature of each score.
        dev_bleu: BLEU on the validation set; None if it is not known.
        dev_bleu_from: ``training`` (fairseq's own validation) or ``translation`` (translated like ``subset``).
        sparsity: measured sparsity over ``prunable``, ``all`` and ``body`` weights.
        seconds: wall-clock time of fairseq-generate on ``subset``, its start included.
        checkpoint: name of the checkpoint file.
        data: name of the data folder.
        reference: path of the detokenized reference.
        reference_sha256: its digest.
        sentences: number of sentences.
        beam: beam size.
        lenpen: length penalty.
        generate_flags: further flags of fairseq-generate.
        updates: updates of the training behind the checkpoint, as its checkpoints have them; None if they do not say.
        cut: for methods that close groups before these are removed: share of those ``not_closed``, loss before and
            after; None for others.
        tokenize: sacreBLEU's tokenizer of BLEU; records of before it could be chosen have ``13a``.
        left_out: lines of the subset, from 1 on, that were too long for the model; their hypotheses are empty.
        dev_left_out: likewise of the validation set, where it was translated.
        costs: size, CPU time and exports; None in records of before they were measured.
        provenance: digests, versions and CPU time; None in records of before they were kept.
    """

    subset: str
    bleu: float
    chrf: float
    ter: float
    signatures: dict[str, str]
    dev_bleu: float | None
    dev_bleu_from: str | None
    sparsity: dict[str, float]
    seconds: float
    checkpoint: str
    data: str
    reference: str
    reference_sha256: str
    sentences: int
    beam: int
    lenpen: float
    generate_flags: tuple[str, ...] = ()
    updates: int | None = None
    cut: dict[str, float] | None = None
    tokenize: str = WORDS
    left_out: tuple[int, ...] = ()
    dev_left_out: tuple[int, ...] = ()
    costs: Costs | None = None
    provenance: Provenance | None = None

    @property
    def hypotheses_file(self) -> str:
        """Name of the file with the hypotheses, beside ``scores.json``."""
        return hypotheses_file(self.subset)

    def write(self, path: Path) -> None:
        """Writes the record as JSON, atomically."""
        write_json(path, asdict(self))


def _written_by(values: Mapping[str, Any]) -> str | None:
    """The version of this package that wrote a record, where it says: of a run, or of its scores."""
    kept = values.get("provenance") or {}
    version = values.get("nmt_prune") or (kept.get("versions") or {}).get("nmt-prune")
    return version if isinstance(version, str) else None


Record = TypeVar("Record", RunRecord, ScoreRecord, SpeedRecord)
_ADAPTERS: Mapping[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (RunRecord, ScoreRecord, SpeedRecord)}


def hypotheses_file(subset: str) -> str:
    """Name of the file with the hypotheses of a subset."""
    return f"hypotheses.{subset}.txt"


def read_record(kind: type[Record], path: Path) -> Record:
    """Reads a record; keys that it does not know are left aside.

    Raises:
        PruneError: the file is missing, a later version wrote it, or a key is missing or of the wrong type.
    """
    values = read_json(path)
    if isinstance(values, dict):
        refuse_newer(path, _written_by(values))
    try:
        record: Record = _ADAPTERS[kind].validate_python(values)
        return record
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "content"
        raise PruneError(f"{path}: {key}: {first['msg'].lower()}; delete the file and run the command again") from None
