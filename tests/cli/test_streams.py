"""Standard streams as shells leave them."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nmt_prune import cli
from nmt_prune.cli.streams import flushed_output

ECHO = f"{sys.executable} -m tests.runtime.echo"
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def run(command: str, stdin: bytes = b"one two\n") -> tuple[int, bytes, list[str]]:
    """Exit status, output and errors, without what the stand-in for the engine says of itself."""
    process = subprocess.run(["sh", "-c", f"{ECHO} {command}"], input=stdin, capture_output=True, timeout=60)
    errors = [line for line in process.stderr.decode().splitlines() if not line.startswith("imported: ")]
    return process.returncode, process.stdout, errors


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("translate m <&-", "standard input cannot be read: Bad file descriptor"),
        ("translate m >&-", "standard output cannot be written: Bad file descriptor"),
        ("user-dir >&-", "standard output cannot be written: Bad file descriptor"),
        ("user-dir <&- >&-", "standard output cannot be written: Bad file descriptor"),
        pytest.param("translate m >/dev/full", "standard output cannot be written: No space left", marks=needs_full),
        pytest.param("user-dir >/dev/full", "standard output cannot be written: No space left", marks=needs_full),
        pytest.param("translate m --output /dev/full", "cannot write /dev/full: No space left", marks=needs_full),
    ],
)
def test_what_cannot_be_used_is_one_line(command, message):
    status, _, errors = run(command)
    assert status == 1
    assert len(errors) == 1
    assert errors[0].startswith(f"nmt-prune: error: {message}")


def test_what_the_system_refuses_is_one_line(monkeypatch, capsys):
    def refused() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/.lock")

    monkeypatch.setattr(cli, "app", refused)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "nmt-prune: error: runs/.lock: No space left on device; free some space\n"


@pytest.mark.parametrize("errors", [">&-", pytest.param(">/dev/full", marks=needs_full)])
def test_nobody_need_hear_errors(errors):
    text = b"one\xff\ntwo\n"
    process = subprocess.run(["sh", "-c", f"{ECHO} translate m 2{errors}"], input=text, stdout=subprocess.PIPE)
    assert process.stdout.splitlines()[1] == b"two"
    assert run(f"translate m --beam 0 2{errors}")[0] == 1


@pytest.mark.parametrize("streams", ["<&-", "<&- 2>&-"])
def test_a_closed_stream_is_no_place_for_other_files(tmp_path, streams):
    (tmp_path / "in").write_text("one two\n")
    status, _, errors = run(f"translate m --input {tmp_path}/in --output {tmp_path}/out {streams}")
    assert (status, errors) == (0, [])
    assert (tmp_path / "out").read_text() == "one two\n"


def test_an_output_that_nobody_reads_ends_quietly():
    status = subprocess.run(["bash", "-c", f"{ECHO} list | true; exit ${{PIPESTATUS[0]}}"], capture_output=True)
    assert status.returncode == 1
    assert b"Error" not in status.stderr


def test_file_names_are_bytes(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/fran\xe7ais"))
    folder.mkdir()
    (folder / "in").write_text("one\n")
    assert run(f"translate m --input '{folder}/in' --output '{folder}/out'") == (0, b"", [])
    status, _, errors = run(f"translate m --input '{folder}/missing'")
    assert status == 1
    assert errors[0].endswith("fran\\udce7ais/missing cannot be read: No such file or directory")


def test_what_a_caller_collects_is_left_alone(capsys):
    with flushed_output():
        print("one")
    assert capsys.readouterr().out == "one\n"
