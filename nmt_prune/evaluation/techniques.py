"""The order and the names in which techniques appear in tables and plots.

A name that is not listed is shown as it is, after the listed ones: a new technique needs no entry here.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

DENSE = "dense"
LONGER = "dense-longer"
"""The equal-update control: the dense model trained on. Its runs differ in their updates, not in their sparsity."""

_TECHNIQUES = {
    "mp": "MP",
    "lt": "LT",
    "slt": "SLT",
    "clt": "CLT",
    "slt-mp": "SLT-MP",
    "mp-slt": "MP-SLT",
    "finetune": "fine-tuning",
    "lr-rewind": "LR rewinding",
    "snip": "SNIP",
    "grasp": "GraSP",
    "grasp-preserve": "GraSP, absolute",
    "synflow": "SynFlow",
    "oes": "OES",
    "rigl": "RigL",
    "movement": "movement",
    "soft-movement": "soft movement",
    "hard-concrete": "Hard-Concrete heads",
    "greedy": "greedy channels",
    "greedy-calibration": "greedy channels, calibration",
    "greedy-oneshot": "one-shot channels",
    "wpc": "WPC, ternary",
    "ternary": "ternary",
    "int8": "int8",
    "int4": "int4",
}
_CONTROLS = {
    LONGER: "dense, trained on",
    "random": "random mask",
    "random-init": "random mask at initialisation",
    "shuffled": "shuffled mask",
    "inverted": "inverted mask",
    "reinit": "survivors re-initialised",
    "shuffle-weights": "survivors shuffled",
    "shuffle-layers": "layers shuffled",
    "clt-random-sign": "CLT, random signs",
}
_SEARCHED = {
    f"subnetwork-{name}{suffix}": f"{name}, {how}"
    for suffix, how in (("-pruned", "pruned"), ("", "retrained"))
    for name in ("good", "random", "bad")
}
_SEARCHED_BY_NAME = re.compile(rf"(?P<subnetwork>{'|'.join(_SEARCHED)})(-(?P<search>\w+))?")
_ORDER = [DENSE, *_TECHNIQUES, *_CONTROLS]


def label(technique: str) -> str:
    """The name that readers see."""
    if found := _SEARCHED_BY_NAME.fullmatch(technique):
        search = f"{found['search']}: " if found["search"] else ""
        return search + _SEARCHED[found["subnetwork"]]
    return {**_TECHNIQUES, **_CONTROLS}.get(technique, technique)


def is_control(technique: str) -> bool:
    """Whether a technique is only there to be compared with."""
    return technique in _CONTROLS


def is_searched(technique: str) -> bool:
    """Whether a search decided the sparsity: it has no target, and its seeds differ in it."""
    return _SEARCHED_BY_NAME.fullmatch(technique) is not None


def ordered(techniques: Iterable[str]) -> list[str]:
    """Techniques without repetition in the order of Brix et al. 2020, Table 1; subnetworks search by search; others."""
    return sorted(set(techniques), key=_rank)


def _rank(technique: str) -> tuple[int, str, int, str]:
    if found := _SEARCHED_BY_NAME.fullmatch(technique):
        return len(_ORDER), found["search"] or "", list(_SEARCHED).index(found["subnetwork"]), ""
    return _ORDER.index(technique) if technique in _ORDER else len(_ORDER) + 1, "", 0, technique


class Cell(NamedTuple):
    """A place in the table; the runs in it differ only in their seeds.

    Attributes:
        technique: what was done.
        sparsity: target sparsity.
        updates: total updates where they tell runs of a technique apart, else 0.
    """

    technique: str
    sparsity: float
    updates: int = 0

    @classmethod
    def of(cls, technique: str, sparsity: float, total_updates: int) -> "Cell":
        """The place of a run."""
        return cls(technique, sparsity, total_updates if technique == LONGER else 0)
