"""Files are there as a whole or as before."""

import errno
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, file_digest, read_json, trouble, write_json
from tests.writing import run


def test_a_new_file_appears_in_a_new_folder(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("old")

    def fail_half_way() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["c.txt", "c[0-9]*.txt"])
def test_a_kill_leaves_the_old_file_and_what_else_it_left_is_removed_by_the_next(tmp_path, name):
    path = tmp_path / name
    path.write_text("old")
    child = os.fork()
    if child == 0:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            os._exit(0)  # no clean-up, as after SIGKILL
    os.waitpid(child, 0)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    others = [f".{name}.elsewhere.{child}.tmp", f".{name}.{socket.gethostname()}.{os.getppid()}.tmp", "c0.txt"]
    for other in others:  # of another machine, of a process that lives, of another file
        (tmp_path / other).touch()
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert {file.name for file in tmp_path.iterdir()} == {name, *others}


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "folder"
    for names in (["a", "b"], ["c"]):
        with atomic_path(path) as temporary:
            temporary.mkdir()
            for name in names:
                (temporary / name).write_text(name)
    assert [file.name for file in path.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_removed_of_an_old_folder_costs_nothing(tmp_path, monkeypatch):
    """As of a mapped file on NFS, or of a folder of another owner."""
    path = tmp_path / "folder"
    (path / "busy").mkdir(parents=True)
    with monkeypatch.context() as patch, atomic_path(path) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
        patch.setattr(shutil, "rmtree", raise_busy)
    assert [file.name for file in path.iterdir()] == ["new"]


def raise_busy(path, **options):
    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(path))


def test_a_folder_whose_writer_died_between_two_renamings_is_put_back(tmp_path):
    path = tmp_path / "folder"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old = tmp_path / f".folder.{socket.gethostname()}.{dead.pid}.old.tmp"
    old.mkdir()
    (old / "whole").touch()
    with pytest.raises(ValueError, match="no"), atomic_path(path):
        raise ValueError("no")
    assert [file.name for file in path.iterdir()] == ["whole"]


def test_a_failure_leaves_the_old_folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()

    def fail_half_way() -> None:
        with atomic_path(path) as temporary:
            temporary.mkdir()
            (temporary / "new").touch()
            raise OSError(28, "No space left on device")

    with pytest.raises(PruneError, match=r"cannot write .*folder: No space left on device; free some space"):
        fail_half_way()
    assert [file.name for file in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "c.json"
    write_json(path, "old")
    (tmp_path / f".c.json.{socket.gethostname()}.{os.getpid()}.tmp").symlink_to("/dev/full")
    with pytest.raises(PruneError, match=r"cannot write .*c\.json: No space left on device"):
        write_json(path, "new")
    assert read_json(path) == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "raise the limit of file sizes"),
        (errno.EROFS, "make it writable"),
        (errno.EACCES, "make it writable"),
        (errno.ENOENT, "see that its folder is there"),
        (errno.EIO, "see that it can be used"),
    ],
)
def test_what_the_system_says_comes_with_what_to_do(number, advice):
    said = os.strerror(number)
    assert trouble(OSError(number, said, "a.pt")).startswith(f"a.pt: {said}; {advice}")
    assert trouble(OSError(number, said), "folder").startswith(f"folder: {said}; {advice}")


def test_less_written_than_asked_for_is_a_full_disk():
    """As numpy says it, without a number."""
    error = OSError("100000 requested and 12484 written")
    assert trouble(error, "a.npy") == "a.npy: 100000 requested and 12484 written; free some space"


@pytest.mark.parametrize("place", ["file/c.json", "a" * 250, "folder"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(PruneError, match=f"cannot write {tmp_path / place}: "):
        write_json(tmp_path / place, 1)
    assert (tmp_path / "folder" / "full").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_writing_nothing_is_an_error(tmp_path):
    def write_nothing() -> None:
        with atomic_path(tmp_path / "c.txt"):
            pass

    with pytest.raises(PruneError, match=r"cannot write .*c\.txt"):
        write_nothing()


def test_json_comes_back(tmp_path):
    value = {"größe": [1, 2.5, None, True], "text": "日本"}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "größe" in text
    assert text.endswith("}\n")


def test_a_value_that_is_no_json_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", object())
    assert read_json(tmp_path / "a.json") == 1


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe"])
def test_what_is_no_json_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(PruneError, match=r"a\.json is not JSON .*; delete it and run the command again"):
        read_json(tmp_path / "a.json")


def test_missing_files_and_folders_are_refused_by_name(tmp_path):
    with pytest.raises(PruneError, match=r"a\.json does not exist"):
        read_json(tmp_path / "a.json")
    with pytest.raises(PruneError, match="cannot be read: Is a directory"):
        read_json(tmp_path)


def test_the_digest_is_sha_256(tmp_path):
    content = b"x" * 3_000_000
    (tmp_path / "a").write_bytes(content)
    assert file_digest(tmp_path / "a") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("request_", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("kind", ["file", "folder", "stream"])
def test_a_request_to_end_leaves_no_temporary(tmp_path, request_, kind):
    path = tmp_path / "c"
    if kind == "stream":
        os.mkfifo(path)
    make = "t.mkdir(); (t / 'x').touch()" if kind == "folder" else "t.write_text('half')"
    code = f"with atomic_path(path) as t:\n {make}; os.kill(os.getpid(), {int(request_)}); time.sleep(9)"
    # Under nohup, as the tests may be, it would be ignored.
    code = f"import os, signal, time\nsignal.signal({int(request_)}, signal.SIG_DFL)\n{code}"
    ended = run(code, path, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert ended.returncode == -request_
    assert list(tmp_path.iterdir()) == ([path] if kind == "stream" else [])


def test_a_child_that_is_ended_leaves_its_parents_temporary(tmp_path):
    with atomic_path(tmp_path / "c") as temporary:
        temporary.write_text("new")
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
    assert (tmp_path / "c").read_text() == "new"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_bytes_of_file_names_come_back(tmp_path):
    write_json(tmp_path / "a.json", {"path": os.fsdecode(b"fran\xe7ais")})
    assert os.fsencode(read_json(tmp_path / "a.json")["path"]) == b"fran\xe7ais"
    (tmp_path / "a.json").read_bytes().decode("ascii")
