"""What is asked for one model, as a recipe."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.own_dictionaries import check_data
from nmt_prune.checkpoints.weights import existing
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.experiments.recipe.lr_schedulers import replaced
from nmt_prune.files import atomic_path
from nmt_prune.techniques import LONGER, RECOMMENDED, techniques

RECIPE, RUNS = "recipe.yaml", "runs"
"""The recipe in the folder that is made, and the folder of its runs beside it."""

VALIDATIONS = 10

_WITHOUT_END = "inverse_sqrt"
_WITH_END: Mapping[str, Any] = {"lr_scheduler": "polynomial_decay", "power": 0.5}
"""In place of a schedule whose rate never falls to nothing: slowly at first, as long as the mask grows."""


@dataclass(frozen=True)
class Request:
    """One model and how it is to be pruned.

    Attributes:
        checkpoint: the dense model.
        data: binarized data folder of the language pair, with the model's dictionaries.
        out: folder to make.
        technique: how; one that begins with a trained model.
        updates: updates of the training; None: as many as are behind the model.
        control: train the dense model on for as long, too.
        seed: seed of the training.
        subset: what is translated for the scores.
        reference: its detokenized reference; None: that of the data folder.
        beam: beam size of the scores.
        has_gpu: whether there is a GPU to train on.
        distill: train on what the model translates the training sources to (Kim & Rush 2016), the control too.
    """

    checkpoint: Path
    data: Path
    out: Path
    technique: str = RECOMMENDED
    updates: int | None = None
    control: bool = True
    seed: int = 1
    subset: str = "test"
    reference: Path | None = None
    beam: int = 5
    has_gpu: bool = False
    distill: bool = False

    def recipe(self, percents: list[float]) -> tuple[dict[str, Any], list[str]]:
        """The recipe, and in words what of the model's own settings it changes.

        Args:
            percents: rungs of the ladder.

        Raises:
            PruneError: model and data do not belong together, the model is that sparse already, or is not what the
                technique begins with.
        """
        from nmt_prune.measuring.own_flags import own_flags  # imports fairseq, which takes seconds

        technique = techniques.find(self.technique)
        if technique.mask.is_fresh:
            raise PruneError(
                f"--technique {self.technique} trains fresh weights, and nothing would be left of {self.checkpoint}:"
                f" choose one that begins with a trained model, e.g. {RECOMMENDED}"
            )
        model = Checkpoint.load(self.checkpoint)
        if remark := check_data(model, self.data):
            warnings.warn(remark, RuntimeWarning, stacklevel=2)
        subset = Subset.find(self.data, self.subset, self.reference)
        _check_sparsity(model, min(percents) / 100)
        updates = self.updates or model.num_updates
        if not updates:
            raise PruneError(f"{self.checkpoint} does not say for how many updates it was trained; give --updates")
        own = own_flags(model)
        training = {**own.in_one_process, "max_update": updates, **_validation(updates)}
        begins = "from its start" if technique.clock == "restart" else "going on"
        rate = f"with the model's learning rate schedule {begins}"
        if technique.clock == "restart" and training.get("lr_scheduler") == _WITHOUT_END:
            training = replaced(training, _WITH_END)
            rate = f"with {_in_words(_WITH_END)} in place of {_WITHOUT_END}: the learning rate falls to nothing"
        changes = [f"{updates:,} updates, {rate}"]
        if flags := {**technique.training, **technique.flags}:
            changes.append(f"as {self.technique} has it, {_in_words(flags)}")
        if self.distill:
            changes.append("trained on the model's own translations of the training sources (Kim & Rush 2016)")
        changes += [f"validated by BLEU {VALIDATIONS} times; the best checkpoint counts"]
        precision = own.precision
        if not self.has_gpu:
            training["cpu"] = True
            changes += [f"in fp32 instead of {precision}, since there is no GPU here"] if precision != "fp32" else []
            precision = "fp32"
        if own.workers > 1:
            changes.append(f"update-freq {training['update_freq']} in one process, for the batch of {own.workers}")
        return {
            "name": RUNS,
            "dense": {"checkpoint": str(self.checkpoint.resolve())},
            "corpus": {"name": self.data.resolve().name, "source": subset.source, "target": subset.target},
            "model": own.model,
            "training": training,
            "precision": precision,
            "generation": {
                "beam": self.beam,
                "subset": self.subset,
                "valid": self.dev_reference(subset.target).is_file(),
                **({"reference": str(self.reference.resolve())} if self.reference else {}),
            },
            "ladder": percents,
            "techniques": [self.technique],
            "controls": [LONGER] if self.control else [],
            **({"teacher": {"word": 0, "sequence": True}} if self.distill else {}),
            "seeds": [self.seed],
        }, changes

    def dev_reference(self, target: str) -> Path:
        """The text that dev BLEU is scored against; without it, dev BLEU is what a training has noted."""
        return self.data / "raw" / f"valid.{target}"


def check_folder(recipe: dict[str, Any], out: Path) -> None:
    """Checks that the folder is empty, or holds work on the same recipe.

    Raises:
        PruneError: the folder holds something else, or work on another request.
    """
    path = out / RECIPE
    if path.exists():
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
        changing = ("ladder", "controls")  # a search for the sparsity tries several, and a control may be added
        keys = [key for key in {**recipe, **before} if key not in changing]
        if different := [key for key in keys if recipe.get(key) != before.get(key)]:
            key = different[0]
            was, now = (which.get(key, "none") for which in (before, recipe))
            raise PruneError(f"{out} was begun with {key} {was}, not {now}; choose another --out to begin anew")
    elif out.exists() and any(out.iterdir()):
        raise PruneError(f"{out} exists and was not made by nmt-prune prune; choose another --out")


def write_recipe(recipe: dict[str, Any], out: Path) -> None:
    """Writes the recipe into the folder, for who wants to repeat or extend the experiment."""
    with atomic_path(out / RECIPE) as temporary:
        temporary.write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _in_words(flags: Mapping[str, Any]) -> str:
    return ", ".join(f"--{name.replace('_', '-')} {value}" for name, value in flags.items())


def _validation(updates: int) -> dict[str, Any]:
    return {
        "save_interval_updates": max(1, updates // VALIDATIONS),
        "save_interval": 1_000_000,
        "validate_interval": 1_000_000,
        "eval_bleu_args": {"beam": 1, "max_len_a": 1.2, "max_len_b": 10},
    }


def _check_sparsity(model: Checkpoint, asked: float) -> None:
    there = existing(model).sparsity()
    if there >= asked:
        raise PruneError(
            f"{model.path} has {there:.1%} of its weights removed already, no less than --sparsity {asked:g} asks for"
        )
