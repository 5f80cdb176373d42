"""What is written to a link, a pipe, a device or standard output arrives there, and each stays what it is."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path, output, read_json, write_json
from tests.writing import run

WRITES = {
    "atomic_path": "with atomic_path(path) as t: t.write_text('new')",
    "output": "with output(path) as f: f.write(b'new')",
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("links", [1, 2])
def test_of_a_link_the_target_is_replaced(tmp_path, write, links):
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    (tmp_path / "folder" / "inner").symlink_to("target")
    link.symlink_to("folder/inner" if links == 2 else "folder/target")
    held = target.open()
    assert run(write, link).returncode == 0
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert held.read() == "old"  # replaced, not written over
    assert len(list(target.parent.iterdir())) == 2


def test_a_link_to_nothing_and_one_to_a_folder(tmp_path):
    (tmp_path / "link").symlink_to("missing/target")
    write_json(tmp_path / "link", 1)
    assert read_json(tmp_path / "missing" / "target") == 1
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "old").touch()
    (tmp_path / "folder").symlink_to("real")
    with atomic_path(tmp_path / "folder") as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert (tmp_path / "folder").is_symlink()
    assert [file.name for file in (tmp_path / "real").iterdir()] == ["new"]


@pytest.mark.parametrize("writer", [atomic_path, output])
def test_a_link_to_itself_is_one_line(tmp_path, writer):
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(PruneError, match="link: Too many levels of symbolic links"), writer(tmp_path / "link"):
        pass


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_pipe_gets_the_bytes(tmp_path, write):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert run(write, pipe).returncode == 0
        assert reader.communicate(timeout=60)[0] == "new"
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_device_stays_one(tmp_path, write):
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        device.write_text("")
    except PermissionError:
        pytest.skip("only root makes devices, and not everywhere")
    assert run(write, device).returncode == 0
    assert device.is_char_device()
    assert list(tmp_path.iterdir()) == [device]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_standard_output_by_its_name_goes_on_where_it_is(tmp_path, write, place):
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    (tmp_path / "link").symlink_to("/dev/stdout")
    with (tmp_path / "out").open("w") as out:
        out.write("before ")
        out.flush()
        code = f"sys.stdout.write('first ')\n{write}\nprint(' last')"
        assert run(code, tmp_path / place, stdout=out).returncode == 0
    assert (tmp_path / "out").read_text() == "before first new last\n"
    shell = run(write, place if place != "link" else tmp_path / place, stdout=subprocess.PIPE)
    assert shell.stdout == b"new"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_full_device_is_one_line(write):
    ended = run(write, "/dev/full", stderr=subprocess.PIPE, text=True)
    assert ended.stderr.splitlines()[-1].startswith(
        "nmt_prune.errors.PruneError: cannot write /dev/full: No space left on device"
    )
