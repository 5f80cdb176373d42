"""Archives in the layouts of WMT 2014's training data, and sacreBLEU's test sets, of number words."""

import csv
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pytest
import sacrebleu.utils
from sacrebleu.dataset import DATASETS

from data_prep.corpora import wmt14
from data_prep.corpora.numbers import generate
from data_prep.download.archive_table import Archive, read_table
from data_prep.text.pairs import Pair
from nmt_prune.files import read_json, write_json

PUBLISHED = Path(wmt14.__file__).with_name("wmt14.tsv")
WHOLE = (3000, 3003)
"""Sentences of newstest2013 and the full newstest2014."""

SIZES = "sizes.json"


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Adds a file to an archive that is being written."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def write_archive(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """Writes a .tgz or .tar, with a directory entry in front as the published ones have it; equal bytes every time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        directory = tarfile.TarInfo("training")
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        for name, content in members:
            add(tar, name, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=0) if path.suffix == ".tgz" else packed.getvalue())
    return path


def lines(pairs: list[Pair], side: int) -> bytes:
    """One side of pairs as a text file."""
    return "".join(f"{pair[side]}\n" for pair in pairs).encode()


def training_pairs(corpus: str, language: str, size: int) -> list[Pair]:
    """The pairs of a corpus, the same at each call."""
    return generate(size, "en", language, seed=int(hashlib.sha256(corpus.encode()).hexdigest()[:6], 16))


def write_training_archives(mirror: Path, table: Path, size: int = 50) -> list[Archive]:
    """Writes what a mirror of the published archives holds.

    Args:
        mirror: folder of the mirror.
        table: where the table of these archives goes, for ``--archives``.
        size: pairs of each corpus.

    Returns:
        The rows of the table.
    """
    rows = []
    for archive in read_table(PUBLISHED):
        members = [("training/README", b"not wanted\n")]
        for language in (pair.removeprefix("en-") for pair in archive.pairs):
            pairs = training_pairs(archive.corpus, language, size)
            for side, code in ((1, language), (0, "en")):
                name, content = archive.path(code, language), lines(pairs, side)
                members.append((name, gzip.compress(content, mtime=0) if name.endswith(".gz") else content))
        path = write_archive(mirror / urlsplit(archive.url).path.lstrip("/"), members)
        rows.append(describe(archive, path))
    write_table(table, rows)
    return rows


def describe(archive: Archive, path: Path) -> Archive:
    """The row of the table for an archive that lies at ``path``."""
    content = path.read_bytes()
    return archive.model_copy(update={"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})


def write_table(table: Path, rows: list[Archive]) -> None:
    """Writes rows in the format of ``wmt14.tsv``."""
    columns = list(Archive.model_fields)
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row.model_dump(), "pairs": " ".join(row.pairs)} for row in rows)


def fill_sacrebleu(cache: Path, sizes: tuple[int, int] = WHOLE) -> None:
    """Puts newstest2013 and the full newstest2014, of number words, where sacreBLEU unpacks its downloads to.

    Args:
        cache: sacreBLEU's.
        sizes: sentences of each; :func:`use_sacrebleu` takes so many for the whole of them.
    """
    write_json(cache / SIZES, sizes)
    prefixes = {"wmt13": "test/newstest2013", "wmt14/full": "test-full/newstest2014"}
    for (name, prefix), size in zip(prefixes.items(), sizes, strict=True):
        folder = cache / name / "raw" / PurePosixPath(prefix).parent
        folder.mkdir(parents=True)
        base = PurePosixPath(prefix).name
        for language in ("de", "fr"):
            pairs = generate(size, "en", language, seed=size)
            for side, code in ((0, "en"), (1, language)):
                segments = "".join(f'<seg id="{i}">{pair[side]}</seg>\n' for i, pair in enumerate(pairs))
                content = f'<doc docid="d" genre="g" origlang="{code}">\n{segments}</doc>\n'
                names = [f"{base}-src.{code}.sgm"]
                if name == "wmt14/full":
                    names = [f"{base}-{language}en-{kind}.{code}.sgm" for kind in ("src", "ref")]
                for file in names:
                    (folder / file).write_text(content, encoding="utf-8")


def use_sacrebleu(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has sacreBLEU, which reads its environment variable only when it is imported, use another cache."""
    monkeypatch.setattr(sacrebleu.utils, "SACREBLEU_DIR", str(cache))
    if (cache / SIZES).exists():
        tests = zip(wmt14._HELD_OUT.items(), read_json(cache / SIZES), strict=True)
        monkeypatch.setattr(wmt14, "_HELD_OUT", {part: test._replace(lines=lines) for (part, test), lines in tests})
    for name in ("wmt13", "wmt14/full"):
        monkeypatch.setattr(DATASETS[name], "_outdir", str(cache / name))
        monkeypatch.setattr(DATASETS[name], "_rawdir", str(cache / name / "raw"))
