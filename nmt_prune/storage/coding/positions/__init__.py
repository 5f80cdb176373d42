"""Where the kept elements of a tensor stand: the smallest of several forms, found by encoding in each."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nmt_prune.storage.coding.positions import bitmask, gaps
from nmt_prune.storage.coding.positions.blocks import expand, reduce
from nmt_prune.storage.coding.records import counts, one_of
from nmt_prune.storage.coding.streams import DamagedError, StreamReader, StreamWriter

Mask = npt.NDArray[np.bool_]


class Form(Protocol):
    """A module of this package."""

    def encode(self, mask: Mask, writer: StreamWriter) -> dict[str, Any]:
        """Writes a flat mask; returns what a reader has to know."""
        ...

    def decode(self, record: Mapping[str, Any], elements: int, reader: StreamReader) -> Mask:
        """Reads a flat mask of so many elements."""
        ...


FORMS: Mapping[str, Form] = {"bitmask": bitmask, "gaps": gaps}


def encode(mask: Mask, shape: tuple[int, ...], writer: StreamWriter) -> dict[str, Any]:
    """Writes a mask.

    Args:
        mask: flat, row-major; not all of it True.
        shape: of the tensor.
        writer: takes the streams.

    Returns:
        The record that :func:`decode` needs.
    """
    block, small = reduce(mask, shape)
    found = []
    for name, form in FORMS.items():
        trial = StreamWriter()
        record = {"form": name, **form.encode(small, trial)}
        found.append((sum(trial.lengths), record, trial))
    _, record, trial = min(found, key=lambda one: one[0])
    writer.extend(trial)
    return {**record, "block": list(block)} if block != (1, 1) else record


def decode(record: Mapping[str, Any], shape: tuple[int, ...], reader: StreamReader) -> Mask:
    """Reads a mask.

    Raises:
        DamagedError: what is stored is no mask of this shape.
    """
    elements = int(np.prod(shape))
    form = FORMS[one_of(record, "form", tuple(FORMS))]
    if "block" not in record:
        return form.decode(record, elements, reader)
    if len(shape) != 2 or len(record["block"] if isinstance(record["block"], list) else ()) != 2:
        raise DamagedError("blocks")
    rows, columns = counts(record, "block", elements, 1)
    if shape[0] % rows or shape[1] % columns:
        raise DamagedError("blocks that do not fit")
    return expand(form.decode(record, elements // (rows * columns), reader), shape, (rows, columns))
