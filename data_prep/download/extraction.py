"""Taking a few members out of a large archive, in one pass and without a second copy of anything."""

import difflib
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from gzip import GzipFile
from pathlib import Path
from typing import IO, BinaryIO, cast

from nmt_prune.errors import PruneError

# Larger ones are slower: tarfile copies what it has unpacked too far.
_BLOCK = 1 << 16


def extract(archive: Path, members: Mapping[str, Path]) -> None:
    """Writes members of a tar archive, compressed or not, to files; stops reading when all are written.

    Nothing is ever written to a name that the archive gives. A file appears when it is complete; one that is there
    already is kept. Of members with the same name the first counts.

    Args:
        archive: the archive.
        members: file to write for each member, by the member's path; a member that ends in ``.gz`` is unpacked.

    Raises:
        PruneError: the archive is damaged, lacks a member or has something else than a file under its name, or the
            disk is full.
    """
    wanted = {_normal(name): target for name, target in members.items() if not target.exists()}
    if not wanted:
        return
    seen = []
    with _readable(archive), tarfile.open(archive, "r|*", bufsize=_BLOCK) as tar:
        for member in tar:
            name = _normal(member.name)
            seen.append(name)
            if name in wanted:
                _write(archive, tar, member, wanted.pop(name))
            if not wanted:
                return
    missing = next(iter(wanted))
    similar = difflib.get_close_matches(missing, seen, n=3, cutoff=0.5)
    hint = f"similar names in it: {', '.join(map(repr, similar))}" if similar else f"it has {len(seen)} other members"
    raise PruneError(f"{archive} has no member {missing} ({hint}); check the list of corpora, or get the archive again")


def _normal(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _write(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise PruneError(f"{archive}: {member.name} is a link, folder or device, not a file; get the archive again")
    if member.name.endswith(".gz"):
        content = cast("IO[bytes]", GzipFile(fileobj=content))
    with _appearing(target) as file:
        for block in _blocks(archive, member, content):
            file.write(block)
        if file.tell() == 0:
            raise PruneError(f"{archive}: {member.name} is empty; get the archive again")


def _blocks(archive: Path, member: tarfile.TarInfo, content: IO[bytes]) -> Iterator[bytes]:
    with _readable(archive, member.name):
        while block := content.read(_BLOCK):
            yield block


@contextmanager
def _appearing(target: Path) -> Iterator[BinaryIO]:
    """A file that is renamed into place when it is complete.

    Its name until then is always the same: what a killed run leaves can be gigabytes, and the next one writes over it.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(target)
    except OSError as error:
        raise PruneError(
            f"{target} cannot be written: {error.strerror}; free some space and repeat the command"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def _readable(archive: Path, member: str = "") -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        place = f"{archive}: {member}" if member else str(archive)
        raise PruneError(
            f"{place} cannot be read ({error}): the archive is damaged or cut off; delete it and repeat the command"
        ) from error
