"""The file that the tests of downloads fetch."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_prep.download.files import Remote
from data_prep.download.http import Patience
from tests.data_prep.mirror import Mirror

PATH = "/wmt13/x.tgz"
CONTENT = random.Random(1).randbytes(300_000)
IMPATIENT = Patience(connect=10, read=2, attempts=3, pause=0.01, longest_pause=0.3)
# Nobody listens at the discard port: the published address of these tests.
NOWHERE = "http://127.0.0.1:9"


def remote(content: bytes = CONTENT, name: str = "x.tgz", url: str = f"{NOWHERE}{PATH}") -> Remote:
    """The file under its published address, or another one."""
    return Remote(name, url, len(content), hashlib.sha256(content).hexdigest())


@contextmanager
def serving(folder: Path) -> Iterator[Mirror]:
    """A mirror that has the file."""
    file = folder / PATH.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    with Mirror(folder).running() as mirror:
        yield mirror


def ranges(mirror: Mirror) -> list[str | None]:
    """The ranges that were asked for, one for each request."""
    return [request.range for request in mirror.requests]
