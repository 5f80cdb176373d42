"""What is not a technique's own in its runs: another model, saliency, schedule or reset; of variants all there is."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nmt_prune.evaluation.records.run import RunRecord
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.techniques import DENSE, Technique, techniques

_LENGTH = ("max_update", "total_num_update")


def variants(records: Iterable[RunRecord]) -> dict[str, str]:
    """Says it by technique, e.g. ``saliency random, schedule ramp:interval=5``; techniques as they are are left out."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    # The last rung speaks for a technique: lower ones may be start rounds, which are another's.
    records = sorted(records, key=lambda record: -record.sparsity)
    dense = next((record.settings for record in records if record.technique == DENSE), {})
    usual = _common([record.settings.get("training") or {} for record in records if record.step == "train"])
    for record in records:
        if record.technique in seen:
            continue
        seen.add(record.technique)
        differing = _model(record.settings, dense.get("model") or {}) if dense.get("model") else []
        pruning = record.settings.get("pruning") or {}
        if pruning.get("saliency"):
            technique = techniques.get(record.technique)
            differing += [f"{key} {spec}" for key, spec in _differing(technique, pruning).items()]
            differing += [] if technique else _taught_and_trained(record.settings, usual)
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
        further = ("budget", "group", "prune_set", "quantizer", "regulariser")
        own = {key: pruning[key] for key in further if pruning.get(key) not in (None, getattr(defaults, key, None))}
        return given | {key.replace("_", "-"): spec for key, spec in own.items()}
    own = {
        "saliency": technique.flags.get("saliency", defaults.saliency),
        "schedule": technique.schedule,
        "reset": technique.reset,
    }
    return {key: spec for key, spec in given.items() if spec != own[key] and not _is_filled_in(spec, own[key])}


def _common(trainings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The flags that all trainings have."""
    first, *others = trainings or [{}]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _taught_and_trained(settings: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    """Training flags of a variant that not all have, but for its length, and who has taught it."""
    given = {key: value for key, value in (settings.get("training") or {}).items() if key not in _LENGTH}
    found = [f"{key.replace('_', '-')} {value}" for key, value in given.items() if usual.get(key) != value]
    teacher = settings.get("teacher") or {}
    found += [f"teacher {key} {teacher[key]:g}" for key in ("word", "hidden") if teacher.get(key)]
    return [*found, *(["the teacher's translations"] if teacher.get("sequence") else [])]


def _is_filled_in(spec: str, own: str) -> bool:
    """Whether it is the technique's own schedule with the moments of the recipe."""
    return (
        ":" not in own
        and spec.partition(":")[0] == own
        and own in ("cubic", "oneshot", "layerwise", "rigl", "granet", "acdc")
    )
