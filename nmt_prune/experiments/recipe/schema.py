"""Recipes: a YAML file that says what to train, prune and compare."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nmt_prune.evaluation.reports.published import load_published
from nmt_prune.experiments.recipe.inline_technique import InlineTechnique, NameOrVariant
from nmt_prune.experiments.recipe.lr_schedulers import replaced
from nmt_prune.experiments.recipe.resources import Resources
from nmt_prune.experiments.recipe.sections import (
    Corpus,
    Dense,
    Generation,
    Model,
    Moment,
    Percent,
    Rung,
    Search,
    Section,
    Training,
    gpus_wanted,
)
from nmt_prune.experiments.recipe.teacher import Teacher
from nmt_prune.registry import Registry, load_extensions
from nmt_prune.techniques import DENSE, LONGER, Technique, techniques

TAUGHT_BESIDE = ("cross_entropy", "label_smoothed_cross_entropy", "distilled_cross_entropy")
"""Criterions that a recipe's teacher can stand beside, or in whose teacher's place."""


class Recipe(Section):
    """An experiment.

    Moments (``rewind``, ``prune_end``, ``prune_interval``) are shares of ``training.max_update`` below 1 and update
    numbers from 1 on. The defaults are those of Brix 2020.

    Attributes:
        name: folder of the runs.
        corpus: what to train on.
        model: what to train.
        training: how to train.
        dense: a model to take for the dense one, in place of a training.
        generation: how to translate.
        ladder: sparsities in percent, rising; at 0 techniques that quantize do only that.
        extension: Python files with saliencies, budgets, groups, schedules, resets or techniques of the user's own, in
            a recipe file relative to it.
        techniques: names of techniques, or variants of them.
        controls: names of controls.
        seeds: each gives a whole set of runs.
        rewind: t of the rewind point θ_t.
        rewind_source: whose θ_t survivors are rewound to: that of the ``last`` run (Brix 2020) or of the ``dense``
            one (Yu 2020).
        mask_checkpoint: checkpoint of the last run that masks are found on; a search has its own.
        saliency: spec of the saliency.
        budget: spec of the budget.
        group: spec of what is pruned together.
        prune_set: matrices that may be pruned.
        prune_end: when a growing mask reaches its final sparsity.
        prune_interval: updates between two of its changes.
        start_rounds: sparsities of the start rounds of slt-mp and mp-slt, in percent.
        teacher: what all runs but the dense one learn from it, unless a variant says otherwise.
        search: how subnetworks are found; a list for several searches, each but one with a name.
        precision: arithmetic of all trainings.
        gpu_share: share of a GPU that a training takes, e.g. 0.125: eight of them side by side on each GPU, which a
            small model leaves idle. It changes no result.
        resources: what a cluster is asked for (`nmt-prune run --executor slurm`); it changes no result.
        published: papers whose numbers the report shows beside these.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    corpus: Corpus
    model: Model
    training: Training
    dense: Dense | None = None
    generation: Generation = Generation()
    ladder: Annotated[list[Rung], Field(min_length=1)]
    extension: list[str] = Field(default_factory=list)  # before what may name its entries
    techniques: list[NameOrVariant] = Field(default_factory=list)
    controls: list[str] = Field(default_factory=list)
    seeds: Annotated[list[int], Field(min_length=1)] = Field(default_factory=lambda: [1])
    rewind: Moment = 0.05
    rewind_source: Literal["last", "dense"] = "last"
    mask_checkpoint: Literal["last", "best"] = "last"
    saliency: str = "magnitude"
    budget: str = "matrix"
    group: str = "element"
    prune_set: Literal["all", "body"] = "all"
    prune_end: Moment = 0.8
    prune_interval: Moment = 0.02
    start_rounds: dict[str, Annotated[list[Percent], Field(min_length=1)]] = Field(default_factory=dict)
    teacher: Teacher | None = None
    search: Annotated[list[Search], Field(min_length=1)] = Field(default_factory=lambda: [Search()])
    precision: Literal["fp32", "fp16", "memory-efficient-fp16", "bf16", "amp"] = "fp32"
    gpu_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    resources: Resources | None = None
    published: list[str] = Field(default_factory=list)

    @field_validator("search", "extension", mode="before")
    @classmethod
    def _listed(cls, values: Any) -> Any:
        return values if isinstance(values, list) else [] if values is None else [values]

    @field_validator("search")
    @classmethod
    def _told_apart(cls, searches: list[Search]) -> list[Search]:
        names = [search.name for search in searches]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two searches have {f'the name {name}' if name else 'no name'}; give one another")
        return searches

    @field_validator("ladder", "seeds")
    @classmethod
    def _rising(cls, values: list[Any]) -> list[Any]:
        if values != sorted(set(values)):
            raise ValueError("must rise, without repetitions")
        return values

    @field_validator("techniques", "controls")
    @classmethod
    def _known(cls, listed: list[Any], info: Any) -> list[Any]:
        controls = techniques.controls()
        known = controls if info.field_name == "controls" else techniques.keys() - controls.keys()
        names = [one if isinstance(one, str) else one.name for one in listed]
        for one, name in zip(listed, names, strict=True):
            if isinstance(one, str) and name not in known:
                raise ValueError(f"{name!r} is none of {', '.join(sorted(known))}")
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is there twice; remove one, or give the variant another name")
        return listed

    @field_validator("start_rounds")
    @classmethod
    def _of_started_techniques(cls, rounds: dict[str, list[float]]) -> dict[str, list[float]]:
        known = [name for name, technique in techniques.items() if technique.start]
        for name, percents in rounds.items():
            if name not in known:
                raise ValueError(f"{name!r} has no start rounds; {' and '.join(known)} have")
            cls._rising(percents)
        return rounds

    @field_validator("extension")
    @classmethod
    def _loaded(cls, paths: list[str]) -> list[str]:
        load_extensions(paths)
        return paths

    @field_validator("saliency", "budget", "group")
    @classmethod
    def _valid_spec(cls, spec: str, info: Any) -> str:
        from nmt_prune.pruning.budgets import budgets
        from nmt_prune.pruning.groups import groups
        from nmt_prune.pruning.saliency import saliencies

        registries: dict[str, Registry[Any]] = {"saliency": saliencies, "budget": budgets, "group": groups}
        registries[info.field_name].build(spec)
        return spec

    @model_validator(mode="after")
    def _published_for_the_pair(self) -> "Recipe":
        for name in self.published:
            load_published(name).require(f"{self.corpus.source}-{self.corpus.target}")
        return self

    @model_validator(mode="after")
    def _rungs_of_some_technique(self) -> "Recipe":
        if 0 in self.ladder and not any(self.technique(name).quantizes for name in self.names):
            quantizing = ", ".join(name for name, technique in techniques.items() if technique.quantizes)
            raise ValueError(f"ladder: 0 is for techniques that quantize; add one of {quantizing}, or leave it out")
        for one in self.techniques:
            if isinstance(one, InlineTechnique) and 0 in (one.ladder or ()) and not one.technique().quantizes:
                raise ValueError(f"{one.name}: rung 0 is for techniques that quantize; remove it")
        return self

    @model_validator(mode="after")
    def _rungs_after_the_start(self) -> "Recipe":
        for name in self.names:
            rounds = self.rounds(name) if self.technique(name).start else ()
            for percent in self.rungs(name) if rounds else ():
                if percent not in (*self.ladder, *rounds) and percent < rounds[-1]:
                    raise ValueError(f"{name}: {percent:g} is below its last start round {rounds[-1]:g}; remove it")
        return self

    @model_validator(mode="after")
    def _moments_within(self) -> "Recipe":
        for name in ("rewind", "prune_end", "prune_interval"):
            if self.updates(getattr(self, name)) > self.training.max_update:
                raise ValueError(f"{name} lies after training.max_update {self.training.max_update}")
        return self

    @model_validator(mode="after")
    def _teachers_of_something(self) -> "Recipe":
        listed = [*self.names, *self.controls]
        for name in self.teacher.only if self.teacher else ():
            if name not in listed:
                raise ValueError(f"teacher.only: {name!r} is none of {', '.join(listed)}")
        criterion = self.training.flags().get("criterion", "cross_entropy")
        teachers = [teacher for name in listed if (teacher := self.teacher_of(name))]
        if criterion not in TAUGHT_BESIDE and any(teacher.in_the_loss for teacher in teachers):
            raise ValueError(
                f"teacher: word and hidden stand beside training.criterion {' or '.join(TAUGHT_BESIDE)},"
                f" not {criterion}"
            )
        return self

    @model_validator(mode="after")
    def _shares_of_one_gpu(self) -> "Recipe":
        if self.gpu_share < 1 and gpus_wanted(self.training.flags()) != 1:
            raise ValueError("gpu_share: only trainings on one GPU share it; remove cpu and distributed-world-size")
        return self

    @property
    def trainings_per_gpu(self) -> int:
        """Trainings that run on a GPU together."""
        return int(1 / self.gpu_share + 1e-9)

    @property
    def names(self) -> list[str]:
        """The techniques by name, its own variants included."""
        return [one if isinstance(one, str) else one.name for one in self.techniques]

    def variant(self, name: str) -> InlineTechnique | None:
        """The variant of this name, if the recipe has one."""
        return next((one for one in self.techniques if isinstance(one, InlineTechnique) and one.name == name), None)

    def technique(self, name: str) -> Technique:
        """A technique of the table, or a variant that the recipe has."""
        own = self.variant(name)
        return own.technique() if own else techniques.find(name)

    def rungs(self, name: str) -> list[float]:
        """The rungs that a technique or control is wanted at."""
        own = self.variant(name)
        return own.ladder if own and own.ladder else self.ladder

    def ladder_of(self, name: str) -> list[float]:
        """The rungs that those of a technique or control follow each other on: the recipe's, and its own."""
        return sorted({*self.ladder, *self.rungs(name)})

    def of_variant(self, variant: InlineTechnique) -> "Recipe":
        """The recipe of a variant alone, with the model that it has."""
        flags = variant.model.flags() if variant.model else {}
        model = self.model.model_validate({**self.model.flags(), **flags})
        # A checkpoint that is there is of the recipe's model.
        own = {"model": model, "dense": None}
        return self.model_copy(update={**own, "techniques": [variant], "controls": []})

    def training_of(self, name: str) -> dict[str, Any]:
        """The flags of the runs that a technique or control makes, but for their length."""
        own = self.variant(name)
        usual = {} if name in (DENSE, LONGER) else self.technique(name).training
        flags = replaced(self.training.flags(), usual)
        return replaced(flags, own.training.flags()) if own and own.training else flags

    def teacher_of(self, name: str) -> Teacher | None:
        """What the runs that a technique or control makes learn: by the variant, the recipe or the technique."""
        own = self.variant(name)
        if own is not None and "teacher" in own.model_fields_set:
            return own.teacher
        if self.teacher is not None and (not self.teacher.only or name in self.teacher.only):
            return self.teacher
        usual = None if name == LONGER else self.technique(name).teacher
        return None if usual is None else Teacher(**usual)

    def updates(self, moment: float) -> int:
        """A moment as an update number, at least 1."""
        return max(1, round(moment * self.training.max_update)) if moment < 1 else int(moment)

    def rounds(self, technique: str) -> tuple[float, ...]:
        """Start rounds of a technique, in percent; a variant has those of the technique that it is like."""
        own = self.variant(technique)
        return tuple(self.start_rounds.get(own.like if own else technique, self.technique(technique).rounds))

    def data_folder(self, data_dir: Path) -> Path:
        """Where the prepared corpus lies."""
        return data_dir / self.corpus.data_folder
