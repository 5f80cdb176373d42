"""An engine that says everything again, so that only what is around it is tested; it needs no torch.

``python -m tests.runtime.echo ARGUMENTS`` is ``nmt-prune`` with this engine as the compiled one, for any model.
"""

import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from nmt_prune.runtime import loading
from nmt_prune.runtime.settings.search_options import Hypothesis, SearchOptions
from nmt_prune.storage.model.architecture import Architecture, Stack
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS, SPECIAL

_STACK = Stack(8, 4, (2,), (), (8,), True, True, "relu", 1.0, False, "sinusoidal", 50)
WORDS = ("one", "two", "three", "four", "ä", "�")


class EchoEngine:
    """Every word of the source behind the prefix; the n-th best hypothesis without the last n words.

    Attributes:
        batches: the sources of each batch so far.
        threads: the threads that have asked.
    """

    def __init__(self, model: CompactModel) -> None:
        self.batches: list[list[list[int]]] = []
        self.threads: set[int] = set()

    def search(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions,
        prefixes: Sequence[Sequence[int]] | None = None,
        words: object = None,
        draws: object = None,
    ) -> list[list[Hypothesis]]:
        self.batches.append([list(source) for source in sources])
        self.threads.add(threading.get_ident())
        return [
            [self._hypothesis([*prefix, *source[: len(source) - 1 - place]], place) for place in range(options.nbest)]
            for source, prefix in zip(sources, prefixes or [()] * len(sources), strict=True)
        ]

    def attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[Sequence[int]]]) -> Any:
        """Each token takes three quarters of what stands in its place, and a quarter of the end."""

        def row(place: int, length: int) -> list[float]:
            return [0.75 * (column == place) + 0.25 * (column == length - 1) for column in range(length)]

        return [
            [np.array([row(place, len(source)) for place in range(len(target))], np.float32) for target in own]
            for source, own in zip(sources, targets, strict=True)
        ]

    def _hypothesis(self, words: list[int], place: int) -> Hypothesis:
        return Hypothesis([*words, EOS], -0.5 - place, [-0.5] * (len(words) + 1))


def echo_model(**text: str) -> CompactModel:
    """A model without weights."""
    symbols = (*SPECIAL, *WORDS)
    return CompactModel(Architecture(_STACK, replace(_STACK, cross_heads=(2,))), {}, {}, symbols, symbols, text)


def install(engine: type = EchoEngine) -> None:
    """Makes this the compiled engine of the process."""
    module = ModuleType("nmt_prune.runtime.compiled")
    module.CompiledEngine = engine
    sys.modules[module.__name__] = module


if __name__ == "__main__":
    install()
    loading.load_model = lambda *_, **__: echo_model()
    from nmt_prune.cli import main

    try:
        main()
    finally:
        heavy = sorted({"torch", "fairseq", "omegaconf", "rich.progress"} & sys.modules.keys())
        print(f"imported: {heavy}", file=sys.stderr)
