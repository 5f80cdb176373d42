"""Reading recipes: paths or names of shipped ones, and one line for whatever is wrong with them."""

import difflib
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.reports.published import load_published
from nmt_prune.experiments.recipe.inline_technique import TAGS, InlineTechnique
from nmt_prune.experiments.recipe.names import read_values, recipe_path
from nmt_prune.experiments.recipe.own_flags import with_own_flags
from nmt_prune.experiments.recipe.schema import Recipe
from nmt_prune.experiments.recipe.sections import Corpus
from nmt_prune.experiments.recipe.transfer_recipe import TransferRecipe
from nmt_prune.text.languages import language_pairs


def load_recipe(name_or_path: str) -> Recipe:
    """Reads a recipe.

    Args:
        name_or_path: a YAML file, or the name of a shipped recipe. The recipe's own name is by default the file's.

    Raises:
        PruneError: the file is missing or no YAML, or a key is unknown, missing or of the wrong type.
    """
    path = recipe_path(name_or_path)
    values = read_values(path)
    if values.get("extension"):
        values["extension"] = _beside(path, values["extension"])
    dense = values.get("dense") if values.get("kind") != "transfer" else None  # which has none
    if isinstance(dense, dict) and isinstance(dense.get("checkpoint"), str):
        values = with_own_flags(values)
    return as_recipe(values, str(path))


def as_recipe(values: dict[str, Any], source: str) -> Recipe:
    """The recipe of a mapping.

    Args:
        values: as a YAML file would have them.
        source: where they come from, for messages.

    Raises:
        PruneError: a key is unknown, missing or of the wrong type.
    """
    kind = TransferRecipe if values.get("kind") == "transfer" else Recipe
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise PruneError(f"{source}: {_describe(error, kind)}") from None
    except PruneError as error:
        raise PruneError(f"{source}: {error}") from None


def with_data(recipe: Recipe, data: Path) -> Recipe:
    """The recipe for a data folder of the user's own.

    Raises:
        PruneError: it lacks a subset or the text to score against, or holds several language pairs, or one that a paper
            whose numbers are to be shown has none for.
    """
    for name in ("train", "valid"):
        if len(language_pairs(data, name)) != 1:
            raise PruneError(f"--data {data} has no binarized subset {name!r} of one language pair; see nmt-prune data")
    subset = Subset.find(data, recipe.generation.subset, recipe.generation.reference)
    for name in recipe.published:
        load_published(name).require(f"{subset.source}-{subset.target}")
    corpus = Corpus(name=data.resolve().name, source=subset.source, target=subset.target)
    return recipe.model_copy(update={"corpus": corpus})


def _beside(recipe: Path, extensions: Any) -> Any:
    """The extension files of a recipe, which are relative to it, from wherever it is run."""
    listed = extensions if isinstance(extensions, list) else [extensions]
    return [str((recipe.parent / one).resolve()) if isinstance(one, str) else one for one in listed]


def _describe(error: ValidationError, kind: type[Recipe]) -> str:
    """The first thing that is wrong, in one line. Unknown keys first: they often are why another one is missing."""
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    problem = problems[0]
    key = ".".join(str(part) for part in problem["loc"] if part not in TAGS) or "recipe"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}; {_nearest(str(problem['loc'][-1]), _known_keys(kind, problem['loc'][:-1]))}"
    if problem["type"] == "missing":
        return f"the key {key} is missing"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    message = problem["msg"].removeprefix("Input ").replace("\n", " ")
    return f"{key} {message}, not {problem['input']!r}"


def _known_keys(kind: type[Recipe], location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = kind
    for key in location:
        if isinstance(key, int):
            continue
        if key in TAGS:
            section = InlineTechnique
            continue
        annotation = section.model_fields[str(key)].annotation
        if type(None) in get_args(annotation):
            annotation = get_args(annotation)[0]
        if get_origin(annotation) is list:
            annotation = get_args(annotation)[0]
        if str(key) == "techniques":
            continue  # the tag that follows says which kind of entry
        assert isinstance(annotation, type)
        section = annotation
    return list(section.model_fields)


def _nearest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=2)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
