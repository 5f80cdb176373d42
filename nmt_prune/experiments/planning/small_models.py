"""The dense models of the control ``small-dense``: as many parameters as the rungs leave non-zero."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.commands import flag_arguments
from nmt_prune.experiments.planning.runs import Run
from nmt_prune.experiments.recipe.schema import Recipe
from nmt_prune.techniques import LONGER
from nmt_prune.text.dictionaries import read_symbols

_PROGRAM = "nmt_prune.measuring.small_models"


@dataclass(frozen=True)
class SmallModel:
    """A dense model beside a sparse one.

    Attributes:
        nonzeros: weights of the sparse model that are not zero, and what is never pruned.
        parameters: of the dense one.
        model: its flags, where they differ from those of the recipe.
    """

    nonzeros: int
    parameters: int
    model: dict[str, int]


def small_models(recipe: Recipe, data: Path | None = None) -> dict[float, SmallModel]:
    """By rung in percent; empty where no control of the recipe asks for them.

    Args:
        recipe: the recipe.
        data: data folder in place of the recipe's corpus.

    Raises:
        PruneError: the architecture has no smaller ones, the corpus is unknown, or a dictionary is missing.
    """
    rungs = tuple(percent for percent in recipe.ladder if percent > 0)
    if not any(recipe.technique(name).is_small for name in (*recipe.names, *recipe.controls) if name != LONGER):
        return {}
    arguments = ("data", "--task", "translation_pruning", *flag_arguments(recipe.model.flags()))
    found = _ask(arguments, _vocabulary(recipe, data), recipe.prune_set, rungs)
    return dict(zip(rungs, found, strict=True))


def sizes(runs: Iterable[Run]) -> list[str]:
    """What such runs are trained with, one line per rung."""
    lines = {}
    for run in runs:
        if size := run.settings.get("size"):
            model, stacks = run.settings["model"], ("encoder", "decoder")
            shape = ", ".join(
                f"{stack} {model[f'{stack}_layers']} × {model[f'{stack}_embed_dim']}"
                f" (feed-forward {model[f'{stack}_ffn_embed_dim']}, heads {model[f'{stack}_attention_heads']})"
                for stack in stacks
            )
            numbers = f"{size['parameters']:,} parameters for {size['nonzeros']:,} non-zeros"
            lines[run.sparsity] = f"small dense for {100 * run.sparsity:g} %: {numbers}; {shape}"
    return [lines[sparsity] for sparsity in sorted(lines)]


def _vocabulary(recipe: Recipe, data: Path | None) -> tuple[int, int]:
    """Entries of the dictionaries: of the folder, or those that the corpus will have."""
    if data is not None:
        corpus = recipe.corpus
        source, target = (len(read_symbols(data / f"dict.{one}.txt")) for one in (corpus.source, corpus.target))
        return source, target
    from data_prep.corpora import CORPORA

    CORPORA.settings(recipe.corpus.name)
    size = recipe.corpus.vocab_size or CORPORA.entries()[recipe.corpus.name].vocab_size
    return size, size


@cache
def _ask(
    arguments: tuple[str, ...], vocabulary: tuple[int, int], prune_set: str, rungs: tuple[float, ...]
) -> list[SmallModel]:
    asked = {"arguments": arguments, "vocabulary": vocabulary, "prune_set": prune_set}
    asked["sparsities"] = [percent / 100 for percent in rungs]
    process = subprocess.run([sys.executable, "-m", _PROGRAM], input=json.dumps(asked), capture_output=True, text=True)
    if process.returncode:
        lines = [line for line in process.stderr.splitlines() if line.strip()]
        reason = (lines or [f"status {process.returncode}"])[-1]
        raise PruneError(f"small-dense: no smaller model of this architecture can be had: {reason}")
    return TypeAdapter(list[SmallModel]).validate_json(process.stdout)
