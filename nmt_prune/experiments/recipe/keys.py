"""What can stand in a recipe, each key by itself."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from nmt_prune.experiments.recipe.inline_technique import NameOrVariant
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
)
from nmt_prune.experiments.recipe.teacher import Teacher
from nmt_prune.registry import Registry, load_extensions
from nmt_prune.techniques import techniques


class Keys(Section):
    """The keys of a recipe.

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
