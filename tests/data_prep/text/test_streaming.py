"""Streams: order, resuming after a kill, what does not fit together."""

import errno
import io
import multiprocessing
import os
import signal
from collections import Counter
from dataclasses import dataclass

import pytest

from data_prep.progress import Progress
from data_prep.text import streaming
from data_prep.text.streaming import Block, Outcome, stream
from data_prep.text.texts import Text
from nmt_prune.errors import PruneError


@dataclass(frozen=True)
class Numbered:
    """Writes lines with their numbers; kills its process, or fails, when it meets a line."""

    deadly: bytes = b"-"
    signal: int = signal.SIGKILL

    def __call__(self, block: Block) -> Outcome:
        if self.deadly in block.source:
            os.kill(os.getpid(), self.signal)
        lines = enumerate(zip(block.source, block.target, strict=True), start=block.line)
        written = b"".join(b"%d.%d %s|%s\n" % (block.text, line, *sides) for line, sides in lines)
        return Outcome([written, b"".join(block.target)], Counter({"lines": len(block.source)}))


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(streaming, "_PAIRS_PER_BLOCK", 3)


@pytest.fixture
def texts(tmp_path):
    made = []
    for name, size in (("a", 10), ("b", 1), ("c", 7)):
        text = Text(name, tmp_path / f"{name}.en", tmp_path / f"{name}.de")
        text.source.write_bytes(b"".join(b"%s%d\n" % (name.encode(), line) for line in range(size)))
        text.target.write_bytes(b"\n".join(b"%s%d" % (name.upper().encode(), line) for line in range(size)))
        made.append(text)
    return made


def run(texts, folder, function=None, workers=1, reported=None):
    progress = Progress("test", (reported if reported is not None else []).append)
    outputs = [folder / "out", folder / "targets"]
    counts = stream(texts, function or Numbered(), outputs, workers=workers, progress=progress)
    return [output.read_bytes() for output in outputs], [dict(count) for count in counts]


@pytest.mark.parametrize("workers", [1, 3])
def test_everything_arrives_once_and_in_order(texts, tmp_path, workers):
    (lines, targets), counts = run(texts, tmp_path, workers=workers)
    expected = [f"{index}.{line} {name}{line}|{name.upper()}{line}" for index, (name, size) in
                enumerate((("a", 10), ("b", 1), ("c", 7))) for line in range(size)]  # fmt: skip
    assert lines.decode().splitlines() == expected
    assert targets == b"".join(line.split(b"|")[1] for line in lines.splitlines())
    assert counts == [{"lines": 10}, {"lines": 1}, {"lines": 7}]


@pytest.mark.parametrize("deadly", [b"a0", b"a4", b"b0", b"c5"])
def test_a_killed_stream_goes_on(texts, tmp_path, deadly):
    for folder in ("killed", "whole"):
        (tmp_path / folder).mkdir()
    whole = run(texts, tmp_path / "whole")
    process = multiprocessing.get_context("fork").Process(
        target=run, args=(texts, tmp_path / "killed", Numbered(deadly))
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    # What a kill between an output and the bookmark leaves behind.
    with (tmp_path / "killed/out").open("ab") as file:
        file.write(b"half a li")
    seen: list[bytes] = []

    def remember(block: Block) -> Outcome:
        seen.extend(block.source)
        return Numbered()(block)

    assert run(texts, tmp_path / "killed", remember) == whole
    assert deadly in seen
    assert (b"a0" in seen) == (deadly == b"a0")


def test_a_finished_stream_does_nothing_again(texts, tmp_path):
    first = run(texts, tmp_path)
    assert run(texts, tmp_path, Numbered(b"a0")) == first


def test_a_killed_worker_is_one_line(texts, tmp_path):
    with pytest.raises(PruneError, match="a worker process was killed, perhaps for want of memory; repeat the command"):
        run(texts, tmp_path, Numbered(b"c5"), workers=2)
    assert run(texts, tmp_path, workers=2)[1] == [{"lines": 10}, {"lines": 1}, {"lines": 7}]


def test_a_line_ends_at_a_line_feed_only_and_long_ones_fill_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_BYTES_PER_BLOCK", 1000)
    text = Text("odd", tmp_path / "odd.en", tmp_path / "odd.de")
    text.source.write_bytes("a\u2028b\rc\x0b\nlong \n".encode() + b"x" * 10_000_000 + b"\n\n")
    text.target.write_bytes(b"1\n2\n3\n4")
    sizes = []

    def note(block: Block) -> Outcome:
        sizes.append([len(line) for line in block.source])
        return Outcome([b"", b""], Counter())

    run([text], tmp_path, note)
    assert sizes == [[8, 5, 10_000_000], [0]]


@pytest.mark.parametrize(
    ("short", "message"), [("source", "5 lines and .* has 10"), ("target", "10 lines and .* has 5")]
)
def test_unequal_sides_are_named_with_both_counts(texts, tmp_path, short, message):
    path = getattr(texts[0], short)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    with pytest.raises(PruneError, match=f"^a: .*{message}"):
        run(texts, tmp_path)


class FullDisk(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_one_line_and_the_stream_goes_on_when_there_is_space(texts, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(streaming, "_cut", lambda path, size: FullDisk())
        with pytest.raises(PruneError, match="out: No space left on device; free some space and repeat the command"):
            run(texts, tmp_path)
    assert run(texts, tmp_path)[1] == [{"lines": 10}, {"lines": 1}, {"lines": 7}]


def test_progress_is_told_now_and_then(monkeypatch):
    now, lines = [100.0], []
    monkeypatch.setattr("nmt_prune.pace.time.monotonic", lambda: now[0])
    progress = Progress("encode", lines.append)
    for done in range(0, 101, 10):
        progress.at(done, 100)
        now[0] += 6
    assert lines == [
        "encode: 30%, about 0:00:42 left",
        "encode: 60%, about 0:00:24 left",
        "encode: 90%, about 0:00:06 left",
    ]
