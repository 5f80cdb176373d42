"""What is not a technique's own in its runs: another model, saliency, schedule or reset."""

from collections.abc import Iterable, Mapping
from typing import Any

from nmt_prune.evaluation.records.run import RunRecord
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.techniques import DENSE, Technique, techniques


def variants(records: Iterable[RunRecord]) -> dict[str, str]:
    """Says it by technique, e.g. ``saliency random, schedule ramp:interval=5``; techniques as they are are left out."""
    found: dict[str, str] = {}
    records = list(records)
    dense = next((record.settings.get("model") for record in records if record.technique == DENSE), None)
    for record in records:
        if record.technique in found:
            continue
        differing = _model(record.settings, dense) if dense else []
        pruning = record.settings.get("pruning") or {}
        if pruning.get("saliency"):
            technique = techniques.get(record.technique)
            differing += [f"{key} {spec}" for key, spec in _differing(technique, pruning).items()]
        if differing:
            found[record.technique] = ", ".join(differing)
    return found


def _model(settings: Mapping[str, Any], dense: Mapping[str, Any]) -> list[str]:
    """Flags of the model that are not the dense model's; what a small dense one has differs from rung to rung."""
    own = {} if "size" in settings else settings.get("model", {})
    flags = [f"{key.replace('_', '-')} {value}" for key, value in own.items() if dense.get(key) != value]
    return [f"model {', '.join(flags)}"] if flags else []


def _differing(technique: Technique | None, pruning: Mapping[str, str]) -> dict[str, str]:
    defaults = PruningSettings()
    given = {
        "saliency": pruning["saliency"],
        "schedule": pruning.get("schedule", defaults.schedule),
        "reset": pruning.get("reset", defaults.reset),
    }
    if technique is None:
        return given
    own = {
        "saliency": technique.flags.get("saliency", defaults.saliency),
        "schedule": technique.schedule,
        "reset": technique.reset,
    }
    return {key: spec for key, spec in given.items() if spec != own[key] and not _is_filled_in(spec, own[key])}


def _is_filled_in(spec: str, own: str) -> bool:
    """Whether it is the technique's own schedule with the moments of the recipe."""
    return (
        ":" not in own
        and spec.partition(":")[0] == own
        and own in ("cubic", "oneshot", "layerwise", "rigl", "granet", "acdc")
    )
