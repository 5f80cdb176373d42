"""The command ``nmt-prune data``."""

import pytest
import typer
from typer.testing import CliRunner

from nmt_prune.cli.data import data
from nmt_prune.errors import PruneError


@pytest.fixture
def run(tmp_path, monkeypatch):
    app = typer.Typer()
    app.command()(data)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, words)


def test_numbers_into_the_default_folder_and_nothing_the_second_time(run, tmp_path):
    words = (
        "numbers",
        "--target",
        "fr",
        "--size",
        "400",
        "--vocab-size",
        "120",
        "--valid-size",
        "8",
        "--test-size",
        "8",
    )
    first = run(*words)
    assert first.exit_code == 0
    assert "data-bin/numbers.en-fr: 400 train, 8 valid, 8 test pairs" in first.stderr
    assert len((tmp_path / "data-bin/numbers.en-fr/raw/test.fr").read_text().splitlines()) == 8
    assert run(*words).stderr == "data-bin/numbers.en-fr is up to date\n"


def test_a_mistake_is_a_prune_error(run):
    result = run("libreoffice-help", "--size", "5")
    assert isinstance(result.exception, PruneError)
    assert "takes no --size" in str(result.exception)


@pytest.mark.parametrize("flags", [("--mirror", "http://localhost"), ("--downloads", "2")])
def test_flags_about_archives_are_for_corpora_that_have_some(run, flags):
    said = str(run("numbers", *flags).exception)
    assert said == f"{flags[0]} does nothing for numbers, which has no archives to download; leave it out"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--model-type", "word"), "--model-type word is unknown; choose unigram or bpe"),
        (("--max-ratio", "0.5"), "--max-ratio 0.5 is met by no pair; give 1 or more, or 0 for no limit"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_fetched(run, tmp_path, flags, said):
    assert said in str(run("numbers", *flags).exception)
    assert not list(tmp_path.iterdir())


def test_offline_fetches_no_package(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # neither apt-get nor dpkg-deb
    said = str(run("libreoffice-help", "--offline").exception)
    assert said.startswith("--offline, and data/debian lacks libreoffice-help-en-us_*.deb; put it there, or leave")
