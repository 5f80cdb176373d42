"""Parallel text as a stream: in blocks through worker processes, in constant memory, with a bookmark to go on from."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from data_prep.progress import Progress
from data_prep.text.texts import Text, unequal
from data_prep.text.workers import in_order
from nmt_prune.errors import PruneError
from nmt_prune.files import read_json, write_json

# Small enough for several to be under way, large enough that handing them to a worker costs nothing.
_PAIRS_PER_BLOCK = 5_000
_BYTES_PER_BLOCK = 4 << 20


class Block(NamedTuple):
    """Successive lines of a text, without their line ends.

    Attributes:
        text: index of the text.
        line: line number of the first pair, counted from 0.
        number: its number over all texts, counted from 0.
        source: lines of the source side.
        target: lines of the target side.
    """

    text: int
    line: int
    number: int
    source: list[bytes]
    target: list[bytes]


class Outcome(NamedTuple):
    """What became of a block.

    Attributes:
        outputs: bytes for each output file.
        counts: what happened to how many pairs.
    """

    outputs: Sequence[bytes]
    counts: Counter[str]


@dataclass
class Bookmark:
    """How far a stream has come.

    Attributes:
        text: index of the text that is being read.
        line: lines of it that have been read.
        number: pairs that have been read, over all texts.
        offsets: where its two sides are read next, in bytes.
        sizes: bytes of each output file.
        counts: counts of each text.
    """

    text: int = 0
    line: int = 0
    number: int = 0
    offsets: list[int] = field(default_factory=lambda: [0, 0])
    sizes: list[int] = field(default_factory=list)
    counts: list[dict[str, int]] = field(default_factory=list)

    def advance(self, block: Block) -> None:
        """Moves to the end of a block."""
        if block.text != self.text:
            self.offsets = [0, 0]
        self.text = block.text
        self.line, self.number = block.line + len(block.source), block.number + len(block.source)
        for side, lines in enumerate((block.source, block.target)):
            self.offsets[side] += sum(map(len, lines)) + len(lines)


def stream(
    texts: Sequence[Text],
    function: Callable[[Block], Outcome],
    outputs: Sequence[Path],
    *,
    workers: int,
    progress: Progress,
    pairs_per_block: int = 0,
) -> list[Counter[str]]:
    """Maps ``function`` over the blocks of texts and appends what it returns, in order, to the output files.

    Killed at any time, the same call goes on where it was: beside the first output lies a bookmark, and what was
    written after it is cut off. The outputs do not depend on the number of workers.

    Args:
        texts: read one after the other.
        function: picklable; runs in the workers.
        outputs: one file for each of the function's outputs.
        workers: processes; with 1 everything happens in this one.
        progress: is told how many bytes have been read, of both sides.
        pairs_per_block: where a pair takes long, fewer than usual: so many are lost by a kill.

    Returns:
        Counts of each text.

    Raises:
        PruneError: the sides of a text have different numbers of lines, the disk is full, or the function refuses.
    """
    place = outputs[0].with_name(f"{outputs[0].name}.bookmark")
    mark = Bookmark(**read_json(place)) if place.exists() else Bookmark()
    mark.sizes = mark.sizes or [0] * len(outputs)
    counts = [Counter(mark.counts[index] if index < len(mark.counts) else {}) for index in range(len(texts))]
    before = [0]
    for text in texts:
        before.append(before[-1] + text.source.stat().st_size + text.target.stat().st_size)
    with ExitStack() as files:
        try:
            written = [files.enter_context(_cut(path, size)) for path, size in zip(outputs, mark.sizes, strict=True)]
            for block, outcome in in_order(
                function, _blocks(texts, mark, pairs_per_block or _PAIRS_PER_BLOCK), workers
            ):
                for file, data in zip(written, outcome.outputs, strict=True):
                    file.write(data)
                    file.flush()
                counts[block.text].update(outcome.counts)
                mark.advance(block)
                mark.sizes, mark.counts = [file.tell() for file in written], [dict(count) for count in counts]
                write_json(place, vars(mark))
                progress.at(before[mark.text] + sum(mark.offsets), before[-1])
        except OSError as error:
            raise PruneError(f"{outputs[0]}: {error.strerror}; free some space and repeat the command") from error
    return counts


def _cut(path: Path, size: int) -> BinaryIO:
    file = path.open("r+b" if size else "wb")
    file.truncate(size)
    file.seek(size)
    return file


def _blocks(texts: Sequence[Text], mark: Bookmark, size: int) -> Iterator[Block]:
    number = mark.number
    for index in range(mark.text, len(texts)):
        here = index == mark.text
        offsets, line = (mark.offsets, mark.line) if here else ([0, 0], 0)
        with texts[index].source.open("rb") as source, texts[index].target.open("rb") as target:
            source.seek(offsets[0])
            target.seek(offsets[1])
            for sides in _pages(texts[index], line, source, target, size):
                yield Block(index, line, number, *sides)
                line, number = line + len(sides[0]), number + len(sides[0])


def _pages(
    text: Text, line: int, source: BinaryIO, target: BinaryIO, pairs: int
) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Lines end at a line feed and nowhere else: whatever else breaks lines must not shift one side."""
    page: tuple[list[bytes], list[bytes]] = ([], [])
    size = 0
    for one, other in zip_longest(source, target):
        if one is None or other is None:
            short = line + len(page[0])
            long = short + 1 + sum(1 for _ in (source if other is None else target))
            lines = (long, short) if other is None else (short, long)
            raise unequal(text, *lines)
        page[0].append(one.removesuffix(b"\n"))
        page[1].append(other.removesuffix(b"\n"))
        size += len(one) + len(other)
        if len(page[0]) == pairs or size > _BYTES_PER_BLOCK:
            yield page
            line, page, size = line + len(page[0]), ([], []), 0
    if page[0]:
        yield page
