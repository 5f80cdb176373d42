"""The results of a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property

from nmt_prune.evaluation.quality.resamples import Difference, Resamples
from nmt_prune.evaluation.quality.sentence_statistics import Statistics
from nmt_prune.evaluation.records.run import ScoreRecord
from nmt_prune.evaluation.reports.aggregates import Aggregate, Cell, aggregate
from nmt_prune.evaluation.reports.comparisons import differences_against
from nmt_prune.evaluation.reports.published import Published
from nmt_prune.evaluation.reports.run_result import RunResult
from nmt_prune.techniques import DENSE


@dataclass(frozen=True)
class Convention:
    """What must be the same for two scores to stand in one table.

    Attributes:
        data: name of the data folder.
        subset: subset of it that was translated.
        sentences: number of sentences.
        reference_sha256: digest of the reference.
        beam: beam size.
        lenpen: length penalty.
        generate_flags: further flags of fairseq-generate.
        signatures: sacreBLEU's signatures.
    """

    data: str
    subset: str
    sentences: int
    reference_sha256: str
    beam: int
    lenpen: float
    generate_flags: tuple[str, ...]
    signatures: dict[str, str]

    @classmethod
    def of(cls, scores: ScoreRecord) -> "Convention":
        """The convention of one run's scores."""
        return cls(**{one.name: getattr(scores, one.name) for one in fields(cls)})


@dataclass(frozen=True)
class Results:
    """The results of a recipe.

    Attributes:
        recipe: its name.
        convention: how all runs were scored.
        rows: one per scored run, sorted by name.
        resamples: BLEU of the runs on resampled test sets.
        unscored: runs that have no scores yet.
        pair: language pair, e.g. ``en-de``; None if the runs do not say.
        published: papers to show beside; only with a pair that they have.
        variants: saliency, schedule and reset of techniques that have others than their own.
        statistics: of the runs' sentences, by run, see :mod:`nmt_prune.evaluation.quality.sentence_statistics`.
    """

    recipe: str
    convention: Convention
    rows: tuple[RunResult, ...]
    resamples: Resamples
    unscored: tuple[str, ...] = ()
    pair: str | None = None
    published: tuple[Published, ...] = ()
    variants: dict[str, str] = field(default_factory=dict)
    statistics: Mapping[str, Statistics] = field(default_factory=dict, repr=False)

    def seeds(self) -> list[int]:
        """All seeds."""
        return sorted({row.seed for row in self.rows})

    @cached_property
    def aggregates(self) -> dict[Cell, Aggregate]:
        """The rows over seeds."""
        return aggregate(self.rows, self.differences(DENSE))

    def differences(self, against: str) -> dict[Cell, Difference]:
        """Mean differences in BLEU to a technique, see :mod:`nmt_prune.evaluation.reports.comparisons`."""
        return differences_against(self.rows, self.resamples, against)
