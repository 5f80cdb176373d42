"""A corpus of the user's own: pairs of plain text files, one sentence a line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from data_prep.corpora import CORPORA, Corpus, Report
from data_prep.pairs import Pair, Splits, normalise
from nmt_prune.errors import PruneError
from nmt_prune.files import file_digest


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
    fixed_heldout: ClassVar[bool] = True

    source: str = "en"
    target: str = "de"
    train: str = ""
    valid: str = ""
    test: str = ""

    def load(self, valid_size: int, test_size: int, cache: Path, report: Report) -> Splits:
        report("reading the files")
        digests = self._digests()
        train = [pair for pair in self._read("train") if pair.source and pair.target]
        if not train:
            raise PruneError(f"{self.train}: every training pair has an empty side; check the files")
        valid, test = self._read("valid")[: valid_size or None], self._read("test")[: test_size or None]
        return Splits(train=train, valid=valid, test=test, inputs=digests)

    def settings(self) -> dict[str, Any]:
        """The prefixes, and digests of what the files hold now."""
        return {**super().settings(), "files": self._digests()}

    def _sides(self, part: str) -> tuple[Path, Path]:
        prefix = getattr(self, part)
        if not prefix:
            raise PruneError(f"corpus plain needs --{part} PREFIX, for PREFIX.{self.source} and PREFIX.{self.target}")
        return Path(f"{prefix}.{self.source}"), Path(f"{prefix}.{self.target}")

    def _read(self, part: str) -> list[Pair]:
        source_file, target_file = self._sides(part)
        source, target = read_lines(source_file), read_lines(target_file)
        if len(source) != len(target):
            raise PruneError(
                f"{source_file} has {len(source)} lines and {target_file} has {len(target)}; "
                "line i of one must be the translation of line i of the other"
            )
        return [Pair(*sides) for sides in zip(source, target, strict=True)]

    def _digests(self) -> dict[str, str]:
        files = [file for part in ("train", "valid", "test") for file in self._sides(part)]
        for file in files:
            if not file.is_file():
                raise PruneError(f"{file} does not exist; give the prefix without the language ending")
        return {str(file): file_digest(file) for file in files}


def read_lines(file: Path) -> list[str]:
    """Reads a text file by lines, white space normalised.

    Raises:
        PruneError: the file is empty, or a line is not UTF-8.
    """
    content = file.read_bytes()
    if not content.strip():
        raise PruneError(f"{file} is empty; it should hold one sentence a line")
    lines = []
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        try:
            lines.append(normalise(line.decode("utf-8-sig" if number == 1 else "utf-8")))
        except UnicodeDecodeError as error:
            raise PruneError(
                f"{file}, line {number}: byte {error.start + 1} is not UTF-8; convert the file, for example with iconv"
            ) from None
    return lines
