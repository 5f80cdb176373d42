"""How files come from elsewhere."""

from dataclasses import dataclass
from pathlib import Path

from data_prep.progress import Report

DOWNLOADS = 3
"""Files that are downloaded at once, unless the user says otherwise."""


@dataclass(frozen=True)
class Fetching:
    """How files come from elsewhere.

    Attributes:
        cache: folder that keeps what was downloaded.
        report: called with a line about each slow step.
        mirrors: base addresses that are tried before the original one.
        offline: use only what is in ``cache``.
        downloads: how many files are downloaded at once.
    """

    cache: Path
    report: Report
    mirrors: tuple[str, ...] = ()
    offline: bool = False
    downloads: int = DOWNLOADS
