"""Processes that see no more packages than some requirements would install."""

import os
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
SITE = """
import sys
owners, installed = OWNERS, INSTALLED
class Absent:
    def find_spec(self, name, path=None, target=None):
        if path is None and name in owners and not installed & set(owners[name]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def environment(requirements: list[str], folder: Path) -> dict[str, str]:
    """The environment of such a process, whose working directory is not the checkout.

    Args:
        requirements: as in pyproject.toml.
        folder: where a file may be written that Python runs when it starts.
    """
    owners = {module: [*map(canonicalize_name, names)] for module, names in packages_distributions().items()}
    (folder / "sitecustomize.py").write_text(
        SITE.replace("OWNERS", repr(owners)).replace("INSTALLED", repr(closure(requirements)))
    )
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"}


def closure(requirements: list[str]) -> set[str]:
    """Names of the distributions that these requirements install, and this package itself."""
    found: set[str] = {"nmt-prune"}
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        requirement = waiting.pop()
        if (name := canonicalize_name(requirement.name)) in found:
            continue
        found.add(name)
        try:
            own = requires(requirement.name) or []
        except PackageNotFoundError:
            continue
        waiting += [one for one in map(Requirement, own) if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found
