"""Subwords as rows of an embedding and back."""

from collections.abc import Iterable, Sequence

from nmt_prune.text.dictionaries import BOS, EOS, PAD, UNK


class Vocabulary:
    """One side's dictionary.

    Args:
        symbols: its symbols in the order of their rows, the four special ones first.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = symbols
        self._rows = {symbol: row for row, symbol in enumerate(symbols)}

    def __len__(self) -> int:
        return len(self._symbols)

    def rows(self, subwords: Iterable[str]) -> list[int]:
        """Rows of subwords; a literal ``<pad>`` is left out, as fairseq's models do not see it."""
        found = (self._rows.get(subword, UNK) for subword in subwords)
        return [row for row in found if row != PAD]

    def subwords(self, rows: Iterable[int]) -> list[str]:
        """Subwords of rows, without the ends of a sentence."""
        return [self._symbols[row] for row in rows if row not in (BOS, EOS)]
