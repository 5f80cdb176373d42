"""Recipes: a YAML file that says what to train, prune and compare."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from nmt_prune.evaluation.published import load_published
from nmt_prune.experiments.techniques import CONTROLS, TECHNIQUES
from nmt_prune.registry import Registry, load_extension

Percent = Annotated[float, Field(gt=0, lt=100)]
Moment = Annotated[float, Field(gt=0)]
Flag = Any  # true, false, a number, text, a list of them, or a mapping that the flag takes as JSON

# What the plan decides for each run; a recipe that gave one of these would contradict it.
PLANNED_FLAGS = {"user_dir", "task", "source_lang", "target_lang", "save_dir", "restore_file", "seed"}
PLANNED_FLAGS |= {
    "mask_from",
    "rewind_from",
    "saliency",
    "budget",
    "group",
    "sparsity",
    "schedule",
    "mask_control",
    "reset",
}
PLANNED_FLAGS |= {"clock", "rewind_points", "prune_set", "prune_seed", "fp16", "memory_efficient_fp16", "bf16", "amp"}


class Section(BaseModel):
    """A mapping of the recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FlagSection(BaseModel):
    """A mapping of the recipe whose further keys are flags of fairseq-train, with ``-`` or ``_``."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Flag] = Field(init=False)

    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = {str(key).lstrip("-").replace("-", "_"): value for key, value in values.items()}
        planned = sorted(PLANNED_FLAGS & values.keys())
        if planned:
            raise ValueError(f"{planned[0]} is set for each run by the plan; remove it")
        return values

    def flags(self) -> dict[str, Flag]:
        """The flags, by name with underscores."""
        return self.model_dump()


class Corpus(Section):
    """Settings of ``nmt-prune data``.

    Attributes:
        name: the corpus.
        source: source language.
        target: target language.
        folder: data folder below ``--data-dir``; by default NAME.SOURCE-TARGET.
    """

    name: str
    source: str = "en"
    target: str = "de"
    folder: str | None = None
    vocab_size: PositiveInt | None = None
    model_type: Literal["unigram", "bpe"] | None = None
    sample_size: int | None = None
    max_length: int | None = None
    max_ratio: float | None = None
    clean: bool | None = None
    identify_languages: bool = False
    valid_size: int | None = None
    test_size: int | None = None
    seed: int | None = None
    size: PositiveInt | None = None
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    corpora: str | None = None
    archives: str | None = None

    @property
    def data_folder(self) -> str:
        """Name of the data folder."""
        return self.folder or f"{self.name}.{self.source}-{self.target}"


class Model(FlagSection):
    """Architecture and its flags."""

    arch: str


class Training(FlagSection):
    """Flags of the dense training; every other training has the same.

    Attributes:
        max_update: length of one training.
    """

    max_update: PositiveInt


class Generation(Section):
    """How the test set is translated."""

    beam: PositiveInt = 5
    lenpen: float = 1.0
    max_tokens: PositiveInt = 4000
    subset: Literal["test", "valid"] = "test"


class Search(Section):
    """How subnetworks are searched for in the dense run: options of ``nmt-prune search``."""

    method: Literal["s", "m"] = "s"
    heads: str = "head:normalise=true"
    ffn: str = "sublayer"
    saliency: str | None = None
    step: float = 0.1
    keep: float | None = None
    drop: float | None = None
    score: Literal["bleu", "loss"] = "bleu"
    beam: PositiveInt = 1
    lenpen: float = 1.0
    calibration_batches: PositiveInt = 16

    @model_validator(mode="after")
    def _possible(self) -> "Search":
        from nmt_prune.structured.search import SearchSettings

        SearchSettings(**self.model_dump()).check()
        return self


class Recipe(Section):
    """An experiment.

    Moments (``rewind``, ``prune_end``, ``prune_interval``) are shares of ``training.max_update`` below 1 and update
    numbers from 1 on. The defaults are those of Brix 2020.

    Attributes:
        name: folder of the runs.
        corpus: what to train on.
        model: what to train.
        training: how to train.
        generation: how to translate.
        ladder: sparsities in percent, rising.
        techniques: names of techniques.
        controls: names of controls.
        seeds: each gives a whole set of runs.
        rewind: t of the rewind point θ_t.
        rewind_source: whose θ_t survivors are rewound to: that of the ``last`` run (Brix 2020) or of the ``dense``
            one (Yu 2020).
        mask_checkpoint: checkpoint of the last run that masks are found on.
        extension: Python file with saliencies, budgets, groups, schedules or resets of the user's own.
        saliency: spec of the saliency.
        budget: spec of the budget.
        group: spec of what is pruned together.
        prune_set: matrices that may be pruned.
        prune_end: when a growing mask reaches its final sparsity.
        prune_interval: updates between two of its changes.
        start_rounds: sparsities of the start rounds of slt-mp and mp-slt, in percent.
        search: how subnetworks are found.
        precision: arithmetic of all trainings.
        published: papers whose numbers the report shows beside these.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    corpus: Corpus
    model: Model
    training: Training
    generation: Generation = Generation()
    ladder: Annotated[list[Percent], Field(min_length=1)]
    techniques: list[str] = []
    controls: list[str] = []
    seeds: Annotated[list[int], Field(min_length=1)] = [1]
    rewind: Moment = 0.05
    rewind_source: Literal["last", "dense"] = "last"
    mask_checkpoint: Literal["last", "best"] = "last"
    extension: str | None = None  # before the specs that may name its entries
    saliency: str = "magnitude"
    budget: str = "matrix"
    group: str = "element"
    prune_set: Literal["all", "body"] = "all"
    prune_end: Moment = 0.8
    prune_interval: Moment = 0.02
    start_rounds: dict[str, Annotated[list[Percent], Field(min_length=1)]] = {}
    search: Search = Search()
    precision: Literal["fp32", "fp16", "memory-efficient-fp16", "bf16", "amp"] = "fp32"
    published: list[str] = []

    @field_validator("ladder", "seeds")
    @classmethod
    def _rising(cls, values: list[Any]) -> list[Any]:
        if values != sorted(set(values)):
            raise ValueError("must rise, without repetitions")
        return values

    @field_validator("techniques", "controls")
    @classmethod
    def _known(cls, names: list[str], info: Any) -> list[str]:
        known = CONTROLS if info.field_name == "controls" else TECHNIQUES.keys() - CONTROLS.keys()
        for name in names:
            if name not in known:
                raise ValueError(f"{name!r} is none of {', '.join(sorted(known))}")
        return names

    @field_validator("start_rounds")
    @classmethod
    def _of_started_techniques(cls, rounds: dict[str, list[float]]) -> dict[str, list[float]]:
        known = [name for name, technique in TECHNIQUES.items() if technique.start]
        for name, percents in rounds.items():
            if name not in known:
                raise ValueError(f"{name!r} has no start rounds; {' and '.join(known)} have")
            cls._rising(percents)
        return rounds

    @field_validator("extension")
    @classmethod
    def _loaded(cls, path: str | None) -> str | None:
        if path is not None:
            load_extension(path)
        return path

    @field_validator("saliency", "budget", "group")
    @classmethod
    def _valid_spec(cls, spec: str, info: Any) -> str:
        from nmt_prune.budgets import budgets
        from nmt_prune.groups import groups
        from nmt_prune.saliency import saliencies

        registries: dict[str, Registry[Any]] = {"saliency": saliencies, "budget": budgets, "group": groups}
        registries[info.field_name].build(spec)
        return spec

    @model_validator(mode="after")
    def _published_for_the_pair(self) -> "Recipe":
        for name in self.published:
            load_published(name).require(f"{self.corpus.source}-{self.corpus.target}")
        return self

    @model_validator(mode="after")
    def _moments_within(self) -> "Recipe":
        for name in ("rewind", "prune_end", "prune_interval"):
            if self.updates(getattr(self, name)) > self.training.max_update:
                raise ValueError(f"{name} lies after training.max_update {self.training.max_update}")
        return self

    def updates(self, moment: float) -> int:
        """A moment as an update number, at least 1."""
        return max(1, round(moment * self.training.max_update)) if moment < 1 else int(moment)

    def rounds(self, technique: str) -> tuple[float, ...]:
        """Start rounds of a technique, in percent."""
        return tuple(self.start_rounds.get(technique, TECHNIQUES[technique].rounds))

    def data_folder(self, data_dir: Path) -> Path:
        """Where the prepared corpus lies."""
        return data_dir / self.corpus.data_folder
