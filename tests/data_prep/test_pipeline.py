"""The whole way of text: what each filter leaves out, and that a kill in any stage changes nothing."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.corpora import choose
from data_prep.corpora.numbers import generate
from data_prep.data_folder import prepare
from data_prep.digests import folder_digests
from data_prep.download.fetching import Fetching
from data_prep.preparation import Preparation
from data_prep.text.pairs import Pair, write_sides
from nmt_prune.errors import PruneError

HELD_OUT = generate(24, "en", "de", 2)
ODD = [
    Pair("", "leer"),
    Pair("Python", "Python"),
    Pair("word " * 60, "Wort"),
    Pair(HELD_OUT[3].source.upper(), "nur die Quelle"),
    Pair("only the target", HELD_OUT[20].target),
    Pair("“quoted”", "„zitiert“"),
    Pair('"quoted"', '"zitiert"'),
    Pair("one two three four five six seven eight nine ten", "Wort"),
]


def write_text(folder: Path) -> None:
    pairs = [pair for pair in generate(600, "en", "de", 1) if pair not in HELD_OUT]
    train = [*pairs[:300], *ODD, *pairs[:50], *pairs[300:]]
    for part, chosen in (("train", train), ("valid", HELD_OUT[:12]), ("test", HELD_OUT[12:])):
        write_sides(chosen, folder, part, "en", "de")


def make(folder: Path, out: str = "out", workers: int = 1) -> Path:
    write_text(folder)
    return prepared_again(folder, out, workers)


def prepared_again(folder: Path, out: str = "out", workers: int = 1) -> Path:
    corpus = choose("plain", **{part: str(folder / part) for part in ("train", "valid", "test")})
    preparation = Preparation.of(corpus, vocab_size=130, clean=True, max_length=40, max_ratio=6)
    prepare(corpus, preparation, folder / out, fetching=Fetching(folder / "cache", lambda line: None), workers=workers)
    return folder / out


def test_each_filter_counts_what_it_leaves_out(tmp_path):
    out = make(tmp_path)
    counts = json.loads((out / "cleaning.json").read_text())
    assert list(counts) == ["train", "all"]
    train = counts["train"]
    held_out = {side.casefold() for pair in HELD_OUT for side in pair}
    overlap = [
        pair
        for pair in generate(600, "en", "de", 1)
        if pair not in HELD_OUT and {pair.source.casefold(), pair.target.casefold()} & held_out
    ]
    assert train["read"] == sum(1 for _ in (tmp_path / "train.en").open())
    assert (train["empty"], train["identical"]) == (1, 1)
    assert train["held out"] == 2 + sum(1 + (pair in generate(600, "en", "de", 1)[:50]) for pair in overlap)
    assert train["duplicate"] == 51 - sum(pair in generate(600, "en", "de", 1)[:50] for pair in overlap)
    assert train["length"] >= 1
    assert train["ratio"] >= 1
    assert train["kept"] == train["read"] - sum(
        count for reason, count in train.items() if reason not in ("read", "kept")
    )
    assert json.loads((out / "manifest.json").read_text())["pairs"]["train"] == train["kept"]
    table = (out / "cleaning.md").read_text().splitlines()
    assert [cell.strip() for cell in table[0].split("|")[1:4]] == ["text", "read", "not UTF-8"]
    assert [cell.strip() for cell in table[-1].split("|")[1:3]] == ["all", str(train["read"])]


KILL = """
import os, signal, sys
from pathlib import Path
import data_prep.{module} as module
from tests.data_prep.test_pipeline import make

def die(*arguments, **settings):
    if {after}:
        real(*arguments, **settings)
    os.kill(os.getpid(), signal.SIGKILL)

real, module.{name} = module.{name}, die
make(Path(sys.argv[1]), workers={workers})
"""

STAGES = {
    "before cleaning": ("pipeline", "read_pairs", False, 1),
    "while cleaning": ("text.streaming", "write_json", True, 1),
    "with workers": ("text.streaming", "write_json", True, 2),
    "after cleaning": ("pipeline", "first_occurrences", True, 1),
    "before subwords": ("pipeline", "train_model", False, 1),
    "after subwords": ("pipeline", "train_model", True, 1),
    "before encoding": ("pipeline", "segment_held_out", False, 1),
    "before binarizing": ("pipeline", "binarize", False, 1),
    "after binarizing": ("pipeline", "binarize", True, 1),
    "before the rename": ("data_folder", "folder_digests", True, 1),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    return folder_digests(make(folder)), folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("largest", "place"), [(300, "clean"), (3000, "clean/train.en"), (22_000, "clean"), (14_000, "encode/train.en")]
)
def test_a_disk_that_fills_up_is_one_line_and_changes_no_byte(undisturbed, largest, place):
    expected, folder = undisturbed
    subprocess.run(["rm", "-rf", folder / "out"], check=True)
    if place.startswith("clean"):
        subprocess.run(["rm", "-rf", folder / "cache"], check=True)
        (folder / "cache").mkdir()
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, most))
    try:
        with pytest.raises(PruneError, match=rf"^[^\n]*{place}[^\n]* File too large; [^\n]*$"):
            prepared_again(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    assert not (folder / "out").exists()
    assert folder_digests(prepared_again(folder)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_in_any_stage_changes_no_byte(undisturbed, stage, monkeypatch):
    expected, folder = undisturbed
    module, name, after, workers = STAGES[stage]
    subprocess.run(["rm", "-rf", folder / "cache", folder / "out"], check=True)
    script = KILL.format(module=module, name=name, after=after, workers=workers)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", script, folder], env=environment, capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-1000:]
    assert not (folder / "out").exists()
    assert folder_digests(make(folder)) == expected
