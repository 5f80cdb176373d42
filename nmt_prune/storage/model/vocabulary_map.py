"""A shortlist as text, CTranslate2's: a source subword, a tab, its candidates; in front those of every sentence."""

from collections.abc import Sequence
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.files import atomic_path
from nmt_prune.storage.model.shortlist import Shortlist, from_lists
from nmt_prune.text.dictionaries import SPECIAL


def to_text(shortlist: Shortlist, source: Sequence[str], target: Sequence[str]) -> str:
    """The lines of a vocabulary map; subwords without candidates have none.

    Args:
        shortlist: the shortlist.
        source: symbols of the source dictionary.
        target: symbols of the target dictionary.

    Raises:
        PruneError: a symbol has white space that means something else there.
    """
    for symbol in (*source, *target):
        if any(mark in symbol for mark in " \t\n"):
            raise PruneError(f"the dictionary's {symbol!r} has white space, which a vocabulary map cannot hold")
    lines = [("", shortlist.frequent)]
    lines += [(symbol, shortlist.of(row)) for row, symbol in enumerate(source) if row >= len(SPECIAL)]
    return "".join(f"{key}\t{' '.join(target[row] for row in rows)}\n" for key, rows in lines if len(rows))


def write_map(shortlist: Shortlist, source: Sequence[str], target: Sequence[str], path: Path) -> None:
    """Writes a vocabulary map; see :func:`to_text`."""
    text = to_text(shortlist, source, target)
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode())


def read_map(path: Path, source: Sequence[str], target: Sequence[str]) -> Shortlist:
    """Reads a vocabulary map for a model with these dictionaries.

    Raises:
        PruneError: it cannot be read, or has a line of another form or a subword that the dictionaries lack.
    """
    try:
        lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise PruneError(f"shortlist {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PruneError(f"shortlist {path} is not UTF-8; make it with nmt-prune shortlist") from None
    keys, words = ({symbol: row for row, symbol in enumerate(symbols)} for symbols in (source, target))
    frequent: list[int] = []
    candidates: list[list[int]] = [[] for _ in source]
    for number, line in enumerate(lines, start=1):
        key, tab, listed = line.partition("\t")
        if not tab or " " in key:
            raise PruneError(f"shortlist {path}, line {number}: expected a source subword, a tab and target subwords")
        unknown = [key] if key and key not in keys else [word for word in listed.split(" ") if word not in words]
        if unknown:
            raise PruneError(f"shortlist {path}, line {number}: the model's dictionary has no {unknown[0]!r}")
        (candidates[keys[key]] if key else frequent).extend(words[word] for word in listed.split(" "))
    return from_lists(frequent, candidates, len(target))
