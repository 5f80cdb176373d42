"""The help of LibreOffice, which Debian and Ubuntu package in many languages (text under the MPL 2.0)."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from data_prep.corpora import CORPORA, SplitCorpus, require_languages
from data_prep.corpora.help_pages import paragraphs
from data_prep.download import debian
from data_prep.download.fetching import Fetching
from data_prep.text.pairs import Pair, Splits, distinct, is_translation
from nmt_prune.files import file_digest

_PACKAGES = {
    "en": "libreoffice-help-en-us",
    "de": "libreoffice-help-de",
    "fr": "libreoffice-help-fr",
}
_PAGE = re.compile(r"/libreoffice/help/[^/]+/text/(?P<page>.+\.html)$")

Page = dict[str, str]


@CORPORA.register("libreoffice-help")
@dataclass(frozen=True)
class LibreOfficeHelp(SplitCorpus):
    """Help pages in English, German and French, aligned by paragraph id and split by page.

    Attributes:
        source: source language.
        target: target language.
        seed: which pages are held out.
        valid_size: pairs for validation.
        test_size: pairs for testing.
    """

    vocab_size: ClassVar[int] = 1000
    max_length: ClassVar[int] = 24

    source: str = "en"
    target: str = "de"
    seed: int = 1
    # A multiple of 8: by default fairseq drops what does not fill a batch of 8 (--required-batch-size-multiple).
    valid_size: int = 512
    test_size: int = 512

    def load(self, candidates: tuple[int, int], fetching: Fetching) -> Splits:
        archives = self._archives(fetching)
        fetching.report("reading the help pages")
        source, target = (read_pages(debian.members(archive)) for archive in archives)
        pages = {page: align(source[page], target[page]) for page in source if page in target}
        valid, test, train = split_by_page(pages, candidates, self.seed)
        test = distinct(test, apart_from=valid)
        return Splits(train=distinct(train, apart_from=valid + test), valid=valid, test=test)

    def __post_init__(self) -> None:
        require_languages(self, tuple(_PACKAGES), "libreoffice-help")

    def inputs(self, fetching: Fetching) -> dict[str, str]:
        return {archive.name: file_digest(archive) for archive in self._archives(fetching)}

    def _archives(self, fetching: Fetching) -> list[Path]:
        packages, cache = [_PACKAGES[self.source], _PACKAGES[self.target]], fetching.cache / "debian"
        return debian.fetch(packages, cache, fetching.report, fetching.offline)


def read_pages(members: Iterable[tuple[str, bytes]]) -> dict[str, Page]:
    """Reads the help pages among the files of a package, by their path inside the help of one language."""
    found = ((_PAGE.search(name), content) for name, content in members)
    return {match["page"]: paragraphs(content.decode("utf-8")) for match, content in found if match}


def align(source: Page, target: Page) -> list[Pair]:
    """Pairs the paragraphs of one page that have the same id, where they are text and its translation."""
    pairs = (Pair(text, target[key]) for key, text in source.items() if key in target)
    return [pair for pair in pairs if is_translation(pair)]


def split_by_page(pages: dict[str, list[Pair]], sizes: Sequence[int], seed: int) -> list[list[Pair]]:
    """Splits whole pages, so that no held-out sentence has its neighbours in the training text.

    Args:
        pages: pairs by page.
        sizes: pairs wanted in each held-out part; a part takes pages until it has as many distinct ones.
        seed: another seed holds out other pages.

    Returns:
        One list for each size, then one with the pairs of all other pages; each without repetitions. The order of pages
        is that of a hash of their names: it does not depend on which other pages there are.
    """
    names = sorted(pages, key=lambda page: hashlib.sha256(f"{seed}:{page}".encode()).digest())
    parts: list[list[Pair]] = []
    for size in sizes:
        part: list[Pair] = []
        while names and len(part) < size:
            part = distinct(part + pages[names.pop(0)])
        parts.append(part)
    rest = (pair for name in sorted(names) for pair in pages[name])
    return [*parts, distinct(rest)]
