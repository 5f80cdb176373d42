"""What is not a technique's own in its runs: another saliency, schedule or reset."""

from collections.abc import Iterable, Mapping

from nmt_prune.evaluation.records import RunRecord
from nmt_prune.settings import PruningSettings
from nmt_prune.techniques import Technique, techniques


def variants(records: Iterable[RunRecord]) -> dict[str, str]:
    """Says it by technique, e.g. ``saliency random, schedule ramp:interval=5``; techniques as they are are left out."""
    found: dict[str, str] = {}
    for record in records:
        pruning = record.settings.get("pruning") or {}
        if pruning.get("saliency") and record.technique not in found:
            technique = techniques.get(record.technique)
            differing = ", ".join(f"{key} {spec}" for key, spec in _differing(technique, pruning).items())
            if differing:
                found[record.technique] = differing
    return found


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
    return ":" not in own and spec.partition(":")[0] == own and own in ("cubic", "oneshot", "layerwise", "rigl")
