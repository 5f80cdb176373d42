from pathlib import Path

import pytest

from data_prep.download.fetching import Fetching
from data_prep.download.files import Remote, fetch_all
from data_prep.download.http import Patience
from tests.data_prep.downloading import IMPATIENT, remote, serving


@pytest.fixture(autouse=True, scope="module")
def _fairseq_starts_at_once(fairseq_starts_at_once):
    """Every data folder is binarized by fairseq; how it is really started is shown by test_wmt14_data_folder."""


@pytest.fixture
def mirror(tmp_path):
    with serving(tmp_path / "served") as mirror:
        yield mirror


@pytest.fixture
def fetch(tmp_path, mirror):
    """Fetches into ``tmp_path/cache`` from the mirror; the lines that it reported are in ``fetch.lines``."""

    def call(*remotes: Remote, patience: Patience = IMPATIENT, **settings) -> list[Path]:
        settings = {"mirrors": (mirror.address,), **settings}
        fetching = Fetching(tmp_path / "cache", call.lines.append, **settings)
        return fetch_all(remotes or (remote(),), tmp_path / "cache", fetching, patience)

    call.lines = []
    return call
