"""How many pairs each filter left out, per text."""

from collections.abc import Mapping
from dataclasses import dataclass

from tabulate import tabulate

from data_prep.cleaning.cleaner import KEPT, READ, REASONS

_TOTAL = "all"


@dataclass(frozen=True)
class Summary:
    """Counts of pairs.

    Attributes:
        counts: by text, then by what happened: ``read``, each reason in the order of the filters, ``kept``.
    """

    counts: dict[str, dict[str, int]]

    @classmethod
    def of(cls, *stages: Mapping[str, Mapping[str, int]]) -> "Summary":
        """Puts together the counts of several stages, each by text."""
        columns = (READ, *REASONS, KEPT)
        counts = {
            text: {column: sum(stage[text].get(column, 0) for stage in stages) for column in columns}
            for text in stages[0]
        }
        counts[_TOTAL] = {column: sum(count[column] for count in counts.values()) for column in columns}
        return cls(counts)

    def left_out(self) -> dict[str, int]:
        """Pairs left out of all texts, by reason, where there are any."""
        return {reason: self.counts[_TOTAL][reason] for reason in REASONS if self.counts[_TOTAL][reason]}

    def table(self) -> str:
        """A Markdown table."""
        rows = [[text, *(f"{count:,}" for count in counts.values())] for text, counts in self.counts.items()]
        headers = ["text", *next(iter(self.counts.values()))]
        alignment = ["left"] + ["right"] * (len(headers) - 1)
        return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=alignment)
