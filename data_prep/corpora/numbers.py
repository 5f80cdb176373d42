"""Numbers written out in words: unlimited, made offline, and learned by a tiny model in seconds."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from data_prep.corpora import CORPORA, SplitCorpus, require_languages
from data_prep.download.fetching import Fetching
from data_prep.text.pairs import Pair, Splits
from nmt_prune.errors import PruneError

LANGUAGES = ("en", "de", "fr")
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
}
_ARTICLES = {"en": "the", "de": "der", "fr": "le"}
_LARGEST_SIZE = 200_000


def _words(number: int, language: str, form: str = "cardinal") -> str:
    from num2words import num2words

    return num2words(number, lang=language, to=form)


def _any_length(generator: random.Random, digits: int) -> int:
    """A number with a random number of digits, so that short ones are as frequent as long ones."""
    return generator.randrange(10 ** generator.randint(1, digits))


def cardinal(generator: random.Random) -> Callable[[str], str]:
    """A number below a million: one hundred and twenty-one, einhunderteinundzwanzig, cent vingt et un."""
    number = _any_length(generator, 6)
    return lambda language: _words(number, language)


def ordinal(generator: random.Random) -> Callable[[str], str]:
    """An ordinal up to 10,000: twenty-first, einundzwanzigste, vingt et unième."""
    number = 1 + _any_length(generator, 4)
    return lambda language: _words(number, language, "ordinal")


def year(generator: random.Random) -> Callable[[str], str]:
    """A year from 1100 to 2099: nineteen eighty-four, neunzehnhundertvierundachtzig."""
    number = generator.randint(1100, 2099)
    return lambda language: _words(number, language, "year")


def date(generator: random.Random) -> Callable[[str], str]:
    """A day from 1900 on: the third of May nineteen eighty-four, der dritte Mai neunzehnhundertvierundachtzig."""
    day, month, number = generator.randint(1, 28), generator.randrange(12), generator.randint(1900, 2099)

    def write(language: str) -> str:
        french_cardinal = language == "fr" and day > 1
        spelled = _words(day, language, "cardinal" if french_cardinal else "ordinal")
        of = "of " if language == "en" else ""
        name = _MONTHS[language].split()[month]
        return f"{_ARTICLES[language]} {spelled} {of}{name} {_words(number, language, 'year')}"

    return write


def amount(generator: random.Random) -> Callable[[str], str]:
    """An amount of money below 10,000: twelve dollars, thirty cents; zwölf Dollar und dreißig Cent."""
    cents = 100 * _any_length(generator, 4) + generator.randrange(100)

    def write(language: str) -> str:
        from num2words import num2words

        return num2words(cents, lang=language, to="currency", currency="USD")

    return write


KINDS = (cardinal, ordinal, year, date, amount)


@CORPORA.register("numbers")
@dataclass(frozen=True)
class Numbers(SplitCorpus):
    """Cardinals, ordinals, years, dates and amounts in English, German and French (num2words).

    Attributes:
        source: source language.
        target: target language.
        seed: seed of the numbers.
        size: training pairs.
        valid_size: pairs for validation.
        test_size: pairs for testing.
    """

    # So small a BPE vocabulary gives about one piece for each part of a number word, which is quickest to learn.
    vocab_size: ClassVar[int] = 150
    model_type: ClassVar[str] = "bpe"

    source: str = "en"
    target: str = "de"
    seed: int = 1
    size: int = 20_000
    valid_size: int = 200
    test_size: int = 200

    def __post_init__(self) -> None:
        require_languages(self, LANGUAGES, "numbers")
        if not 1 <= self.size <= _LARGEST_SIZE:
            raise PruneError(f"--size {self.size} is out of range; choose 1 to {_LARGEST_SIZE} training pairs")

    def load(self, candidates: tuple[int, int], fetching: Fetching) -> Splits:
        fetching.report(f"writing {self.size} numbers out in words")
        sizes = [*candidates, self.size]
        pairs = generate(sum(sizes), self.source, self.target, self.seed)
        valid, test, train = (pairs[sum(sizes[:part]) : sum(sizes[: part + 1])] for part in range(3))
        return Splits(train=train, valid=valid, test=test)

    def inputs(self, fetching: Fetching) -> dict[str, str]:
        return {}


def generate(size: int, source: str, target: str, seed: int) -> list[Pair]:
    """Writes out ``size`` numbers with pairwise different source sides, all kinds alike frequent.

    Raises:
        PruneError: num2words is not installed.
    """
    try:
        import num2words  # noqa: F401
    except ImportError:
        raise PruneError("the corpus numbers needs num2words; pip install num2words") from None
    generator = random.Random(seed)
    pairs: dict[str, Pair] = {}
    while len(pairs) < size:
        write = generator.choice(KINDS)(generator)
        sentence = write(source)
        if sentence not in pairs:
            pairs[sentence] = Pair(sentence, write(target))
    return list(pairs.values())
