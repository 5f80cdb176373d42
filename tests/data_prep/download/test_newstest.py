"""Test sets through sacreBLEU, and what its cache and its downloads can be like."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
import sacrebleu.utils
from sacrebleu.dataset import DATASETS

from data_prep.corpora import Corpus, choose
from data_prep.download.fetching import Fetching
from nmt_prune.errors import PruneError
from tests.data_prep.archives import fill_sacrebleu, use_sacrebleu, write_archive
from tests.data_prep.mirror import Fault, Mirror


@pytest.fixture
def mirror(tmp_path):
    with Mirror(tmp_path / "served").running() as mirror:
        yield mirror


def held_out(tmp_path: Path, corpus: Corpus, mirror: Mirror | None = None, offline: bool = False) -> dict[str, str]:
    mirrors = (mirror.address,) if mirror else ()
    return corpus.inputs(Fetching(tmp_path / "cache", lambda line: None, mirrors, offline))


def test_offline_says_where_the_test_sets_belong(tmp_path, monkeypatch):
    use_sacrebleu(tmp_path / "empty", monkeypatch)
    with pytest.raises(PruneError) as error:
        held_out(tmp_path, choose("wmt14-en-de"), offline=True)
    assert "sacreBLEU does not have wmt13 (its cache: is not there)" in str(error.value)
    assert "run `sacrebleu -t wmt13 -l en-de --echo src` elsewhere" in str(error.value)
    assert str(error.value).endswith(f"~/.sacrebleu/wmt13 to {tmp_path / 'empty/wmt13'}")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=404), "HTTP Error 404: Not Found"),
        (Fault(body=gzip.compress(b"no test set")), "its MD5 is not the published one"),
        (Fault(stall_after=0, body=b"test set"), "timed out"),
    ],
    ids=["404", "other bytes", "stalled"],
)
def test_failures_of_sacrebleu_are_one_line_and_are_forgotten(tmp_path, mirror, monkeypatch, fault, reason):
    monkeypatch.setattr("data_prep.download.newstest._SECONDS", 20 if fault.stall_after is None else 0.2)
    monkeypatch.setattr(DATASETS["wmt13"], "data", [f"{mirror.address}/published/wmt13/test.tgz"])
    use_sacrebleu(tmp_path / "empty", monkeypatch)
    mirror.misbehave("/published/wmt13/test.tgz", fault, for_ever=True)
    mirror.misbehave("/mirror/published/wmt13/test.tgz", fault, for_ever=True)
    fetching = Fetching(tmp_path / "cache", lambda line: None, (f"{mirror.address}/mirror",))
    for _ in range(2):
        with pytest.raises(PruneError) as error:
            choose("wmt14-en-de").inputs(fetching)
        for address in (f"{mirror.address}/mirror/published", f"{mirror.address}/published"):
            assert f"{address}/wmt13/test.tgz: " in str(error.value)
        assert str(error.value).count(reason) == 2
    assert len(mirror.requests) == 4


def test_a_half_written_test_set_is_downloaded_again(tmp_path, monkeypatch):
    """sacreBLEU takes any file that is there for a whole one."""
    use_sacrebleu(tmp_path / "sacrebleu", monkeypatch)
    fill_sacrebleu(tmp_path / "sacrebleu")
    whole = held_out(tmp_path, choose("wmt14-en-de"))
    half = tmp_path / "sacrebleu/wmt13/wmt13.en-de.src"
    half.write_bytes(half.read_bytes()[:1000])
    with pytest.raises(PruneError, match=r"wmt13\.en-de\.src has \d+ lines, not 3000"):
        held_out(tmp_path, choose("wmt14-en-de"), offline=True)
    archive = write_archive(
        tmp_path / "served/wmt13/test.tgz",
        [(f"test/{file.name}", file.read_bytes()) for file in (tmp_path / "sacrebleu/wmt13/raw/test").iterdir()],
    )
    monkeypatch.setattr(DATASETS["wmt13"], "md5", [sacrebleu.utils.get_md5sum(str(archive))])
    with Mirror(tmp_path / "served").running() as server:
        assert held_out(tmp_path, choose("wmt14-en-de"), server) == whole
        assert [request.path for request in server.requests] == ["/wmt13/test.tgz"]


def test_the_environment_variable_of_sacrebleu_decides_its_cache(tmp_path):
    fill_sacrebleu(tmp_path / "filled")
    program = (
        "from pathlib import Path\nfrom data_prep.corpora import choose\n"
        "from data_prep.download.fetching import Fetching\n"
        "print(len(choose('wmt14-en-fr').inputs(Fetching(Path('cache'), print, offline=True))))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"SACREBLEU": str(tmp_path / "filled")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == ("9\n", "")
