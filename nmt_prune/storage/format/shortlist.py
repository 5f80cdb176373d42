"""A shortlist as bytes of a compact file and back."""

import numpy as np

from nmt_prune.storage.coding.streams import DamagedError
from nmt_prune.storage.model.shortlist import Shortlist

_BYTES = 4


def to_bytes(shortlist: Shortlist) -> bytes:
    """Lengths of its lists, then how much each number is more than the one before it; all lowest bytes come first."""
    lengths = np.concatenate([[len(shortlist.frequent)], np.diff(shortlist.starts)])
    numbers = np.concatenate([shortlist.frequent, shortlist.candidates]).astype(np.int64)
    before = np.concatenate([[-1], numbers[:-1]])
    before[(np.cumsum(lengths) - lengths)[lengths > 0]] = -1
    coded = np.concatenate([lengths, numbers - before]).astype("<u4")
    return coded.view(np.uint8).reshape(-1, _BYTES).T.tobytes()


def from_bytes(data: bytes, symbols: tuple[int, int]) -> Shortlist:
    """A shortlist that anybody may have written.

    Args:
        data: what :func:`to_bytes` gives.
        symbols: number of source and of target symbols.

    Raises:
        DamagedError: it is none of a model with these dictionaries.
    """
    lists, size = symbols[0] + 1, symbols[1]
    if len(data) % _BYTES or len(data) < _BYTES * lists:
        raise DamagedError("a shortlist of another length than its dictionary")
    coded = np.frombuffer(data, np.uint8).reshape(_BYTES, -1).T.copy().view("<u4")[:, 0].astype(np.int64)
    lengths, steps = coded[:lists], coded[lists:]
    if lengths.sum() != len(steps) or (steps < 1).any() or (steps > size).any():
        raise DamagedError("a shortlist whose words do not ascend")
    ends = np.cumsum(lengths)
    totals = np.concatenate([[0], np.cumsum(steps)])
    numbers = totals[1:] - np.repeat(totals[ends - lengths], lengths) - 1
    if (numbers >= size).any():
        raise DamagedError("a shortlist with words that the dictionary lacks")
    numbers = numbers.astype(np.int32)
    frequent = int(lengths[0])
    return Shortlist(numbers[:frequent], ends - frequent, numbers[frequent:], size)
