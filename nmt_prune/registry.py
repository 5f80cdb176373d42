"""A registry: names of interchangeable entries, each a dataclass whose fields are its settings.

Flags, recipes and the command line all choose an entry with a *spec*: ``name`` or ``name:setting=value,setting=value``.
"""

import dataclasses
import difflib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from nmt_prune.errors import PruneError

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to dataclasses of one kind (saliencies, budgets, schedules, resets).

    Args:
        kind: what the entries are called in messages, e.g. ``saliency``.
        package: package whose modules register the entries; each module is imported on the first use.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, type[T]] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator that makes a dataclass available as ``name``."""

        def add(entry: type[T]) -> type[T]:
            self._entries[name] = entry
            return entry

        return add

    def entries(self) -> dict[str, type[T]]:
        """All entries by name, sorted."""
        if not self._loaded:
            self._loaded = True
            package = importlib.import_module(self._package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self._package}.{module.name}")
        return dict(sorted(self._entries.items()))

    def settings(self, name: str) -> dict[str, Any]:
        """The settings that a spec may give for an entry, with their defaults."""
        fields = dataclasses.fields(self._find(name))  # type: ignore[arg-type]
        return {field.name: field.default for field in fields if not field.kw_only}

    def build(self, spec: str, **context: Any) -> T:
        """Builds the entry that ``spec`` names.

        Args:
            spec: ``name`` or ``name:setting=value,...``.
            **context: keyword-only fields of the entry, given by the caller and not by the user.

        Raises:
            PruneError: unknown name or setting, or a value of the wrong type.
        """
        name, _, assignments = spec.partition(":")
        entry = self._find(name)
        types, allowed, values = get_type_hints(entry), self.settings(name), {}
        for assignment in filter(None, assignments.split(",")):
            key, equals, text = (part.strip() for part in assignment.partition("="))
            if not equals or key not in allowed:
                raise PruneError(
                    f"{self.kind} {spec!r}: unknown setting {key!r}; {name} takes {', '.join(allowed) or 'no settings'}"
                )
            try:
                values[key] = TypeAdapter(types[key]).validate_python(text)
            except ValidationError as error:
                raise PruneError(f"{self.kind} {spec!r}: {key}={text!r}: {error.errors()[0]['msg']}") from None
        if missing := [key for key, default in allowed.items() if default is dataclasses.MISSING and key not in values]:
            raise PruneError(f"{self.kind} {spec!r}: {name} needs {missing[0]}; write {name}:{missing[0]}=VALUE")
        accepted = {field.name for field in dataclasses.fields(entry)}  # type: ignore[arg-type]
        return entry(**values, **{key: value for key, value in context.items() if key in accepted})

    def _find(self, name: str) -> type[T]:
        entries = self.entries()
        if name not in entries:
            close = difflib.get_close_matches(name, entries, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise PruneError(f"unknown {self.kind} {name!r}; {hint}known: {', '.join(entries)}")
        return entries[name]


def load_extension(path: Path | str) -> None:
    """Runs a Python file of the user's that registers entries of its own.

    Raises:
        PruneError: the file does not exist or fails.
    """
    path = Path(path)
    specification = importlib.util.spec_from_file_location(f"nmt_prune_extension_{path.stem}", path)
    if not path.is_file() or specification is None or specification.loader is None:
        raise PruneError(f"extension {path} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # where dataclasses look up annotations that are strings
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise PruneError(f"extension {path} failed: {type(error).__name__}: {error}") from error
