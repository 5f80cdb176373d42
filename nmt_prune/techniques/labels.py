"""The names and the order in which techniques appear in tables and figures.

A name that is not in the table, as a recipe or an extension may have, is shown as it is, after the others.
"""

import re
from collections.abc import Iterable

from nmt_prune.techniques.table import techniques
from nmt_prune.techniques.technique import DENSE, LONGER

_SEARCHED = {
    name: techniques[name].label
    for name in (f"subnetwork-{which}{how}" for how in ("-pruned", "") for which in ("good", "random", "bad"))
}
_SEARCHED_BY_NAME = re.compile(rf"(?P<subnetwork>{'|'.join(_SEARCHED)})(-(?P<search>\w+))?")


def label(technique: str) -> str:
    """The name that readers see."""
    if found := _SEARCHED_BY_NAME.fullmatch(technique):
        search = f"{found['search']}: " if found["search"] else ""
        return search + _SEARCHED[found["subnetwork"]]
    if technique == LONGER:
        return "dense, trained on"
    return techniques[technique].label if technique in techniques else technique


def is_control(technique: str) -> bool:
    """Whether a technique is only there to be compared with; what a search found is told apart by its label."""
    if is_searched(technique):
        return False
    return technique == LONGER or (technique in techniques and techniques[technique].is_control)


def is_small(technique: str) -> bool:
    """Whether its runs are dense models with as many parameters as their rung leaves non-zero."""
    return technique in techniques and techniques[technique].is_small


def is_searched(technique: str) -> bool:
    """Whether a search decided the sparsity: it has no target, and its seeds differ in it."""
    return _SEARCHED_BY_NAME.fullmatch(technique) is not None


def ordered(names: Iterable[str]) -> list[str]:
    """Techniques without repetition: dense, techniques, controls, subnetworks search by search, others."""
    order = [DENSE, *sorted((LONGER, *techniques), key=is_control)]

    def rank(name: str) -> tuple[int, str, int, str]:
        if found := _SEARCHED_BY_NAME.fullmatch(name):
            return len(order), found["search"] or "", list(_SEARCHED).index(found["subnetwork"]), ""
        return order.index(name) if name in order else len(order) + 1, "", 0, name

    return sorted(set(names), key=rank)
