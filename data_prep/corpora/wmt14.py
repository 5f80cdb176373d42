"""The training text of WMT 2014, English-German and English-French, with newstest2013 and the full newstest2014."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from data_prep.corpora import CORPORA, Corpus
from data_prep.download.archive_table import Archive, read_table
from data_prep.download.extraction import extract
from data_prep.download.fetching import Fetching
from data_prep.download.files import fetch_all
from data_prep.download.newstest import Newstest, sides
from data_prep.text.texts import Text, Texts, check_equal_lines
from nmt_prune.errors import PruneError
from nmt_prune.files import file_digest, read_json, write_json

_TABLE = Path(__file__).with_name("wmt14.tsv")
# sacreBLEU's plain wmt14 is a filtered set of 2,737 sentences; papers report the full one.
_HELD_OUT = {"valid": Newstest("wmt13", 3000), "test": Newstest("wmt14/full", 3003)}


@dataclass(frozen=True)
class _Wmt14(Corpus):
    """All corpora of one language pair.

    Attributes:
        source: source language.
        target: target language.
        archives: table of archives instead of the published ones, with the columns of ``wmt14.tsv``.
        corpora: names of the corpora to use, with commas between them; else all.
    """

    name: ClassVar[str]
    other: ClassVar[str]
    vocab_size: ClassVar[int] = 32_000
    # Lengths and ratio are those of fairseq's own recipe (prepare-wmt14en2de.sh).
    max_length: ClassVar[int] = 250
    max_ratio: ClassVar[float] = 1.5
    clean: ClassVar[bool] = True
    keep_going: ClassVar[bool] = True
    has_mirrors: ClassVar[bool] = True

    source: str
    target: str
    archives: str = ""
    corpora: str = ""

    def fetch(self, folder: Path, fetching: Fetching) -> Texts:
        rows = self._rows()
        missing = [row for row in rows if not self._is_extracted(row, folder)]
        remotes = list(dict.fromkeys(row.remote for row in missing))
        found = dict(zip(remotes, fetch_all(remotes, fetching.cache / "wmt14", fetching), strict=True))
        for row in missing:
            fetching.report(f"{row.corpus}: extracting from {row.remote.name}")
            self._extract(row, found[row.remote], folder)
        valid, test = (Text(part, *self._held_out(part, fetching)) for part in _HELD_OUT)
        return Texts([self._text(row.corpus, folder) for row in rows], valid, test)

    def inputs(self, fetching: Fetching) -> dict[str, str]:
        digests = {row.remote.name: row.sha256 for row in self._rows()}
        held_out = (file for part in _HELD_OUT for file in self._held_out(part, fetching))
        return digests | {file.name: file_digest(file) for file in held_out}

    def settings(self) -> dict[str, Any]:
        """The languages, the corpora and the digests of their archives, wherever these come from."""
        rows = self._rows()
        return {
            "source": self.source,
            "target": self.target,
            "corpora": ",".join(row.corpus for row in rows),
            "files": {row.corpus: row.sha256 for row in rows},
        }

    def folder_name(self, name: str) -> str:
        return f"wmt14_{self.source}_{self.target}"

    def _rows(self) -> list[Archive]:
        if {self.source, self.target} != {"en", self.other}:
            raise PruneError(
                f"--source {self.source} --target {self.target}: corpus {self.name} has en and {self.other}"
            )
        table = Path(self.archives) if self.archives else _TABLE
        rows = {row.corpus: row for row in read_table(table) if f"en-{self.other}" in row.pairs}
        wanted = [name.strip() for name in self.corpora.split(",") if name.strip()] or list(rows)
        for name in wanted:
            if name not in rows:
                raise PruneError(f"--corpora {name}: corpus {self.name} consists of {', '.join(rows)}")
        return [row for name, row in rows.items() if name in wanted]

    def _held_out(self, part: str, fetching: Fetching) -> tuple[Path, Path]:
        return sides(_HELD_OUT[part], self.source, self.target, fetching)

    def _text(self, name: str, folder: Path) -> Text:
        return Text(name, folder / f"{name}.{self.source}", folder / f"{name}.{self.target}")

    def _extract(self, row: Archive, archive: Path, folder: Path) -> None:
        text = self._text(row.corpus, folder)
        for file in text[1:]:
            file.unlink(missing_ok=True)
        languages = zip((self.source, self.target), text[1:], strict=True)
        extract(archive, {row.path(language, self.other): file for language, file in languages})
        check_equal_lines(text)
        write_json(self._note(row, folder), row.sha256)

    def _is_extracted(self, row: Archive, folder: Path) -> bool:
        note = self._note(row, folder)
        files = self._text(row.corpus, folder)[1:]
        return all(file.exists() for file in (note, *files)) and read_json(note) == row.sha256

    @staticmethod
    def _note(row: Archive, folder: Path) -> Path:
        return folder / f"{row.corpus}.archive.json"


@CORPORA.register("wmt14-en-de")
@dataclass(frozen=True)
class Wmt14EnDe(_Wmt14):
    """English-German: 4.5 M pairs (Europarl, Common Crawl, News Commentary)."""

    name: ClassVar[str] = "wmt14-en-de"
    other: ClassVar[str] = "de"

    source: str = "en"
    target: str = "de"


@CORPORA.register("wmt14-en-fr")
@dataclass(frozen=True)
class Wmt14EnFr(_Wmt14):
    """English-French: about 40 M pairs (also the UN documents and the 10^9 corpus of crawled pages)."""

    name: ClassVar[str] = "wmt14-en-fr"
    other: ClassVar[str] = "fr"

    source: str = "en"
    target: str = "fr"
