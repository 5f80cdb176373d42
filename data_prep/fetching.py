"""How files come from elsewhere."""

from dataclasses import dataclass
from pathlib import Path

from data_prep.progress import Report


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
    downloads: int = 3
