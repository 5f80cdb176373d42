"""The LibreOffice help: alignment by id, split by page, and the real packages."""

import json
from pathlib import Path

import pytest

from data_prep.corpora import choose
from data_prep.corpora.libreoffice_help import align, read_pages, split_by_page
from data_prep.data_folder import prepare
from data_prep.download.fetching import Fetching
from data_prep.preparation import Preparation
from data_prep.text.pairs import Pair
from nmt_prune.errors import PruneError
from tests.data_prep.debs import build_deb, needs_apt, needs_dpkg


def silent(line: str) -> None:
    """Reports nothing."""


def page_of(number: int, language: str) -> str:
    """A help page with one paragraph of its own, one that every page has, and one that was not translated."""
    own, common = {"en": ("Page", "See also here"), "de": ("Seite", "Siehe auch dort")}[language]
    letters = "abcdefghij"[number % 10] * 3 + "abcdefghij"[number // 10] * 2
    return (
        f'<h1 id="hd_id1">{own} {letters}</h1><p id="par_id2">{common}</p>'
        f'<p id="par_id3">Untranslated {letters}</p><p id="par_id{language}">only in {language}</p>'
    )


@pytest.fixture
def cache(tmp_path):
    """A download cache with 40 pages of help."""
    folder = tmp_path / "cache"
    (folder / "debian").mkdir(parents=True)
    for language, code, package in (("en", "en-US", "en-us"), ("de", "de", "de")):
        root = f"usr/share/libreoffice/help/{code}"
        files = {f"{root}/text/swriter/{number}.html": page_of(number, language) for number in range(40)}
        build_deb(folder / "debian", f"libreoffice-help-{package}", {**files, f"{root}/index.html": "<p>x</p>"})
    return folder


def test_pages_are_found_by_their_path_inside_one_language():
    html = b'<p id="par_id1">Text</p>'
    members = [("./usr/share/libreoffice/help/en-US/text/sbasic/a.html", html), ("./usr/share/doc/x/text/b.html", html)]
    assert read_pages(members) == {"sbasic/a.html": {"par_id1": "Text"}}


def test_paragraphs_are_aligned_by_id_and_not_by_position():
    source = {"hd_id1": "Title", "par_id2": "Open it", "par_id3": "LibreOffice", "par_id5": ""}
    target = {"par_id2": "Öffnen", "par_id4": "Neu", "hd_id1": "Titel", "par_id3": "LibreOffice", "par_id5": "Leer"}
    assert align(source, target) == [Pair("Title", "Titel"), Pair("Open it", "Öffnen")]


def test_whole_pages_are_held_out_and_other_pages_do_not_change_which():
    pages = {f"p{number}": [Pair(f"{number}{letter}", f"{letter}{number}") for letter in "abc"] for number in range(60)}
    valid, test, train = split_by_page(pages, [10, 7], seed=1)
    assert (len(valid), len(test), len(train)) == (12, 9, 159)
    numbers = [{pair.source[:-1] for pair in part} for part in (valid, test, train)]
    assert len(set.union(*numbers)) == sum(len(part) for part in numbers) == 60
    assert split_by_page(pages, [10, 7], seed=1) == [valid, test, train]
    assert split_by_page(pages, [10, 7], seed=2) != [valid, test, train]
    assert split_by_page(dict(reversed(pages.items())), [10, 7], seed=1) == [valid, test, train]


@needs_dpkg
def test_what_every_page_says_is_in_one_part_only(cache, tmp_path):
    splits = choose("libreoffice-help").load((12, 12), Fetching(cache, silent))
    parts = (splits.train, splits.valid, splits.test)
    for side in (0, 1):
        texts = [pair[side] for part in parts for pair in part]
        assert len(texts) == len(set(texts))
    assert [pair for part in parts for pair in part].count(Pair("See also here", "Siehe auch dort")) == 1
    # 40 titles and one common sentence; the untranslated and the unmatched paragraphs are gone.
    assert sum(len(part) for part in parts) == 41
    inputs = choose("libreoffice-help").inputs(Fetching(cache, silent))
    assert sorted(inputs) == ["libreoffice-help-de_1_all.deb", "libreoffice-help-en-us_1_all.deb"]


@needs_dpkg
def test_the_direction_swaps_the_sides(cache):
    forward = choose("libreoffice-help").load((12, 12), Fetching(cache, silent))
    backward = choose("libreoffice-help", source="de", target="en").load((12, 12), Fetching(cache, silent))
    assert backward.train == [Pair(pair.target, pair.source) for pair in forward.train]


def test_a_language_without_help_is_refused(tmp_path):
    with pytest.raises(PruneError, match="--source ru: corpus libreoffice-help has en, de, fr"):
        choose("libreoffice-help", source="ru").load((12, 12), Fetching(tmp_path, silent))


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory) -> Path:
    """One for both languages: the English package is fetched once."""
    return tmp_path_factory.mktemp("real-help")


@needs_apt
@pytest.mark.slow
def test_the_real_help_becomes_a_data_folder(real_cache, tmp_path):
    corpus = choose("libreoffice-help", valid_size=100, test_size=100)
    prepare(corpus, Preparation.of(corpus, vocab_size=1000), tmp_path / "help", fetching=Fetching(real_cache, silent))
    manifest = json.loads((tmp_path / "help/manifest.json").read_text())
    assert manifest["pairs"]["train"] > 15_000
    assert manifest["pairs"]["valid"] == manifest["pairs"]["test"] == 100
    (cleaned,) = real_cache.glob("work/libreoffice-help.en-de.*/clean/train.en")
    train, test = lines(cleaned), lines(tmp_path / "help/raw/test.en")
    assert not {line.casefold() for line in train} & {line.casefold() for line in test}
    assert not [line for line in train + test if "<" in line and 'class="' in line]


@needs_apt
@pytest.mark.slow
def test_there_is_as_much_real_help_in_french(real_cache):
    splits = choose("libreoffice-help", target="fr").load((100, 100), Fetching(real_cache, silent))
    assert len(splits.train) > 15_000
    assert all(100 <= len(part) < 150 for part in (splits.valid, splits.test))  # whole pages


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
