"""WMT's test sets, from sacreBLEU's own collection and cache."""

import copy
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from data_prep.download import addresses
from data_prep.fetching import Fetching
from data_prep.locks import awaited
from data_prep.texts import count_lines
from data_prep.transfer import innermost_reason
from nmt_prune.errors import PruneError

_SECONDS = 60.0
# It ends the process where a digest or a certificate is wrong.
_FAILURES = (Exception, SystemExit)


class Newstest(NamedTuple):
    """A test set of sacreBLEU's.

    Attributes:
        name: what sacreBLEU calls it.
        lines: sentences that it has: sacreBLEU takes what a killed run left for a whole file, this does not.
    """

    name: str
    lines: int


def sides(newstest: Newstest, source: str, target: str, fetching: Fetching) -> tuple[Path, Path]:
    """Source and reference of a test set, in sacreBLEU's cache; downloaded by sacreBLEU if they are not there.

    Args:
        newstest: the test set.
        source: source language.
        target: target language.
        fetching: mirrors, or that nothing is to be fetched.

    Raises:
        PruneError: sacreBLEU cannot get it.
    """
    from sacrebleu.dataset import DATASETS

    # A copy, so that another address can be set: without one, sacreBLEU only looks into its cache.
    dataset, pair = copy.copy(DATASETS[newstest.name]), f"{source}-{target}"
    (url,), dataset.data = dataset.data, []
    reasons = []
    try:
        return _files(dataset, pair, newstest.lines)
    except _FAILURES as error:
        reasons.append(f"its cache: {_reason(error)}")
    if not fetching.offline:
        sources = addresses(url, fetching.mirrors)
        with awaited(fetching.cache / f".{newstest.name.replace('/', '-')}.lock", newstest.name, fetching.report):
            # The cache once more: another process may just have filled it.
            for address in ["", *sources]:
                if address:
                    fetching.report(f"{newstest.name}: sacreBLEU downloads {address}")
                    _forget(newstest.name, pair, url)
                    dataset.data = [address]
                try:
                    return _files(dataset, pair, newstest.lines)
                except _FAILURES as error:
                    reasons += [f"{address}: {_reason(error)}"] if address else []
    folder = _folder(newstest.name)
    raise PruneError(
        f"sacreBLEU does not have {newstest.name} ({'; '.join(reasons)}); give another address with --mirror URL, or"
        f" run `sacrebleu -t {newstest.name} -l {pair} --echo src` elsewhere and copy what is then in"
        f" ~/.sacrebleu/{newstest.name} to {folder}"
    )


def _files(dataset: Any, pair: str, lines: int) -> tuple[Path, Path]:
    with _quiet_and_impatient():
        files = Path(dataset.get_source_file(pair)), Path(dataset.get_reference_files(pair)[0])
    for file in files:
        if (found := count_lines(file)) != lines:
            raise ValueError(f"{file} has {found} lines, not {lines}")
    return files


def _folder(name: str) -> Path:
    from sacrebleu import utils

    return Path(utils.SACREBLEU_DIR, name)


def _forget(name: str, pair: str, url: str) -> None:
    """Removes what is not whole; sacreBLEU would neither check nor unpack again an archive that lies there."""
    prefix = name.replace("/", "_")
    (_folder(name) / "raw" / f"{prefix}.{PurePosixPath(urlsplit(url).path).name}").unlink(missing_ok=True)
    for text in _folder(name).glob(f"{prefix}.{pair}.*"):
        text.unlink()


@contextmanager
def _quiet_and_impatient() -> Iterator[None]:
    """SacreBLEU waits for ever, and logs several lines about what is one error here."""
    logger, patience = logging.getLogger("sacrebleu"), socket.getdefaulttimeout()
    level = logger.level
    socket.setdefaulttimeout(_SECONDS)
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        socket.setdefaulttimeout(patience)
        logger.setLevel(level)


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "its MD5 is not the published one, or its certificate is refused"
    if isinstance(error, FileNotFoundError):
        return "is not there"
    return innermost_reason(error)
