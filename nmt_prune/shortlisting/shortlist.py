"""A model's shortlist from parallel text."""

from collections.abc import Callable

import numpy as np

from nmt_prune.shortlisting.corpus import Sides
from nmt_prune.shortlisting.lexicon import best, lexicon
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.shortlist import Shortlist, from_lists
from nmt_prune.text.dictionaries import SPECIAL


def make_shortlist(
    model: CompactModel, sides: Sides, translations: int, frequent: int, report: Callable[[str], None]
) -> Shortlist:
    """The most likely translations of each source subword, and itself, where the target dictionary has it.

    Args:
        model: whose dictionaries the text is in.
        sides: parallel text.
        translations: how many of each subword at most.
        frequent: so many of the most frequent target subwords are candidates of every sentence.
        report: called with lines about each slow step.
    """
    size = len(model.target)
    table = best(lexicon(*sides, (len(model.source), size), report), translations + len(SPECIAL))
    rows = {symbol: row for row, symbol in enumerate(model.target)}
    candidates: list[list[int]] = []
    for number, symbol in enumerate(model.source):
        if number < len(SPECIAL):
            candidates.append([])
            continue
        part = slice(table.indptr[number], table.indptr[number + 1])
        likely = part.start + np.argsort(-table.data[part], kind="stable")
        chosen = [row for row in table.indices[likely[table.data[likely] > 0]].tolist() if row >= len(SPECIAL)]
        candidates.append(chosen[:translations] + ([rows[symbol]] if symbol in rows else []))
    counts = np.bincount(sides[1].words, minlength=size)
    counts[: len(SPECIAL)] = 0
    order = np.argsort(-counts, kind="stable")[:frequent]
    return from_lists(order[counts[order] > 0].tolist(), candidates, size)
