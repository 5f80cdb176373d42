"""The corpus numbers against facts about the three languages."""

import random
import sys

import pytest

from data_prep.corpora import choose
from data_prep.corpora.numbers import KINDS, amount, cardinal, date, generate, ordinal, year
from data_prep.data_folder import prepare
from data_prep.download.fetching import Fetching
from data_prep.preparation import Preparation
from nmt_prune.errors import PruneError
from nmt_prune.files import read_json


class Scripted(random.Random):
    """Gives the listed values for whatever is drawn."""

    def __init__(self, *values: int) -> None:
        super().__init__()
        self.values = list(values)

    def randrange(self, *bounds: int) -> int:
        return self.values.pop(0)

    def randint(self, *bounds: int) -> int:
        return self.values.pop(0)


@pytest.mark.parametrize(
    ("kind", "drawn", "english", "german", "french"),
    [
        # German says the unit before the ten: one-and-twenty.
        (cardinal, (2, 21), "twenty-one", "einundzwanzig", "vingt et un"),
        (
            cardinal,
            (6, 345_678),
            "three hundred and forty-five thousand, six hundred and seventy-eight",
            "dreihundertfünfundvierzigtausendsechshundertachtundsiebzig",
            "trois cent quarante-cinq mille six cent soixante-dix-huit",
        ),
        (ordinal, (2, 20), "twenty-first", "einundzwanzigste", "vingt et unième"),
        (year, (1984,), "nineteen eighty-four", "neunzehnhundertvierundachtzig", "mille neuf cent quatre-vingt-quatre"),
        (
            date,
            (3, 4, 1984),
            "the third of May nineteen eighty-four",
            "der dritte Mai neunzehnhundertvierundachtzig",
            "le trois mai mille neuf cent quatre-vingt-quatre",
        ),
        (
            date,
            (1, 0, 2000),
            "the first of January two thousand",
            "der erste Januar zweitausend",
            "le premier janvier deux mille",
        ),
        (
            amount,
            (2, 12, 30),
            "twelve dollars, thirty cents",
            "zwölf Dollar und dreißig Cent",
            "douze dollars et trente cents",
        ),
    ],
)
def test_numbers_are_written_as_the_languages_write_them(kind, drawn, english, german, french):
    for language, expected in (("en", english), ("de", german), ("fr", french)):
        assert kind(Scripted(*drawn))(language) == expected


def test_a_seed_decides_the_pairs_and_their_number():
    first, again, other = generate(300, "en", "de", 1), generate(300, "en", "de", 1), generate(300, "en", "de", 2)
    assert first == again
    assert first != other
    assert generate(100, "en", "de", 1) == first[:100]
    assert len({pair.source for pair in first}) == 300


def test_every_kind_is_about_a_fifth():
    pairs = generate(1000, "en", "de", 1)
    dates = sum(pair.target.startswith("der ") for pair in pairs)
    amounts = sum("Cent" in pair.target for pair in pairs)
    assert len(KINDS) == 5
    assert 150 < dates < 260
    assert 150 < amounts < 260


def test_the_parts_share_no_number(tmp_path):
    splits = choose("numbers", size=500).load((60, 90), Fetching(tmp_path, lambda line: None))
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (500, 60, 90)
    sides = [{pair.source for pair in part} for part in (splits.train, splits.valid, splits.test)]
    assert len(set.union(*sides)) == 650


@pytest.mark.parametrize("size", [0, -5, 10_000_000])
def test_a_size_out_of_range_is_refused(tmp_path, size):
    with pytest.raises(PruneError, match=rf"--size {size} is out of range"):
        choose("numbers", size=size).load((30, 30), Fetching(tmp_path, print))


def test_an_unknown_language_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(PruneError, match="--target xx: corpus numbers has en, de, fr"):
        choose("numbers", target="xx").load((30, 30), Fetching(tmp_path, print))


def test_a_missing_num2words_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "num2words", None)
    with pytest.raises(PruneError, match="pip install"):
        choose("numbers").load((30, 30), Fetching(tmp_path, lambda line: None))


def test_choosing_a_corpus_refuses_unknown_names_foreign_settings_and_one_language():
    with pytest.raises(PruneError, match="did you mean numbers"):
        choose("number")
    with pytest.raises(PruneError, match="corpus libreoffice-help takes no --size"):
        choose("libreoffice-help", size=3)
    with pytest.raises(PruneError, match="same language"):
        choose("numbers", target="en")


def test_shared_sentences_are_counted_against_what_is_held_out(tmp_path):
    """And not against the candidates for it, which are three times as many."""
    corpus = choose("numbers", size=8000, target="fr")
    preparation = Preparation.of(corpus, vocab_size=150)
    prepare(corpus, preparation, tmp_path / "out", fetching=Fetching(tmp_path / "cache", lambda line: None))
    held_out = {
        line.casefold()
        for part in ("valid", "test")
        for language in ("en", "fr")
        for line in (tmp_path / "out/raw" / f"{part}.{language}").read_text().splitlines()
    }
    (cleaned,) = tmp_path.glob("cache/work/*/clean")
    sides = [(cleaned / f"train.{language}").read_text().casefold().splitlines() for language in ("en", "fr")]
    shared = sum(not held_out.isdisjoint(pair) for pair in zip(*sides, strict=True))
    assert shared > 0
    assert read_json(tmp_path / "out/manifest.json")["shared_with_held_out"]["train"] == shared
