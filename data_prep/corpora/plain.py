"""A corpus of the user's own: pairs of plain text files, one sentence a line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from data_prep.corpora import CORPORA, Corpus
from data_prep.download.fetching import Fetching
from data_prep.text.texts import Text, Texts, check_equal_lines, not_utf8
from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, file_digest
from nmt_prune.text.plain_text import SUFFIXES, is_compressed, text_lines


@CORPORA.register("plain")
@dataclass(frozen=True)
class Plain(Corpus):
    """The files ``PREFIX.source`` and ``PREFIX.target`` for training, validation and test.

    Attributes:
        source: source language, the ending of the source files.
        target: target language, the ending of the target files.
        train: prefix of the training files.
        valid: prefix of the validation files.
        test: prefix of the test files.
    """

    vocab_size: ClassVar[int] = 8000

    source: str = "en"
    target: str = "de"
    train: str = ""
    valid: str = ""
    test: str = ""

    def fetch(self, folder: Path, fetching: Fetching) -> Texts:
        given = [self._text(part) for part in ("train", "valid", "test")]
        train, valid, test = readable = [_readable(text, folder) for text in given]
        for text, files in zip(readable, given, strict=True):
            check_equal_lines(text, files)
        return Texts([train], valid, test)

    def inputs(self, fetching: Fetching) -> dict[str, str]:
        return self._digests()

    def settings(self) -> dict[str, Any]:
        """The prefixes, and digests of what the files hold now."""
        return {**super().settings(), "files": self._digests()}

    def _text(self, part: str) -> Text:
        prefix = getattr(self, part)
        if not prefix:
            raise PruneError(f"corpus plain needs --{part} PREFIX, for PREFIX.{self.source} and PREFIX.{self.target}")
        return Text(part, *(_find(f"{prefix}.{language}") for language in (self.source, self.target)))

    def _digests(self) -> dict[str, str]:
        texts = [self._text(part) for part in ("train", "valid", "test")]
        return {str(file): file_digest(file) for text in texts for file in text[1:]}


def _find(name: str) -> Path:
    """The file of this name, or a compressed one."""
    for suffix in ("", *SUFFIXES):
        if (file := Path(name + suffix)).is_file():
            return file
    raise PruneError(
        f"{name} does not exist, compressed or not ({', '.join(SUFFIXES)}); give the prefix without the language ending"
    )


def _in_utf8(file: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a compressed file, which an error names rather than what is made of it."""
    for number, line in enumerate(lines, start=1):
        try:
            line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(file, number, error) from None
        yield line


def _readable(text: Text, folder: Path) -> Text:
    """The text, decompressed into a folder where that is necessary.

    Raises:
        PruneError: a side is UTF-16, SGML or XML, or damaged.
    """
    sides = []
    for file in text[1:]:
        with file.open("rb") as content:
            lines = text_lines(content, str(file))
            if is_compressed(file):
                plain = folder / f"{text.name}.{'source' if file == text.source else 'target'}"
                with atomic_path(plain) as temporary, temporary.open("wb") as unpacked:
                    unpacked.writelines(_in_utf8(file, lines))
                sides.append(plain)
            else:
                next(lines, None)
                sides.append(file)
    return Text(text.name, *sides)
