"""The training subset of a data folder as text: a sentence a line, the rows of its subwords as numbers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from fairseq.data import Dictionary, data_utils, indexed_dataset

from nmt_prune.errors import PruneError


def splits(data: Path, pair: str, language: str) -> list[Path]:
    """``train``, ``train1``, ... as fairseq joins them, without file endings."""
    found = []
    for number in range(1_000):
        path = data / f"train{number or ''}.{pair}.{language}"
        if not path.with_name(f"{path.name}.idx").exists():
            break
        found.append(path)
    return found


def subsets(data: Path, pair: str, language: str) -> list[Any]:
    """One side of the training subset as datasets of fairseq's; an item is a tensor of rows, the end of sentence last.

    Args:
        data: the data folder.
        pair: SOURCE-TARGET, as in the names of its files.
        language: one of the two.

    Raises:
        PruneError: the subset cannot be read.
    """
    dictionary = Dictionary.load(str(data / f"dict.{language}.txt"))
    found = []
    for path in splits(data, pair, language):
        found.append(data_utils.load_indexed_dataset(str(path), dictionary))
        if found[-1] is None:
            raise PruneError(f"{path}.idx cannot be read; make it anew with nmt-prune data or fairseq-preprocess")
    return found


def write_rows(data: Path, pair: str, language: str, text: Path) -> int:
    """Writes one side of the training subset as lines of numbers.

    Args:
        data: the data folder.
        pair: SOURCE-TARGET, as in the names of its files.
        language: one of the two.
        text: file to write.

    Returns:
        The number of sentences.

    Raises:
        PruneError: the subset cannot be read.
    """
    count = 0
    datasets = subsets(data, pair, language)
    with text.open("w", encoding="ascii") as file:
        for dataset in datasets:
            for index in range(len(dataset)):
                file.write(f"{' '.join(map(str, dataset[index].tolist()))}\n")
            count += len(dataset)
    return count


def binarize_rows(text: Path, prefix: Path, words: int) -> None:
    """Makes ``PREFIX.bin`` and ``PREFIX.idx`` of lines of numbers.

    Args:
        text: the lines.
        prefix: the files without their endings.
        words: size of the dictionary.
    """
    builder = indexed_dataset.make_builder(f"{prefix}.bin", impl="mmap", vocab_size=words)
    for rows in _lines(text):
        builder.add_item(torch.tensor(rows, dtype=torch.int32))
    builder.finalize(f"{prefix}.idx")


def _lines(text: Path) -> Iterator[list[int]]:
    with text.open(encoding="ascii") as file:
        for line in file:
            yield [int(row) for row in line.split()]
