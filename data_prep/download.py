"""Downloads: files of known size and SHA-256, several at once, into a folder that keeps them.

Unlike pooch, which downloads to temporary files with random names, this goes on after a kill where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from data_prep.download_progress import Meters, open_meters
from data_prep.fetching import Fetching
from data_prep.locks import awaited
from data_prep.transfer import Patience, Transfer, Unavailable
from data_prep.verification import is_complete, remember
from nmt_prune.errors import PruneError
from nmt_prune.files import file_digest

_USUAL = Patience()


@dataclass(frozen=True)
class Remote:
    """A file somewhere else.

    Attributes:
        name: its name in the folder that it is put into.
        url: where it comes from.
        size: bytes.
        sha256: SHA-256 in hexadecimal.
    """

    name: str
    url: str
    size: int
    sha256: str


def fetch_all(remotes: Sequence[Remote], folder: Path, fetching: Fetching, patience: Patience = _USUAL) -> list[Path]:
    """Puts files into ``folder``, unless they are there.

    A file is called ``NAME.part`` until it is complete and its digest is the published one; with another digest it is
    kept as ``NAME.part.bad``. A file that fails does not keep the others from being completed.

    Args:
        remotes: the files.
        folder: where they go.
        fetching: mirrors, how many files at once, or that nothing is to be fetched.
        patience: how long to wait for what.

    Returns:
        The files, in the order of ``remotes``.

    Raises:
        PruneError: a file cannot be had, is not the one that was published, or does not fit on the disk.
    """
    missing = [
        remote
        for remote in remotes
        if not is_complete(folder / remote.name, remote.size, remote.sha256, fetching.report)
    ]
    if missing and fetching.offline:
        lacking = "; ".join(f"{remote.name} ({remote.size} bytes, from {remote.url})" for remote in missing)
        raise PruneError(f"--offline, and {folder} lacks {lacking}; put it there, or leave out --offline")
    if missing:
        _download_all(
            [(remote, addresses(remote.url, fetching.mirrors)) for remote in missing], folder, fetching, patience
        )
    return [folder / remote.name for remote in remotes]


def addresses(url: str, mirrors: Sequence[str]) -> list[str]:
    """Where a file is looked for: at each mirror, under the same path, then at its own address.

    Raises:
        PruneError: a mirror is not the address of a web server.
    """
    for mirror in mirrors:
        if urlsplit(mirror).scheme not in ("http", "https") or not urlsplit(mirror).netloc:
            raise PruneError(f"--mirror {mirror} is not an address such as https://example.org/mirror")
    return [*(mirror.rstrip("/") + urlsplit(url).path for mirror in mirrors), url]


def _download_all(wanted: list[tuple[Remote, list[str]]], folder: Path, fetching: Fetching, patience: Patience) -> None:
    stop = Event()
    # The threads of this pool are daemons: Ctrl-C need not wait for a connection on which nothing comes.
    with open_meters(fetching.report) as meters, ThreadPool(max(1, fetching.downloads)) as pool:
        downloads = _Downloads(folder, patience, meters, stop)
        try:
            errors = [error for error in pool.starmap(downloads.complete, wanted, chunksize=1) if error is not None]
        finally:
            stop.set()
    for error in errors[1:]:
        fetching.report(str(error))
    if errors:
        raise errors[0]


class _Downloads:
    """Downloads into one folder, side by side; errors are returned, so that the other files are completed."""

    def __init__(self, folder: Path, patience: Patience, meters: Meters, stop: Event) -> None:
        self._folder, self._patience, self._meters, self._stop = folder, patience, meters, stop

    def complete(self, remote: Remote, sources: list[str]) -> PruneError | None:
        path = self._folder / remote.name
        try:
            with awaited(self._folder / f".{remote.name}.lock", remote.name, self._meters.say):
                if not is_complete(path, remote.size, remote.sha256, self._meters.say):
                    self._download(remote, sources, path)
        except PruneError as error:
            return error
        except OSError as error:
            return PruneError(f"{error.filename}: {error.strerror}; free some space or choose another --cache")
        return None

    def _download(self, remote: Remote, sources: list[str], path: Path) -> None:
        part = path.with_name(f"{path.name}.part")
        if part.exists() and part.stat().st_size >= remote.size:
            try:
                return self._accept(part, path, remote)
            except Unavailable as failure:
                self._meters.say(f"{remote.name}: {failure}; downloading it anew")
        reasons = []
        for source in sources:

            def say(line: str, source: str = source) -> None:
                self._meters.say(f"{remote.name}: {source}: {line}")

            try:
                with self._meters.open(remote.name, remote.size) as moved:
                    transfer = Transfer(part, remote.size, self._patience, moved=moved, say=say, stop=self._stop)
                    transfer.take_from(source)
                return self._accept(part, path, remote)
            except Unavailable as failure:
                reasons.append(f"{source}: {failure}")
                say(str(failure))
        raise PruneError(
            f"{remote.name} cannot be downloaded ({'; '.join(reasons)}); give another address with --mirror URL, or put"
            f" the file into {self._folder} yourself and use --offline"
        )

    def _accept(self, part: Path, path: Path, remote: Remote) -> None:
        bad = part.with_name(f"{part.name}.bad")
        if (digest := file_digest(part)) != remote.sha256:
            found = f"{part.stat().st_size} bytes with SHA-256 {digest}"
            part.replace(bad)
            raise Unavailable(f"{found}, not {remote.size} with {remote.sha256}; kept as {bad.name}")
        part.replace(path)
        bad.unlink(missing_ok=True)
        remember(path, digest)
        self._meters.say(f"{remote.name}: {remote.size} bytes, SHA-256 as published")
