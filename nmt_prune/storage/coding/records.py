"""Reading numbers out of a header that anybody may have written."""

from collections.abc import Mapping
from typing import Any

from nmt_prune.storage.coding.streams import DamagedError


def count(record: Mapping[str, Any], key: str, largest: int, smallest: int = 0) -> int:
    """A whole number between two bounds.

    Raises:
        DamagedError: it is missing, of another type or out of bounds.
    """
    value = record.get(key)
    if type(value) is not int or not smallest <= value <= largest:
        raise DamagedError(f"{key} {str(value)[:40]}")
    return value


def counts(record: Mapping[str, Any], key: str, largest: int, smallest: int = 0) -> tuple[int, ...]:
    """A list of whole numbers between two bounds.

    Raises:
        DamagedError: see :func:`count`.
    """
    values = record.get(key)
    if not isinstance(values, list):
        raise DamagedError(f"{key} {str(values)[:40]}")
    return tuple(count({key: value}, key, largest, smallest) for value in values)


def one_of(record: Mapping[str, Any], key: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """A known word.

    Raises:
        DamagedError: it is missing or unknown.
    """
    value = record.get(key)
    if not isinstance(value, str) or value not in known:
        raise DamagedError(f"{key} {str(value)[:40]}")
    return value


def mapping(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An object.

    Raises:
        DamagedError: it is missing or of another type.
    """
    value = record.get(key)
    if not isinstance(value, dict):
        raise DamagedError(f"{key} {str(value)[:40]}")
    return value
