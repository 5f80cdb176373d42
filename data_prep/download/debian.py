"""Fetching Debian packages without root and without changing the system: apt works in a folder of its own."""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nmt_prune.errors import PruneError

# Hooks such as those of container images clean the system's own cache after an update: they are switched off.
_CONFIGURATION = """\
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def fetch(packages: list[str], cache: Path, report: Callable[[str], None], offline: bool = False) -> list[Path]:
    """Downloads packages from the sources that the system's apt is set up with.

    Args:
        packages: names of packages.
        cache: folder that keeps the .deb files; what is there already is not fetched again.
        report: called with a line about each slow step.
        offline: use only what is in ``cache``.

    Returns:
        The .deb files, in the order of ``packages``.

    Raises:
        PruneError: there is no apt on this system, or it cannot fetch a package, or must not.
    """
    missing = [package for package in packages if _cached(package, cache) is None]
    if missing and offline:
        raise PruneError(f"--offline, and {cache} lacks {missing[0]}_*.deb; put it there, or leave --offline out")
    cache.mkdir(parents=True, exist_ok=True)
    if missing:
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise PruneError(
                    f"{missing[0]} is a Debian package and there is no {tool} here; use the corpus numbers or plain"
                )
        with tempfile.TemporaryDirectory(dir=cache, prefix=".apt-") as folder:
            _download(missing, Path(folder), report)
            for archive in Path(folder).glob("*.deb"):
                archive.replace(cache / archive.name)
    archives = [_cached(package, cache) for package in packages]
    return [archive for archive in archives if archive is not None]


def configuration(folder: Path) -> str:
    """An apt configuration that keeps every file apt writes under ``folder``, an absolute path."""
    return _CONFIGURATION.format(folder=folder)


def _cached(package: str, cache: Path) -> Path | None:
    return max(cache.glob(f"{package}_*.deb"), default=None)


def _download(packages: list[str], folder: Path, report: Callable[[str], None]) -> None:
    folder = folder.resolve()
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "apt.conf").write_text(configuration(folder), encoding="utf-8")
    command = ["apt-get", "--config-file", str(folder / "apt.conf"), "--quiet"]
    report("fetching the package lists with apt (into a folder of its own)")
    # One unreachable third-party source makes this fail and need not matter: the download decides.
    subprocess.run([*command, "update"], cwd=folder, capture_output=True, text=True)
    for package in packages:
        report(f"fetching {package}")
        result = subprocess.run([*command, "download", package], cwd=folder, capture_output=True, text=True)
        if result.returncode != 0 or _cached(package, folder) is None:
            errors = [line[2:].strip() for line in result.stderr.splitlines() if line.startswith("E:")]
            reason = errors[0] if errors else "no message"
            raise PruneError(
                f"apt-get cannot fetch {package} ({reason}); check the network, or use the corpus numbers or plain"
            )


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the path and the content of each file in a .deb.

    Raises:
        PruneError: the archive is damaged.
    """
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    try:
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
            tarfile.open(fileobj=process.stdout, mode="r|") as tar,
        ):
            for member in tar:
                content = tar.extractfile(member)
                if content is not None:
                    yield member.name, content.read()
    except FileNotFoundError:
        raise PruneError(
            f"reading {archive} takes dpkg-deb, which is not here; use the corpus numbers or plain"
        ) from None
    except tarfile.TarError as error:
        raise PruneError(f"{archive} is damaged ({error}); delete it and run the command again") from None
