"""Entries of a user's own: what fails in one, or comes out of one wrong, is one line that names it."""

import functools
import inspect
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from nmt_prune.errors import TRACEBACK, PruneError

SAME_SHAPE = {"score_matrix": "weight", "survivors": "weight", "shrinks": "norms"}
"""Methods that return a tensor of the shape of an argument."""


def is_foreign(entry: type) -> bool:
    """Whether a class is not one that comes with this package."""
    return entry.__module__.split(".")[0] not in ("nmt_prune", "data_prep")


def described(entry: type) -> str:
    """A class and its file."""
    return f"{entry.__name__} in {source(entry) or entry.__module__}"


def source(entry: type) -> str | None:
    """The file of a class."""
    return getattr(sys.modules.get(entry.__module__), "__file__", None)


def failure(error: BaseException, file: Path | str | None) -> str:
    """What failed, and in which line of a file, in one line."""
    if isinstance(error, SyntaxError):
        return f"failed: line {error.lineno}: {type(error).__name__}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    place = f"line {lines[-1]}: " if lines else ""
    text = " ".join(str(error).split())
    return f"failed: {place}{type(error).__name__}: {text}; {TRACEBACK}=1 in the environment shows the traceback"


def guard(kind: str, name: str, entry: type, base: type) -> None:
    """Wraps what a class overrides of the package's, so that failures and wrong results become PruneErrors.

    Args:
        kind: kind of the entry, e.g. ``saliency``.
        name: its name in the registry.
        entry: the class, which is changed in place.
        base: the base class of this kind.
    """
    for attribute in dir(base):
        owner = next(owner for owner in entry.__mro__ if attribute in vars(owner))
        if not is_foreign(owner) or attribute.startswith("__"):
            continue
        own = vars(owner)[attribute]
        contract = next(vars(parent)[attribute] for parent in base.__mro__ if attribute in vars(parent))
        label = f"{kind} {name!r} ({described(entry)}): {attribute}"
        file = source(entry)
        if isinstance(own, property) and own.fget is not None:
            setattr(entry, attribute, property(_guarded(own.fget, contract, attribute, label, file)))
        elif inspect.isfunction(own):
            setattr(entry, attribute, _guarded(own, contract, attribute, label, file))


def _guarded(
    function: Callable[..., Any], contract: Any, attribute: str, label: str, file: str | None
) -> Callable[..., Any]:
    original: Any = contract.fget if isinstance(contract, property) else contract
    try:
        expected = get_type_hints(original).get("return")
        signature: inspect.Signature | None = inspect.signature(original)
    except (NameError, TypeError):
        expected, signature = None, None

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            result = function(*arguments, **named)
        except PruneError:
            raise
        except Exception as error:
            raise PruneError(f"{label} {failure(error, file)}") from error
        given = signature.bind(*arguments, **named).arguments if signature else {}
        if problem := _wrong_type(result, expected) or _wrong_value(attribute, given, result):
            raise PruneError(f"{label} {problem}")
        return result

    return call


def _wrong_type(result: Any, expected: Any) -> str | None:
    options = get_args(expected) if get_origin(expected) in (Union, types.UnionType) else (expected,)
    accepted = tuple(kind for option in options if isinstance(kind := get_origin(option) or option, type))
    if not accepted or len(accepted) < len(options):
        return None
    if float in accepted:
        accepted += (int,)
    if isinstance(result, accepted):
        return None
    return f"returned {type(result).__name__}, expected {' or '.join(kind.__name__ for kind in accepted)}"


def _wrong_value(attribute: str, given: Mapping[str, Any], result: Any) -> str | None:
    """What is wrong with a result of the right type."""
    where = f" for {given['prunable'].name}" if "prunable" in given else ""
    if attribute in SAME_SHAPE and result.shape != (shape := given[SAME_SHAPE[attribute]].shape):
        return f"returned a tensor of shape {tuple(result.shape)}{where}, expected {tuple(shape)}"
    if attribute == "shrinks" and result.dtype != torch.bool:
        return f"returned {result.dtype}, expected torch.bool"
    if attribute == "score_matrix" and (result.is_complex() or result.dtype == torch.bool):
        return f"returned {result.dtype}{where}, expected a float tensor"
    if attribute in ("score_matrix", "survivors") and result.isnan().any() and not given["weight"].isnan().any():
        return f"returned NaN{where}"
    if attribute == "penalty" and result.numel() != 1:
        return f"returned a tensor of shape {tuple(result.shape)}, expected one number"
    if attribute == "sparsity" and not 0 <= result < 1:
        return f"returned {result:g}, expected a share of the weights in [0, 1)"
    if attribute in ("score", "score_model", "measure"):
        return _wrong_scores(given, result)
    if attribute == "base" and (missing := [name for name in given["rewind_point"] if name not in result]):
        return f"lacks {missing[0]}, expected every tensor of the rewind point"
    if attribute in ("_distribute", "select"):
        return _wrong_masks(given, result)
    if attribute == "membership" and result is not None:
        return _wrong_groups(given, result, where)
    return None


def _wrong_scores(given: Mapping[str, Any], result: Any) -> str | None:
    if not isinstance(result, dict):
        return None  # computed on demand
    for prunable in given.get("weights", ()):
        score = result.get(prunable.name)
        if not isinstance(score, Tensor) or tuple(score.shape) != prunable.shape:
            found = tuple(score.shape) if isinstance(score, Tensor) else score
            return f"returned {found} for {prunable.name}, expected a float tensor of shape {prunable.shape}"
    return None


def _wrong_masks(given: Mapping[str, Any], result: Any) -> str | None:
    alive = given["alive"]
    if list(result) != list(alive):
        return "returned masks of other matrices, expected one for each of alive"
    for prunable in alive.prunables:
        if result[prunable.name].shape != alive[prunable.name].shape:
            return f"returned a mask of another shape for {prunable.name}"
        if (result[prunable.name] & ~alive[prunable.name]).any():
            return f"revived weights of {prunable.name}; what is pruned stays pruned"
    kept = sum(result.kept(prunable) for prunable in alive.prunables)
    if "count" in given and kept != given["count"]:
        return f"kept {kept} weights, expected {given['count']}"
    return None


def _wrong_groups(given: Mapping[str, Any], result: Any, where: str) -> str | None:
    shape, size = given["prunable"].shape, result.family.shape[0] * result.family.shape[1]
    try:
        torch.broadcast_shapes(result.ids.shape, shape)
        fits = result.ids.expand(shape).shape == shape
    except RuntimeError:
        fits = False
    if not fits:
        return f"returned ids of shape {tuple(result.ids.shape)}{where}, which do not broadcast to {shape}"
    if result.ids.dtype != torch.int64 or int(result.ids.min()) < 0 or int(result.ids.max()) >= size:
        return f"returned ids{where} that are not int64 positions below {size}, the groups of the family"
    return None
