"""What a model costs, as it is written down: ``costs`` in ``scores.json``, and ``speed.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SPEED_FILE = "speed.json"


@dataclass(frozen=True)
class CpuTime:
    """User and system time of one thread that translated the same sentences with two models, without loading them.

    Attributes:
        seconds: of the shrunk model.
        seconds_dense: of the model before anything was taken out.
        sentences: how many they were; a few seconds are enough.
    """

    seconds: float
    seconds_dense: float
    sentences: int

    @property
    def ratio(self) -> float:
        """CPU time relative to the dense model."""
        return self.seconds / self.seconds_dense


@dataclass(frozen=True)
class DiskBytes:
    """Bytes of a model's weights on disk, vectors included, dictionaries and subword model not.

    Attributes:
        csc: compressed sparse columns in fp32 with 32-bit indices, as they are.
        csc_deflated: the same arrays in files of ``numpy.savez_compressed``, which ``scipy.sparse.save_npz`` writes.
        packed: what ``nmt-prune pack`` writes.
        packed_int8: the same with ``--values int8``.
    """

    csc: int
    csc_deflated: int
    packed: int
    packed_int8: int


@dataclass(frozen=True)
class ExportBleu:
    """BLEU of a model elsewhere than in fairseq; None where it was not measured.

    Attributes:
        packed: of the packed file in the compiled engine.
        packed_int8: of the file packed with ``--values int8``, there.
        ctranslate2_int8: of the int8 export in CTranslate2.
    """

    packed: float | None = None
    packed_int8: float | None = None
    ctranslate2_int8: float | None = None


@dataclass(frozen=True)
class Exports:
    """A model outside of fairseq.

    Attributes:
        disk: its size on disk; None where it cannot be packed.
        bleu: its BLEU.
        notes: why something is missing or other than in fairseq.
    """

    disk: DiskBytes | None = None
    bleu: ExportBleu = ExportBleu()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Costs:
    """What a model costs.

    Attributes:
        bytes_masked: the scored checkpoint's parameters in fp32, masked ones as zeros.
        bytes_used: the same without heads and units that are gone: what the model takes in memory.
        cpu_ratio: CPU time relative to the dense model: 1 by construction where nothing (or next to nothing) can be
            taken out; None where no dense model is known.
        cpu: the measurement behind it; None if it is 1 by construction.
        exports: packed and exported; None in records of before they were measured.
    """

    bytes_masked: int
    bytes_used: int
    cpu_ratio: float | None
    cpu: CpuTime | None
    exports: Exports | None = None


@dataclass(frozen=True)
class Speed:
    """How fast something translated.

    Attributes:
        tokens: what it wrote, ends of sentences included.
        cpu_seconds: user and system time of one thread.
    """

    tokens: int
    cpu_seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second of CPU time."""
        return self.tokens / self.cpu_seconds


@dataclass(frozen=True)
class SpeedRecord:
    """What ``speed.json`` holds: a run and its dense references on the same sentences, in turns.

    Attributes:
        scores_sha256: of the ``scores.json`` of the run, and of that of the dense run of its seed.
        sentences: how many were translated.
        sentences_at_once: size of a batch.
        engine: what ran the packed models: ``torch``, or ``compiled`` and the instruction set.
        systems: by name, see :mod:`nmt_prune.measuring.translation_speed`.
        notes: why one is missing.
    """

    scores_sha256: tuple[str, str]
    sentences: int
    sentences_at_once: int
    engine: str
    systems: Mapping[str, Speed] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
