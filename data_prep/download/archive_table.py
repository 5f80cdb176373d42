"""Tables of training archives: which corpus lies where, under which digest, and in which members."""

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from data_prep.download.files import Remote
from nmt_prune.errors import PruneError


class Archive(BaseModel):
    """A row of the table: an archive with one parallel corpus in it.

    Attributes:
        corpus: name of the corpus.
        pairs: language pairs that it is training text of, e.g. ``en-de en-fr``.
        url: address of the archive.
        bytes: its size.
        sha256: its SHA-256 in hexadecimal.
        member: path in the archive, with ``{side}`` for the language of the file and ``{l}`` for the one that is not
            English.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: Annotated[str, Field(pattern=r"^\w[\w.-]*$")]
    pairs: Annotated[tuple[str, ...], BeforeValidator(lambda text: str(text).split())]
    url: Annotated[str, Field(pattern=r"^https?://[^/]+/.*[^/]$")]
    bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    member: Annotated[str, Field(pattern=r"\{side\}")]

    @property
    def remote(self) -> Remote:
        """The archive as a download, under the last part of its address."""
        return Remote(PurePosixPath(urlsplit(self.url).path).name, self.url, self.bytes, self.sha256)

    def path(self, side: str, other: str) -> str:
        """Path in the archive of the file in the language ``side``; ``other`` is the language beside English."""
        return self.member.replace("{side}", side).replace("{l}", other)


def read_table(table: Path) -> list[Archive]:
    """Reads a table of tab-separated values, with the fields of :class:`Archive` as columns.

    Raises:
        PruneError: the file cannot be read, a row is not valid, or two different archives have the same name.
    """
    rows = list(_rows(table))
    digests: dict[str, str] = {}
    for archive in rows:
        if digests.setdefault(archive.remote.name, archive.sha256) != archive.sha256:
            raise PruneError(f"{table}: two archives are called {archive.remote.name}; rename one")
    if not rows:
        raise PruneError(f"{table} lists no archive; its columns are {', '.join(Archive.model_fields)}")
    return rows


def _rows(table: Path) -> Iterator[Archive]:
    try:
        lines = table.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PruneError(f"--archives {table} cannot be read: {error}") from None
    for number, row in enumerate(csv.DictReader(lines, delimiter="\t"), start=2):
        values: dict[str, Any] = {str(key): value for key, value in row.items()}
        try:
            yield Archive.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            column = ".".join(map(str, first["loc"]))
            raise PruneError(f"{table}, line {number}, column {column}: {first['msg']}") from None
