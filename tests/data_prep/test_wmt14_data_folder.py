"""WMT 2014 from a loopback mirror to a data folder by the command line, disturbed and undisturbed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from data_prep.digests import folder_digests
from tests import programs
from tests.data_prep.archives import fill_sacrebleu, write_training_archives
from tests.data_prep.mirror import Fault, Mirror

pytestmark = pytest.mark.slow

PAIRS = 400
GIGA = "/wmt10/training-giga-fren.tar"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    write_training_archives(folder / "mirror", folder / "table.tsv", PAIRS)
    fill_sacrebleu(folder / "sacrebleu")
    return folder


@pytest.fixture
def mirror(published):
    with Mirror(published / "mirror").running() as mirror:
        yield mirror


def command(published: Path, mirror: Mirror, *flags: str) -> list[str]:
    program = [sys.executable, "-m", "nmt_prune.cli", "data", "wmt14-en-fr", "--archives", f"{published}/table.tsv"]
    return [*program, "--mirror", mirror.address, "--vocab-size", "160", *flags]


def environment(published: Path) -> dict[str, str]:
    return {**os.environ, "SACREBLEU": str(published / "sacrebleu"), "OMP_NUM_THREADS": "1"}


def make(published: Path, mirror: Mirror, folder: Path, *flags: str) -> str:
    """Runs the command in ``folder``; returns what it said."""
    return run(command(published, mirror, *flags), folder, published)


def make_again(published: Path, mirror: Mirror, folder: Path, *flags: str) -> None:
    """The same, but that fairseq starts at once."""
    python, _, _, *arguments = command(published, mirror, *flags)
    run([python, "-m", "tests.experiments.one_process", *arguments], folder, published, programs)


def run(words: list[str], folder: Path, published: Path, starter: ModuleType = subprocess) -> str:
    folder.mkdir(exist_ok=True)
    done = starter.run(words, cwd=folder, env=environment(published), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


@pytest.fixture(scope="module")
def undisturbed(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    with Mirror(published / "mirror").running() as mirror:
        said = make(published, mirror, folder)
    return folder / "data-bin/wmt14_en_fr", said


def test_the_folder_is_ready_and_its_table_adds_up(undisturbed, published):
    out, said = undisturbed
    manifest, counts = (json.loads((out / file).read_text()) for file in ("manifest.json", "cleaning.json"))
    assert list(counts) == ["europarl-v7", "commoncrawl", "news-commentary-v9", "giga-fren", "undoc-2000", "all"]
    assert counts["all"]["read"] == 5 * PAIRS
    for count in counts.values():
        assert count["read"] == sum(number for reason, number in count.items() if reason != "read")
    # Number words of the test sets are among those of the training text.
    assert counts["all"]["held out"] > 0
    assert manifest["pairs"] == {"train": counts["all"]["kept"], "valid": 3000, "test": 3003}
    assert set(manifest["inputs"]) > {"training-parallel-europarl-v7.tgz", "training-giga-fren.tar"}
    assert len((out / "raw/test.fr").read_text().splitlines()) == 3003
    assert (out / "cleaning.md").read_text().strip() in said
    assert (out / "sentencepiece.model").exists()
    assert len((out / "dict.fr.txt").read_text().splitlines()) == 160 - 4


def test_the_same_command_does_nothing_again(undisturbed, published, mirror):
    out, _ = undisturbed
    assert make(published, mirror, out.parents[1]) == "data-bin/wmt14_en_fr is up to date\n"
    assert mirror.requests == []


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_bad_connection_and_a_kill_while_downloading_change_no_byte(undisturbed, published, mirror, tmp_path):
    mirror.misbehave("/wmt13/training-parallel-commoncrawl.tgz", Fault(status=503, headers={"Retry-After": "0"}))
    mirror.misbehave("/wmt13/training-parallel-europarl-v7.tgz", Fault(close_after=1000))
    mirror.misbehave(GIGA, Fault(stall_after=5000))
    part = tmp_path / "data/wmt14/training-giga-fren.tar.part"
    words = command(published, mirror)
    process = subprocess.Popen(words, cwd=tmp_path, env=environment(published), stderr=subprocess.DEVNULL)
    try:
        wait_for(part.exists, process)
        assert not list(tmp_path.glob("data/work/*/clean/*.en"))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    make_again(published, mirror, tmp_path)
    assert sum(request.path == GIGA for request in mirror.requests) == 2
    assert folder_digests(tmp_path / "data-bin/wmt14_en_fr") == folder_digests(undisturbed[0])


def test_a_kill_in_every_stage_changes_no_byte(undisturbed, published, mirror, tmp_path):
    words = command(published, mirror, "--workers", "2")
    for trace in ("text/commoncrawl.en", "clean/undoc-2000.hashes", "subwords", "encode", "binarize"):
        process = subprocess.Popen(words, cwd=tmp_path, env=environment(published), stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda trace=trace: any(tmp_path.glob(f"data/work/*/{trace}")), process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert not (tmp_path / "data-bin").exists()
    make_again(published, mirror, tmp_path)
    assert folder_digests(tmp_path / "data-bin/wmt14_en_fr") == folder_digests(undisturbed[0])


def test_offline_makes_the_same_from_the_cache(undisturbed, published, mirror, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/wmt14").symlink_to(undisturbed[0].parents[1] / "data/wmt14")
    make_again(published, mirror, tmp_path, "--offline")
    assert mirror.requests == []
    assert folder_digests(tmp_path / "data-bin/wmt14_en_fr") == folder_digests(undisturbed[0])


def test_an_archive_that_is_not_the_published_one_is_refused_by_name(published, mirror, tmp_path):
    bad = (published / "mirror" / GIGA[1:]).read_bytes()[::-1]
    mirror.misbehave(GIGA, Fault(body=bad), for_ever=True)
    words = command(published, mirror)
    table = (published / "table.tsv").read_text().replace("https://www.statmt.org", mirror.address)
    (tmp_path / "table.tsv").write_text(table)
    words[words.index(f"{published}/table.tsv")] = "table.tsv"
    done = subprocess.run(words, cwd=tmp_path, env=environment(published), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "training-giga-fren.tar" in last
    assert "--mirror" in last
    assert not (tmp_path / "data-bin").exists()
    assert (tmp_path / "data/wmt14/training-giga-fren.tar.part.bad").read_bytes() == bad
