"""The runs of one seed, each made once: names, settings and updates."""

from pathlib import Path
from typing import Any, Literal

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.experiments.planning.runs import Run
from nmt_prune.experiments.planning.small_models import SmallModel
from nmt_prune.experiments.recipe.inline_technique import InlineTechnique
from nmt_prune.experiments.recipe.lr_schedulers import ended
from nmt_prune.experiments.recipe.schema import Recipe
from nmt_prune.experiments.recipe.teacher import Teacher
from nmt_prune.techniques import DENSE


class SeedRuns:
    """The runs of one seed.

    Args:
        recipe: the recipe.
        seed: the seed.
        own: the variant whose model the recipe has; all its runs begin with its name.

    Attributes:
        by_name: those made so far, parents first.
    """

    def __init__(self, recipe: Recipe, seed: int, own: InlineTechnique | None) -> None:
        self._recipe, self._seed, self._own = recipe, seed, own
        self.by_name: dict[str, Run] = {}

    def adopt(self, checkpoint: Path) -> Run:
        """The dense run, where a model is there that was trained elsewhere."""
        name = f"{DENSE}-seed{self._seed}"
        if name not in self.by_name:
            model = Checkpoint.load(checkpoint)
            training = self._recipe.training.flags()
            where: dict[str, Any] = {key: training[key] for key in ("cpu", "distributed_world_size") if key in training}
            self.by_name[name] = Run(
                name=name,
                technique=DENSE,
                sparsity=0.0,
                seed=self._seed,
                parent=None,
                first_update=0,
                updates=model.num_updates,
                total_updates=model.num_updates,
                settings=self._settings(None, {}, {**where, "max_update": model.num_updates})
                | {"dense": {"sha256": model.digest}},
                step="adopt",
            )
        return self.by_name[name]

    def add(
        self,
        label: str,
        technique: str,
        sparsity: float,
        parent: Run | None,
        pruning: dict[str, str],
        step: Literal["train", "search", "prune"] = "train",
        search: dict[str, Any] | None = None,
        needs: tuple[str, ...] = (),
        length: int | None = None,
        small: SmallModel | None = None,
        teacher: Teacher | None = None,
        training: dict[str, Any] | None = None,
    ) -> Run:
        """A run, made at the first call with its name.

        Args:
            label: its name without the seed, before what tells it from those of another model.
            technique: what it is a result of.
            sparsity: final sparsity.
            parent: the run that it follows from.
            pruning: the task's pruning flags.
            step: what happens.
            search: settings of a search.
            needs: further runs that must be trained before.
            length: updates; None is the recipe's.
            small: a smaller model in place of the recipe's.
            teacher: what it learns from the dense run of the recipe's model.
            training: all flags of its training but for the length; None is the recipe's.
        """
        label, technique = self._within(label), self._within(technique)
        name = f"{label}-seed{self._seed}"
        if name in self.by_name:
            return self.by_name[name]
        clock = pruning.get("clock", "restart")
        length = length or self._recipe.training.max_update
        first, end = 0, length if step == "train" else 0
        if clock == "rewind":
            first = self._recipe.updates(self._recipe.rewind)
        elif clock == "keep" and parent is not None:
            first, end = parent.last_update, parent.last_update + length
        training = ended({**(training or self._recipe.training.flags()), "max_update": end}, end)
        settings = self._settings(parent, pruning, training, small)
        settings |= {"search": search} if search else {}
        if teacher:
            dense = f"{DENSE}-seed{self._seed}"  # of the recipe's model, whatever model this run has
            settings["teacher"], needs = teacher.settings(dense), (*needs, dense)
            if teacher.sequence is not None:
                distilled = self._distilled(dense, teacher)
                settings["teacher"]["sequence"], needs = distilled.name, (*needs, distilled.name)
        run = Run(
            name=name,
            technique=technique,
            sparsity=round(sparsity, 6),
            seed=self._seed,
            parent=parent.name if parent else None,
            first_update=first,
            updates=end - first,
            total_updates=end - first + (parent.total_updates if parent else 0),
            settings=settings,
            step=step,
            needs=needs,
        )
        self.by_name[name] = run
        return run

    def _distilled(self, dense: str, teacher: Teacher) -> Run:
        """The training data in the dense model's translation; there is one for all that learn from it alike."""
        assert teacher.sequence is not None
        chosen = teacher.sequence.model_dump(exclude_defaults=True)
        # By what decides it, which a student's model does not: runs of another one are expanded by themselves.
        parts = ["distilled", *(["last"] if teacher.checkpoint == "last" else [])]
        parts += [f"{key}-{value}".lower().replace("_", "-") for key, value in sorted(chosen.items())]
        name = f"{'-'.join(parts)}-seed{self._seed}"
        if name not in self.by_name:
            settings = {key: value for key, value in self._settings(None, {}).items() if key != "model"}
            self.by_name[name] = Run(
                name=name,
                technique="distilled",
                sparsity=0.0,
                seed=self._seed,
                parent=dense,
                first_update=0,
                updates=0,
                total_updates=0,
                settings={**settings, "distill": {"teacher": teacher.file(dense), **chosen}},
                step="distill",
            )
        return self.by_name[name]

    def _within(self, name: str) -> str:
        """The name of a run or technique, told apart from what others with another model are called."""
        if self._own is None or f"{name}-".startswith(f"{self._own.name}-"):
            return name
        return self._own.name if self._own.like == name == DENSE else f"{self._own.name}-{name}"

    def _settings(
        self,
        parent: Run | None,
        pruning: dict[str, str],
        training: dict[str, Any] | None = None,
        small: SmallModel | None = None,
    ) -> dict[str, Any]:
        recipe = self._recipe
        return {
            "seed": self._seed,
            "parent": parent.name if parent else None,
            "corpus": recipe.corpus.model_dump(exclude_none=True),
            "model": {**recipe.model.flags(), **(small.model if small else {})},
            "training": training or recipe.training.flags(),
            "precision": recipe.precision,
            "generation": recipe.generation.model_dump(),
            "pruning": pruning,
            **({"size": {"nonzeros": small.nonzeros, "parameters": small.parameters}} if small else {}),
        }
