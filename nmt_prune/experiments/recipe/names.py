"""Where recipes are and what they are called, without judging them, which takes seconds."""

from pathlib import Path
from typing import Any

import yaml

from nmt_prune.errors import PruneError

SHIPPED = Path(__file__).parents[2] / "recipes"


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def recipe_path(name_or_path: str) -> Path:
    """The file of a recipe.

    Args:
        name_or_path: a YAML file, or the name of a shipped recipe.
    """
    path = Path(name_or_path)
    is_name = not path.exists() and name_or_path in shipped_recipes()
    return SHIPPED / f"{name_or_path}.yaml" if is_name else path


def read_values(path: Path) -> dict[str, Any]:
    """The mapping of a recipe file; its own name is by default the file's.

    Raises:
        PruneError: the file is missing or no YAML mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        shipped = ", ".join(shipped_recipes())
        raise PruneError(f"recipe {path} does not exist; give a YAML file or one of: {shipped}") from None
    except OSError as error:
        raise PruneError(f"cannot read the recipe {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PruneError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise PruneError(f"{path} is not YAML{where}: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(values, dict):
        raise PruneError(f"{path} is not a recipe; it should be a mapping with name, corpus, model, training, ...")
    return {"name": path.stem, **values}
