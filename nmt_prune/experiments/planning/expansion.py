"""From a recipe to a plan."""

import difflib
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.pruning_flags import pruning_flags
from nmt_prune.experiments.planning.runs import Run, with_ancestors
from nmt_prune.experiments.planning.seed_runs import SeedRuns
from nmt_prune.experiments.planning.small_models import SmallModel, small_models
from nmt_prune.experiments.recipe.inline_technique import InlineTechnique
from nmt_prune.experiments.recipe.schema import Recipe
from nmt_prune.experiments.recipe.sections import Search
from nmt_prune.pruning.budgets import budgets
from nmt_prune.techniques import DENSE, LONGER, Technique


def expand(recipe: Recipe, only: Collection[str] = (), data: Path | None = None) -> list[Run]:
    """Expands a recipe into runs, parents before children; what techniques have in common is run once.

    Args:
        recipe: the recipe.
        only: techniques and controls of the recipe to keep; empty is all. The dense baseline is always kept.
        data: data folder in place of the recipe's corpus.

    Raises:
        PruneError: ``only`` names something that is not in the recipe, or a control cannot be had, or a run rewinds to
            a point that the recipe's dense checkpoint lacks.
    """
    listed = [*recipe.names, *recipe.controls]
    for name in only:
        if name not in listed:
            close = difflib.get_close_matches(name, listed, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(listed) or 'none'}"
            raise PruneError(f"--only {name}: the recipe {recipe.name} has no such technique or control; {hint}")
    small = small_models(recipe, data)
    runs = [run for seed in recipe.seeds for run in _Expansion(recipe, seed, small).runs()]
    if recipe.dense:
        _refuse_rewinding(runs)
    if not only:
        return runs
    wanted = {DENSE, *only, *(search.label(name) for name in only for search in recipe.search)}
    kept = {run.name for run in runs if {run.technique, *run.also} & wanted}
    return with_ancestors(runs, kept)


def _refuse_rewinding(runs: Collection[Run]) -> None:
    adopted = {run.name for run in runs if run.step == "adopt"}
    for run in runs:
        folder, _, file = run.settings["pruning"].get("rewind_from", "").rpartition("/")
        if folder in adopted and file.startswith("rewind_"):
            raise PruneError(
                f"{run.technique!r} rewinds to an early point of the dense training, which dense.checkpoint lacks"
                f" ({run.name}); leave out what needs it"
            )


class _Expansion:
    """The runs of one seed."""

    def __init__(
        self, recipe: Recipe, seed: int, small: Mapping[float, SmallModel], own: InlineTechnique | None = None
    ) -> None:
        """``own``: the variant whose model the recipe has; all its runs begin with its name."""
        self._own = own
        self._recipe = recipe
        self._small = small
        self._seed = seed
        self._made = SeedRuns(recipe, seed, own)
        self._results: dict[str, list[str]] = {}
        self._length = recipe.training.max_update
        self._rewind = recipe.updates(recipe.rewind)

    def runs(self) -> list[Run]:
        self.dense()
        listed = [*self._recipe.names, *(name for name in self._recipe.controls if name != LONGER)]
        # Those that are as long as the longest of the others come after these.
        for name in sorted(listed, key=lambda name: self._recipe.technique(name).length == "ladder"):
            variant, technique = self._recipe.variant(name), self._recipe.technique(name)
            if variant is not None and variant.like == DENSE and variant is self._own:
                continue
            if variant is not None and variant is not self._own and (variant.model or variant.like == DENSE):
                self._of_another_model(variant)
                continue
            if technique.mask.by_search:
                for search in self._recipe.search:
                    self._subnetwork(name, search)
                continue
            for percent in self._recipe.rungs(name):
                if percent > 0:
                    self._note(name, self._rung(name, percent))
                elif technique.quantizes:
                    self._make(f"{name}-0", name, name, 0.0, self.dense())
        if LONGER in self._recipe.controls:
            self._dense_longer()
        return [self._named(run) for run in self._made.by_name.values()]

    def _of_another_model(self, variant: InlineTechnique) -> None:
        """The runs of a variant and, as far as it follows from them, those of its model before it."""
        runs = _Expansion(self._recipe.of_variant(variant), self._seed, {}, variant).runs()
        results = {run.name for run in runs if run.technique == variant.name}
        self._made.by_name |= {run.name: run for run in with_ancestors(runs, results)}

    def _note(self, technique: str, run: Run | None) -> Run | None:
        """Remembers that the run is a result of the technique."""
        if run is not None and technique not in self._results.setdefault(run.name, []):
            self._results[run.name].append(technique)
        return run

    def _named(self, run: Run) -> Run:
        """Says whose result the run is: the technique that makes it, if the recipe lists it, comes first."""
        owners = sorted(self._results.get(run.name, [run.technique]), key=lambda name: name != run.technique)
        return replace(run, technique=owners[0], also=tuple(owners[1:]))

    def dense(self) -> Run:
        if self._recipe.dense is not None:
            return self._made.adopt(Path(self._recipe.dense.checkpoint))
        points = f"0,{self._rewind}"
        student = self._own if self._own is not None and self._own.like == DENSE else None
        teacher = self._recipe.teacher_of(student.name) if student else None
        training = self._recipe.training_of(student.name) if student else None
        return self._made.add(DENSE, DENSE, 0.0, None, {"rewind_points": points}, teacher=teacher, training=training)

    def _dense_longer(self) -> None:
        """The equal-update control: the dense model, trained again and again with a new warm-up."""
        longest = max(run.total_updates for run in self._made.by_name.values())
        parent = self.dense()
        for round_ in range(2, 2 - (parent.total_updates - longest) // self._length):
            pruning = {
                "mask_from": f"{parent.name}/checkpoint_last.pt",
                "sparsity": "0",
                "reset": "keep",
                "clock": "restart",
            }
            teacher = self._recipe.teacher_of(LONGER)
            parent = self._made.add(f"{LONGER}-x{round_}", LONGER, 0.0, parent, pruning, teacher=teacher)

    def below(self, technique: str, owner: str, percent: float) -> Run | None:
        rounds = self._recipe.rounds(owner)
        ladder = (*rounds, *(rung for rung in self._recipe.ladder_of(owner) if rung > max(rounds, default=0)))
        return self._rung(technique, _below(percent, ladder))

    def last_start_round(self, technique: str) -> Run | None:
        return self._rung(technique, self._recipe.rounds(technique)[-1])

    def _rung(self, name: str, percent: float) -> Run | None:
        """The run of a technique at a rung of its ladder; 0 is the dense run; None where it has none."""
        if percent == 0:
            return self.dense()
        technique, rounds = self._recipe.technique(name), self._recipe.rounds(name)
        if technique.start and percent <= rounds[-1]:
            if self._recipe.technique(technique.start).mask.grows:
                return self._note(name, self._rung(technique.start, percent))
            return self._note(name, self._start_round(name, technique.start, percent, rounds))
        return self._make(f"{name}-{percent:g}", name, name, percent, technique.mask.run(name, percent, self))

    def _subnetwork(self, name: str, search: Search) -> Run:
        """The run of a subnetwork that is searched for in the dense run."""
        recipe, dense = self._recipe, self.dense()
        technique = recipe.technique(name)
        trained = f"{dense.name}/checkpoint_{search.checkpoint}.pt"
        options = {"checkpoint": trained, **search.options()}
        if recipe.extension:
            options["extension"] = os.pathsep.join(recipe.extension)
        parent = self._made.add(search.label("search"), "search", 0.0, dense, {}, "search", options)
        pruning = {
            "mask_from": f"{parent.name}/{technique.subnetwork}.safetensors",
            "rewind_from": f"{dense.name}/rewind_{self._rewind}.pt" if technique.rewind else trained,
            "reset": technique.reset,
            "clock": technique.clock,
        }
        label = search.label(name)
        if not technique.is_trained:
            return self._made.add(label, label, 0.0, parent, pruning, "prune")
        return self._made.add(label, label, 0.0, parent, pruning, teacher=recipe.teacher_of(name))

    def _start_round(self, name: str, start: str, percent: float, rounds: tuple[float, ...]) -> Run | None:
        """A round of another technique on a ladder of its own; it is the other's run where the ladders agree so far."""
        if percent not in rounds:
            return None
        below = _below(percent, rounds)
        parent = self._rung(name, below) if below else self.dense()
        is_common = _up_to(percent, rounds) == _up_to(percent, self._recipe.ladder)
        label = start if is_common else name
        return self._make(f"{label}-{percent:g}", label, start, percent, parent)

    def _length_of(self, name: str, technique: Technique, percent: float, parent: Run | None) -> int:
        """Updates of a technique's training at a rung."""
        if technique.length == "training":
            return self._length
        totals = [run.total_updates for run in self._made.by_name.values() if run.sparsity == round(percent / 100, 6)]
        length = max([self._length, *totals]) - (parent.total_updates if parent else 0)
        if length <= 0:
            raise PruneError(
                f"{name}: no technique of the recipe has more updates behind {percent:g} % than the dense model, which"
                " leaves none for it; leave it out, or add one that has, e.g. slt"
            )
        return length

    def _make(self, label: str, owner: str, made_by: str, percent: float, parent: Run | None) -> Run:
        technique = self._recipe.technique(made_by)
        length = self._length_of(made_by, technique, percent, parent)
        teacher = self._recipe.teacher_of(made_by)
        if technique.is_small:
            small = self._small[percent]
            return self._made.add(label, owner, percent / 100, None, {}, length=length, small=small, teacher=teacher)
        pruning = pruning_flags(self._recipe, technique, percent, self._seed, parent, self.dense(), length)
        needs: list[str] = []
        # On the first rung both find their masks on the dense run; later a budget that ranks matrices would give the
        # control counts by its own weights.
        if technique.counts_of and parent != self.dense() and budgets.build(pruning["budget"]).ranks_matrices:
            counted = self._rung(technique.counts_of, percent)
            assert counted is not None
            pruning["counts_from"] = f"{counted.name}/checkpoint_last.pt"
            needs.append(counted.name)
        return self._made.add(
            label,
            owner,
            percent / 100,
            parent,
            pruning,
            needs=tuple(needs),
            length=length,
            teacher=teacher,
            training=self._recipe.training_of(made_by),
        )


def _below(percent: float, ladder: Collection[float]) -> float:
    """The rung below; 0 below the first."""
    return max((rung for rung in ladder if rung < percent), default=0)


def _up_to(percent: float, ladder: Collection[float]) -> list[float]:
    return [rung for rung in ladder if rung <= percent]
