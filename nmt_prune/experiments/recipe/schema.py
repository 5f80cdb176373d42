"""Recipes: a YAML file that says what to train, prune and compare."""

from pathlib import Path
from typing import Any

from pydantic import model_validator

from nmt_prune.evaluation.reports.published import load_published
from nmt_prune.experiments.recipe.inline_technique import InlineTechnique
from nmt_prune.experiments.recipe.keys import Keys
from nmt_prune.experiments.recipe.lr_schedulers import replaced
from nmt_prune.experiments.recipe.sections import gpus_wanted
from nmt_prune.experiments.recipe.teacher import Teacher
from nmt_prune.techniques import DENSE, LONGER, Technique, techniques

TAUGHT_BESIDE = ("cross_entropy", "label_smoothed_cross_entropy", "distilled_cross_entropy")
"""Criterions that a recipe's teacher can stand beside, or in whose teacher's place."""


class Recipe(Keys):
    """An experiment: keys that go together, and what they mean for each run."""

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
