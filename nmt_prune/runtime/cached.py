"""An engine that remembers its latest translations, for sentences that come again."""

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from nmt_prune.errors import PruneError
from nmt_prune.runtime.settings.search_options import AligningEngine, Attention, Hypothesis, SearchOptions

Key = tuple[tuple[int, ...], tuple[int, ...], SearchOptions]


def check_cacheable(options: SearchOptions) -> None:
    """Refuses to remember what is drawn.

    Raises:
        PruneError: translations are to be drawn.
    """
    if options.sampling:
        raise PruneError("--sampling draws each sentence anew, and --cache would repeat it; leave one of them out")


class CachedEngine:
    """What an engine found for a source, a prefix and options is found again as long as it is among the latest.

    With a shortlist that is what was found with the words of another batch. Threads may share it, and forked processes
    go on with it: no step holds a lock, at worst a sentence is translated twice.

    Args:
        engine: what translates.
        size: sentences that are remembered, at least 1.
    """

    def __init__(self, engine: AligningEngine, size: int) -> None:
        self._engine, self._size = engine, size
        self._latest: OrderedDict[Key, list[Hypothesis]] = OrderedDict()

    def search(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions,
        prefixes: Sequence[Sequence[int]] | None = None,
        words: npt.NDArray[np.int32] | None = None,
        draws: Sequence[Sequence[float]] | None = None,
    ) -> list[list[Hypothesis]]:
        """Translates one batch; see ``nmt_prune.runtime.settings.search_options.Engine``.

        Raises:
            PruneError: see :func:`check_cacheable`.
        """
        check_cacheable(options)
        given = prefixes or [()] * len(sources)
        keys: list[Key] = [
            (tuple(source), tuple(prefix), options) for source, prefix in zip(sources, given, strict=True)
        ]
        found = {key: known for key in dict.fromkeys(keys) if (known := self._latest.pop(key, None)) is not None}
        new = list(dict.fromkeys(key for key in keys if key not in found))
        if new:
            begin = [list(prefix) for _, prefix, _ in new] if prefixes else None
            results = self._engine.search([list(source) for source, _, _ in new], options, begin, words)
            found |= dict(zip(new, results, strict=True))
        self._latest |= {key: found[key] for key in keys}
        while len(self._latest) > self._size:
            with suppress(KeyError):
                self._latest.popitem(last=False)
        return [found[key] for key in keys]

    def attention(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[Attention]]:
        """As the engine finds it, anew; see ``nmt_prune.runtime.settings.search_options.AligningEngine``."""
        return self._engine.attention(sources, targets)
