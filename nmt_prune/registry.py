"""A registry: names of interchangeable entries, each a dataclass whose fields are its settings.

Flags, recipes and the command line all choose an entry with a *spec*: ``name`` or ``name:setting=value,setting=value``.
"""

import dataclasses
import difflib
import hashlib
import importlib
import importlib.util
import math
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from nmt_prune.errors import PruneError
from nmt_prune.guarding import described, failure, guard, is_foreign, source

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to dataclasses of one kind (saliencies, budgets, schedules, resets).

    Args:
        kind: what the entries are called in messages, e.g. ``saliency``.
        package: package whose modules register the entries; each module is imported on the first use. The base class
            of the entries is its class of that name, e.g. ``Saliency``.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._entries: dict[str, type[T]] = {}
        self._origins: dict[str, ModuleType] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator that makes a dataclass available as ``name``.

        Raises:
            PruneError: the name is taken or no spec could give it, or the class cannot be an entry.
        """

        def add(entry: type[T]) -> type[T]:
            origin = sys.modules[entry.__module__]
            if is_foreign(entry):
                self._check(name, entry, origin)
                guard(self.kind, name, entry, self._base())
            self._entries[name] = entry
            self._origins[name] = origin
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
                takes = ", ".join(allowed) or "no settings"
                hint = f"; did you mean {key}-{name}?" if f"{key}-{name}" in self.entries() else ""
                raise PruneError(f"{self.kind} {spec!r}: unknown setting {key!r}; {name} takes {takes}{hint}")
            try:
                values[key] = TypeAdapter(types[key]).validate_python(text)
            except ValidationError as error:
                raise PruneError(f"{self.kind} {spec!r}: {key}={text!r}: {error.errors()[0]['msg']}") from None
            if isinstance(values[key], float) and not math.isfinite(values[key]):
                raise PruneError(f"{self.kind} {spec!r}: {key}={text!r}: give a finite number")
        if missing := [key for key, default in allowed.items() if default is dataclasses.MISSING and key not in values]:
            raise PruneError(f"{self.kind} {spec!r}: {name} needs {missing[0]}; write {name}:{missing[0]}=VALUE")
        accepted = {field.name for field in dataclasses.fields(entry)}  # type: ignore[arg-type]
        values |= {key: value for key, value in context.items() if key in accepted}
        try:
            return entry(**values)
        except PruneError:
            raise
        except Exception as error:
            if not is_foreign(entry):
                raise
            raise PruneError(f"{self.kind} {spec!r} ({described(entry)}) {failure(error, source(entry))}") from error

    def _base(self) -> type:
        return getattr(importlib.import_module(self._package), self.kind.capitalize(), object)

    def _check(self, name: str, entry: type[T], origin: ModuleType) -> None:
        """Refuses what could never be chosen or would be chosen in place of something else."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise PruneError(f"{self.kind} {name!r}: a name has letters, digits, dots, dashes and underscores only")
        taken = self.entries().get(name)  # once the entries of the package are there
        if taken is not None:
            before = self._origins[name]
            is_reload = before.__name__ == origin.__name__ and before is not origin
            if not is_reload:
                raise PruneError(
                    f"{self.kind} {name!r} exists already ({described(taken)}); give {entry.__name__} another name"
                )
        base = self._base()
        if not issubclass(entry, base):
            raise PruneError(
                f"{self.kind} {name!r}: {entry.__name__} does not extend {base.__module__}.{base.__name__}"
            )
        if "__dataclass_fields__" not in vars(entry):
            raise PruneError(f"{self.kind} {name!r}: put @dataclass(frozen=True) between register and {entry.__name__}")
        if missing := sorted(getattr(entry, "__abstractmethods__", ())):
            raise PruneError(
                f"{self.kind} {name!r}: {entry.__name__} lacks {', '.join(missing)}; see {base.__module__}"
            )

    def _find(self, name: str) -> type[T]:
        entries = self.entries()
        if name not in entries:
            close = difflib.get_close_matches(name, entries, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise PruneError(f"unknown {self.kind} {name!r}; {hint}known: {', '.join(entries)}")
        return entries[name]


def load_extensions(paths: Iterable[Path | str] | str | None) -> None:
    """Runs Python files of the user's that register entries of their own.

    Args:
        paths: the files, or their paths as one text with ``:`` between them.

    Raises:
        PruneError: one of them does not exist or fails.
    """
    for path in [paths] if isinstance(paths, str) else paths or ():
        for part in str(path).split(os.pathsep):
            load_extension(part)


def load_extension(path: Path | str) -> None:
    """Runs a Python file of the user's that registers entries of its own; what it registered before is replaced.

    Raises:
        PruneError: the file does not exist or fails.
    """
    path = Path(path)
    if not path.exists():
        raise PruneError(f"extension {path} does not exist; give the path of a Python file")
    # Files of the same name in different folders are different modules.
    name = f"nmt_prune_extension_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    specification = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or specification is None or specification.loader is None:
        kind = "a folder" if path.is_dir() else "not a Python file (*.py)"
        raise PruneError(f"extension {path} is {kind}; give the path of a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where dataclasses look up annotations that are strings
    try:
        # Cached bytecode would still be that of before an edit within the same second.
        exec(compile(path.read_bytes(), str(specification.origin), "exec", dont_inherit=True), vars(module))
    except PruneError as error:
        raise PruneError(f"extension {path}: {error}") from error
    except (Exception, SystemExit) as error:
        raise PruneError(f"extension {path} {failure(error, path)}") from error
