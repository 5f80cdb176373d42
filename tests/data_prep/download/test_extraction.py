"""Taking members out of archives, honest, hostile and broken ones."""

import gzip
import io
import os
import random
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from data_prep.download.extraction import extract
from nmt_prune.errors import PruneError
from tests.data_prep.archives import add, write_archive
from tests.waiting import wait_until

EN, DE = b"one\ntwo\n", b"eins\nzwei\n"
MEMBERS = [("training/a.en", EN), ("training/other", b"other"), ("training/a.de", DE)]


@pytest.fixture
def targets(tmp_path):
    (tmp_path / "out").mkdir()
    return {f"training/a.{side}": tmp_path / "out" / f"text.{side}" for side in ("en", "de")}


def build(path: Path, *members: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            tar.addfile(member) if isinstance(member, tarfile.TarInfo) else add(tar, *member)
    return path


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["a.tgz", "a.tar"])
@pytest.mark.parametrize("prefix", ["", "./", "././"])
def test_only_the_wanted_members_are_written(tmp_path, targets, name, prefix):
    archive = write_archive(tmp_path / name, [(prefix + member, content) for member, content in MEMBERS])
    extract(archive, targets)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {"text.en": EN, "text.de": DE}


def test_members_that_are_packed_themselves_are_unpacked(tmp_path):
    # Two gzip streams one after the other are one file.
    packed = gzip.compress(EN) + gzip.compress(DE)
    archive = write_archive(tmp_path / "a.tar", [("release2.fr.gz", packed)])
    extract(archive, {"release2.fr.gz": tmp_path / "text.fr"})
    assert (tmp_path / "text.fr").read_bytes() == EN + DE


def test_what_is_there_is_kept_and_a_finished_archive_is_not_read(tmp_path, targets):
    targets["training/a.en"].write_bytes(b"mine")
    extract(write_archive(tmp_path / "a.tgz", MEMBERS), targets)
    assert [target.read_bytes() for target in targets.values()] == [b"mine", DE]
    extract(tmp_path / "nothing.tgz", targets)


def test_reading_stops_after_the_last_wanted_member(tmp_path, targets):
    noise = random.Random(1).randbytes(4_000_000)
    archive = write_archive(tmp_path / "a.tar", [*MEMBERS, ("noise", noise)])
    archive.write_bytes(archive.read_bytes()[:1_000_000])
    extract(archive, targets)
    assert targets["training/a.de"].read_bytes() == DE


def test_a_missing_member_names_similar_ones(tmp_path, targets):
    archive = write_archive(tmp_path / "a.tgz", [("training/a.en", EN), ("training/b.de", DE)])
    with pytest.raises(
        PruneError, match=r"a\.tgz has no member training/a\.de \(similar names in it: .*'training/b\.de'"
    ):
        extract(archive, targets)
    with pytest.raises(PruneError, match=r"no member xyz \(it has 3 other members\)"):
        extract(archive, {"xyz": tmp_path / "xyz"})


@pytest.mark.parametrize(
    "member",
    [
        special("training/a.de", tarfile.SYMTYPE, "/etc/passwd"),
        special("training/a.de", tarfile.LNKTYPE, "training/a.en"),
        special("training/a.de", tarfile.CHRTYPE),
        special("training/a.de", tarfile.FIFOTYPE),
        special("training/a.de", tarfile.DIRTYPE),
    ],
    ids=["symbolic link", "hard link", "device", "pipe", "folder"],
)
def test_a_wanted_member_must_be_a_file(tmp_path, targets, member):
    archive = build(tmp_path / "a.tgz", ("training/a.en", EN), member)
    with pytest.raises(PruneError, match=r"a\.tgz: training/a\.de is a link, folder or device, not a file"):
        extract(archive, targets)
    assert everything(tmp_path / "out") == ["text.en"]


def test_names_in_the_archive_decide_no_path(tmp_path, targets):
    outside = str(tmp_path / "absolute")
    archive = build(
        tmp_path / "a.tgz",
        ("../escaped", b"bad"),
        (outside, b"bad"),
        special("training", tarfile.SYMTYPE, str(tmp_path)),
        ("training/../training/a.en", b"bad"),
        ("/training/a.en", b"bad"),
        ("../training/a.de", b"bad"),
        *MEMBERS,
    )
    extract(archive, targets)
    assert everything(tmp_path) == ["a.tgz", "out/text.de", "out/text.en"]
    assert targets["training/a.en"].read_bytes() == EN
    assert targets["training/a.de"].read_bytes() == DE


def test_of_two_members_with_one_name_the_first_counts(tmp_path, targets):
    archive = build(tmp_path / "a.tgz", ("training/a.en", EN), ("training/a.en", b"second"), ("training/a.de", DE))
    extract(archive, targets)
    assert targets["training/a.en"].read_bytes() == EN


LONG = random.Random(1).randbytes(2_000_000)


@pytest.mark.parametrize("name", ["a.tgz", "a.tar"])
@pytest.mark.parametrize("kept", [0.0, 0.0001, 0.5])
def test_a_truncated_archive_is_named(tmp_path, targets, name, kept):
    archive = write_archive(tmp_path / name, [("training/a.en", LONG), ("training/a.de", DE)])
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(
        PruneError, match=rf"{name}.* cannot be read \(.*\): the archive is damaged or cut off; delete it"
    ):
        extract(archive, targets)
    assert everything(tmp_path / "out") == []


def test_something_else_than_an_archive_is_named(tmp_path, targets):
    (tmp_path / "a.tgz").write_text("<html>Not found</html>" * 100)
    with pytest.raises(PruneError, match=r"a\.tgz cannot be read .*: the archive is damaged"):
        extract(tmp_path / "a.tgz", targets)


@pytest.mark.parametrize("damage", [b"no gzip", gzip.compress(LONG)[:1_000_000], gzip.compress(EN)[:-8] + bytes(8)])
def test_a_damaged_packed_member_is_named(tmp_path, damage):
    archive = write_archive(tmp_path / "a.tar", [("fr.gz", damage)])
    with pytest.raises(PruneError, match=r"a\.tar: fr\.gz cannot be read \(.*\): the archive is damaged"):
        extract(archive, {"fr.gz": tmp_path / "text.fr"})
    assert everything(tmp_path) == ["a.tar"]


@pytest.mark.parametrize(("name", "content"), [("a.en", b""), ("a.en.gz", gzip.compress(b""))])
def test_an_empty_member_is_refused(tmp_path, name, content):
    archive = write_archive(tmp_path / "a.tar", [(name, content)])
    with pytest.raises(PruneError, match=rf"a\.tar: {name} is empty"):
        extract(archive, {name: tmp_path / "text.en"})
    assert everything(tmp_path) == ["a.tar"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, targets):
    archive = write_archive(tmp_path / "a.tar", MEMBERS)
    (tmp_path / "out/text.en.part").symlink_to("/dev/full")
    with pytest.raises(PruneError, match=r"text\.en cannot be written: No space left on device; free some space"):
        extract(archive, targets)
    assert everything(tmp_path / "out") == []


def test_a_killed_extraction_is_repeated_without_leftovers(tmp_path, targets):
    """The archive comes through a pipe that dries up, so that the kill comes in the middle of a member."""
    content = write_archive(tmp_path / "a.tar", [("training/a.en", LONG), ("training/a.de", DE)]).read_bytes()
    os.mkfifo(tmp_path / "pipe")
    program = (
        "import sys; from pathlib import Path; from data_prep.download.extraction import extract\n"
        "pipe, *files = map(Path, sys.argv[1:])\n"
        "extract(pipe, dict(zip(['training/a.en', 'training/a.de'], files)))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "pipe"), *map(str, targets.values())])
    with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
        pipe.write(content[:1_500_000])
        part = tmp_path / "out/text.en.part"
        wait_until(lambda: part.exists() and part.stat().st_size > 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert everything(tmp_path / "out") == ["text.en.part"]
    extract(tmp_path / "a.tar", targets)
    assert everything(tmp_path / "out") == ["text.de", "text.en"]
    assert targets["training/a.en"].read_bytes() == LONG


def test_memory_does_not_grow_with_the_member(tmp_path):
    """32 MB of zeros go through a process that grows by less than a quarter of them."""
    with tarfile.open(tmp_path / "a.tgz", "w:gz", compresslevel=1) as tar:
        member = tarfile.TarInfo("zeros")
        member.size = 32 << 20
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    program = (
        "import resource, sys; from pathlib import Path; from data_prep.download.extraction import extract\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "extract(Path(sys.argv[1]), {'zeros': Path(sys.argv[2])})\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.tgz"), str(tmp_path / "zeros")]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert (tmp_path / "zeros").stat().st_size == 32 << 20
    assert grown < 8 << 10, f"{grown} KiB more"
