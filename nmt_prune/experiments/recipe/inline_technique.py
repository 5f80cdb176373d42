"""A technique that a recipe writes down itself, as a variant of another."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from nmt_prune.experiments.recipe.sections import FlagSection, Rung, Section
from nmt_prune.experiments.recipe.teacher import Teacher
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.quantization import quantizers
from nmt_prune.pruning.regularisers import regularisers
from nmt_prune.pruning.resets import resets
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.schedules import schedules
from nmt_prune.registry import Registry
from nmt_prune.techniques import DENSE, LONGER, FreshWeights, Technique, techniques

_REGISTRIES: dict[str, Registry[Any]] = {
    "saliency": saliencies,
    "budget": budgets,
    "group": groups,
    "quantizer": quantizers,
    "regulariser": regularisers,
    "reset": resets,
    "schedule": schedules,
}


class InlineTechnique(Section):
    """A variant of a technique, with a name of its own.

    Attributes:
        name: what the runs and the tables call it.
        like: the technique that it is but for the following; start rounds stay those of that technique. ``dense``: the
            dense model with another ``model``.
        model: flags in place of the recipe's, e.g. ``decoder-layers: 1``. Its weights are fresh, and what the technique
            follows from are runs of that model.
        saliency: spec of the saliency.
        budget: spec of the budget.
        group: spec of what is pruned together.
        prune_set: matrices that may be pruned.
        schedule: spec of the schedule, as the task takes it.
        reset: spec of what the survivors become.
        quantizer: spec of the quantizer.
        regulariser: spec of the penalty.
        training: flags in place of the recipe's, for its own runs, e.g. ``sparse-lr: 1``.
        teacher: what its own runs learn from the dense one, in place of the recipe's; null: nothing.
        ladder: rungs that it is wanted at, e.g. ``[90]`` for an ablation, or others than the recipe's, which other
            techniques then do not get; those on which a rung depends are trained, too.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    like: str
    model: FlagSection | None = None
    saliency: str | None = None
    budget: str | None = None
    group: str | None = None
    prune_set: str | None = None
    schedule: str | None = None
    reset: str | None = None
    quantizer: str | None = None
    regulariser: str | None = None
    training: FlagSection | None = None
    teacher: Teacher | None = None
    ladder: Annotated[list[Rung], Field(min_length=1)] | None = None

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in (*techniques, DENSE, LONGER, "distilled") or name.startswith(("search", "subnetwork-")):
            raise ValueError(f"{name!r} is taken; give the technique another name")
        return name

    @field_validator("like")
    @classmethod
    def _known(cls, name: str) -> str:
        if name != DENSE and techniques.find(name).mask.by_search:
            raise ValueError(f"{name!r} comes out of a search, whose settings are under search")
        return name

    @field_validator("teacher")
    @classmethod
    def _of_its_own(cls, teacher: Teacher | None) -> Teacher | None:
        if teacher and teacher.only:
            raise ValueError("only says for a whole recipe who is taught; remove it")
        return teacher

    @model_validator(mode="after")
    def _valid(self) -> "InlineTechnique":
        for key, registry in _REGISTRIES.items():
            if spec := getattr(self, key):
                registry.settings(spec.partition(":")[0])
        given = [key for key in (*_REGISTRIES, "prune_set") if getattr(self, key) is not None]
        given += ["ladder"] if self.ladder else []
        if self.like == DENSE and self.name.startswith("distilled-"):
            raise ValueError(f"{self.name!r} may be what a translation of the data is called; give another name")
        if self.like == DENSE and given:
            raise ValueError(f"{self.name!r} is dense and has no {given[0]}; remove it")
        if self.training is not None and "max_update" in self.training.flags():
            raise ValueError(f"{self.name!r}: all trainings of a recipe are as long; remove max_update")
        base = techniques.get(self.like)
        if base is not None and base.is_small:
            raise ValueError(f"{self.like!r} has no variants; list it under controls")
        if self.model is not None and base is not None and base.length == "ladder":
            raise ValueError(f"{self.like!r} is as long as the techniques of the recipe's model; remove model")
        if self.model_fields_set <= {"name", "like"}:
            raise ValueError(f"{self.name!r} is {self.like!r}; say what differs, or list {self.like!r} itself")
        return self

    def technique(self) -> Technique:
        """The technique that it stands for."""
        if self.like == DENSE:
            return Technique(label=self.name, summary="a dense model", mask=FreshWeights())
        base = techniques[self.like]
        flags = self.model_dump(include={*_REGISTRIES, "prune_set"} - {"schedule", "reset"}, exclude_none=True)
        own = self.model_dump(include={"schedule", "reset"}, exclude_none=True)
        return replace(base, label=self.name, flags={**base.flags, **flags}, **own)


TAGS = ("<name>", "<variant>")
"""What pydantic puts into the place of an error, to say which of the two it took an entry for."""

NameOrVariant = Annotated[
    Annotated[str, Tag(TAGS[0])] | Annotated[InlineTechnique, Tag(TAGS[1])],
    Discriminator(lambda value: TAGS[isinstance(value, (dict, InlineTechnique))]),
]
"""What a recipe lists under ``techniques``."""
