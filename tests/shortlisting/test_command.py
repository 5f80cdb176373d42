"""``nmt-prune shortlist``: from a data folder and from texts, into a model and as text."""

from pathlib import Path

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.storage.format.compact_file import load_compact, save_compact
from nmt_prune.storage.model.shortlist import from_lists
from nmt_prune.storage.model.vocabulary_map import read_map
from tests.runtime.models import random_model
from tests.storage.models import assert_same_shortlist


@pytest.fixture
def texts(tmp_path, monkeypatch):
    """A model and a text in which v5 translates w5, and so on; v0 is everywhere."""
    monkeypatch.chdir(tmp_path)
    save_compact(random_model(tying="none", words=12), "model.nmt")
    lines = [(1 + number % 11, 1 + number * 7 % 11) for number in range(40)]
    Path("s.en").write_text("".join(f"w{one} w{two}\n" for one, two in lines) + "\n")
    Path("s.de").write_text("".join(f"v{one} v0 v{two}\n" for one, two in lines) + "v3\n")


TEXTS = ("--source", "s.en", "--target", "s.de")


def test_from_texts(run, texts):
    flags = ("--translations", 2, "--frequent", 1)
    status, out, errors = run("shortlist", "model.nmt", *TEXTS, *flags, "--out", "with.nmt")
    assert (status, out) == (0, "with.nmt: 22 candidates of 16 subwords\n")
    assert "40 pairs of sentences" in errors
    found = load_compact("with.nmt").shortlist
    assert found.frequent.tolist() == [4]
    assert all(row in found.of(row) and len(found.of(row)) == 2 for row in range(5, 16))
    assert len(found.candidates) == 22
    assert run("shortlist", "model.nmt", *TEXTS, *flags, "--out", "list.txt")[0] == 0
    assert Path("list.txt").read_text().startswith("\tv0\nw1\tv")
    model = load_compact("with.nmt")
    assert_same_shortlist(read_map(Path("list.txt"), model.source, model.target), found)
    for flag in ((), ("--shortlist",)):
        assert run("translate", "with.nmt", "--input", "s.en", "--output", "out", "--max-len-b", 5, *flag)[0] == 0
    assert run("translate", "model.nmt", "--input", "s.en", "--shortlist")[2].startswith(
        "nmt-prune: error: the model has no shortlist; make one with nmt-prune shortlist"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--source", "s.en"), "--source and --target belong together"),
        ((*TEXTS, "--data", "."), "give --data or the texts --source and --target, not both"),
        ((), "the model does not say what it was trained on; name the data folder with --data"),
        (("--source", "s.en", "--target", "short"), "s.en has 41 lines, short 1"),
        (("--source", "empty", "--target", "short"), "no pair of sentences with words on both sides"),
        (("--source", "none", "--target", "short"), "none cannot be read"),
        (("--data", "nowhere"), "nowhere has no binarized text"),
    ],
)
def test_text_that_cannot_be_aligned(run, texts, flags, message):
    Path("short").write_text("v1\n")
    Path("empty").write_text("\n")
    status, _, errors = run("shortlist", "model.nmt", *flags, "--out", "x.nmt")
    assert status == 1
    assert message in errors
    assert len(errors.splitlines()) == 1
    assert not Path("x.nmt").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"w1 v1\n", "line 1: expected a source subword, a tab and target subwords"),
        (b"\tv1\nw1 w2\tv1\n", "line 2: expected a source subword"),
        (b"w1\tv1 x\n", "line 1: the model's dictionary has no 'x'"),
        (b"x\tv1\n", "line 1: the model's dictionary has no 'x'"),
        (b"w1\t\n", "line 1: the model's dictionary has no ''"),
        (b"w1\t\xff\n", "is not UTF-8"),
    ],
)
def test_maps_that_cannot_be_read(tmp_path, text, message):
    model, path = random_model(tying="none"), tmp_path / "list"
    path.write_bytes(text)
    with pytest.raises(PruneError, match=message):
        read_map(path, model.source, model.target)
    with pytest.raises(PruneError, match="cannot be read: No such file"):
        read_map(tmp_path / "none", model.source, model.target)


def test_a_map_cannot_hold_white_space(tmp_path):
    from nmt_prune.storage.model.vocabulary_map import write_map

    for odd in ("a b", "a\tb", "a\nb"):
        with pytest.raises(PruneError, match="has white space, which a vocabulary map cannot hold"):
            write_map(from_lists([], [[]], 1), [odd], ["x"], tmp_path / "list")
