"""Which folder imports which: always downwards, so that the folders stand on floors and make no circle."""

import ast
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("data_prep", "nmt_prune")
PUBLIC = {
    f"nmt_prune.{name}": f"nmt_prune.pruning.{name}"
    for name in ("saliency", "budgets", "groups", "schedules", "resets", "regularisers", "quantization")
}


def modules() -> dict[str, Path]:
    """All modules by name."""
    found = {}
    for package in PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports() -> dict[str, set[str]]:
    """What each module imports of ours, within functions and for type checkers too."""
    known, found = modules(), defaultdict(set)
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names if alias.name.split(".")[0] in PACKAGES]
            else:
                continue
            for target in targets:
                while target not in known:
                    target = target.rpartition(".")[0]
                if target != name:
                    found[name].add(target)
    return found


def room(module: str) -> str:
    """The folder of a module; files that lie in a package's own folder are rooms of their own."""
    path = modules_by_name[module].relative_to(REPOSITORY)
    return str(path.parent if len(path.parts) > 2 or path.name == "__init__.py" else path)


modules_by_name = modules()


def arrows() -> dict[tuple[str, str], tuple[str, str]]:
    """Imports from one room to another, each with two modules that show it."""
    found = {}
    for name, targets in imports().items():
        for target in targets:
            if room(name) != room(target):
                found.setdefault((room(name), room(target)), (name, target))
    return found


def floors(found: dict[tuple[str, str], tuple[str, str]]) -> dict[str, int]:
    """Rooms by floor: each above all that it imports.

    Raises:
        CycleError: there is a circle.
    """
    below = defaultdict(set)
    for upper, lower in found:
        below[upper].add(lower)
    floor: dict[str, int] = {}
    for one in TopologicalSorter(below).static_order():
        floor[one] = 1 + max((floor[other] for other in below[one]), default=0)
    return floor


def test_no_folder_imports_upwards():
    found = arrows()
    try:
        floor = floors(found)
    except CycleError as error:
        circle = error.args[1]
        shown = [" imports ".join(found[pair]) for pair in zip(circle[1:], circle, strict=False) if pair in found]
        pytest.fail(f"a circle: {'; '.join(shown)}")
    way = ["masks", "training", "pruning", "models", "tasks", "evaluation", "cli"]  # of a mask
    levels = [floor[f"nmt_prune/{name}"] for name in way]
    assert levels == sorted(set(levels))


def test_only_the_edge_imports_fairseq():
    edge = ("models", "tasks", "optimizers", "criterions", "measuring")
    inside = [
        name
        for name, path in modules_by_name.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("fairseq", "fairseq_cli"))
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "fairseq" for alias in node.names))
    ]
    assert [name for name in inside if name.split(".")[1] not in edge] == []


@pytest.mark.parametrize("public", PUBLIC)
def test_extension_files_have_short_names_for_the_registries(public):
    home = __import__(PUBLIC[public], fromlist=["_"])
    module = __import__(public, fromlist=["_"])
    assert module.__all__
    assert all(getattr(module, name) is getattr(home, name) for name in module.__all__)


if __name__ == "__main__":  # python -m tests.test_imports: the floors, from the ground up
    found = arrows()
    floor = floors(found)
    folders = {pair for pair in found if not any(one.endswith(".py") for one in pair)}
    for level in range(1, max(floor.values()) + 1):
        sys.stdout.write(f"{level}: {', '.join(sorted(one for one in floor if floor[one] == level))}\n")
    sys.stdout.write(f"{len(folders)} import arrows between folders, {max(floor.values())} floors\n")
