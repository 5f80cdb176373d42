"""A random model in bergamot: exported for Marian, with subwords that are words, and never an end of sentence."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import sentencepiece

from nmt_prune.export.marian import MODEL, export_marian
from nmt_prune.export.marian_vocabulary import vocabulary
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS, SPECIAL
from tests.benchmarks.bergamot import Bergamot
from tests.benchmarks.marian_shortlist import write_marian
from tests.benchmarks.translation_systems import Sources
from tests.export.marian_models import with_marian_positions

INT8 = "int8shiftAll"
"""8 bits for weights and activations, which are scaled by their largest, as CTranslate2's and ours are."""

_NEVER = -1e4


class MarianPeer:
    """bergamot with one beam size; a process per beam."""

    def __init__(self, folder: Path, model: CompactModel, shortlist: Path | None) -> None:
        self._folder, self._model, self._processes = folder, model, dict[int, Bergamot]()
        self._options = {"gemm-precision": INT8, "max-length-factor": 1.0}
        if shortlist is not None:
            self._options["shortlist"] = [str(shortlist), False]

    def __call__(self, sources: Sources, options: SearchOptions) -> list[list[int]]:
        """Translates; every translation is as long as its source."""
        process = self._process(options.beam)
        lines = [" ".join(self._model.source[row][1:] for row in source[:-1]) for source in sources]
        rows = {word[1:]: row for row, word in enumerate(self._model.target)}
        return [[rows[word] for word in line.split()] for line in process.translate(lines)]

    def seconds(self) -> float:
        """CPU seconds of all translations."""
        return sum(process.seconds for process in self._processes.values())

    def close(self) -> None:
        """Ends the processes."""
        for process in self._processes.values():
            process.close()

    def _process(self, beam: int) -> Bergamot:
        if beam not in self._processes:
            self._processes[beam] = Bergamot(self._folder, {**self._options, "beam-size": beam})
        return self._processes[beam]


@contextmanager
def marian_peers(model: CompactModel) -> Iterator[tuple[MarianPeer, MarianPeer]]:
    """The model in bergamot, with the whole vocabulary and with a shortlist.

    Args:
        model: a post-norm model of random weights, with a shortlist.
    """
    assert model.shortlist is not None
    with tempfile.TemporaryDirectory(prefix="nmt-prune-") as name:
        folder, lists = Path(name) / "model", Path(name) / "lex.bin"
        spoken = _with_words_as_subwords(with_marian_positions(model), Path(name))
        export_marian(spoken, folder)
        words = vocabulary(spoken)
        write_marian(model.shortlist, words.source, words.target, lists)
        _never_end(folder / MODEL, words.target.index(EOS))
        peers = MarianPeer(folder, spoken, None), MarianPeer(folder, spoken, lists)
        try:
            yield peers
        finally:
            for peer in peers:
                peer.close()


def clock(peer: MarianPeer) -> Callable[[], float]:
    """What measures it: the CPU time of its processes."""
    return partial(MarianPeer.seconds, peer)


def _with_words_as_subwords(model: CompactModel, folder: Path) -> CompactModel:
    """The same model, its subwords the words of a SentencePiece model."""
    words = model.source[len(SPECIAL) :]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words), model_prefix=str(folder / "words"), model_type="word", minloglevel=2,
        vocab_size=len(words) + 3,
    )  # fmt: skip
    content = (folder / "words.model").read_bytes()
    symbols = (*SPECIAL, *(f"▁{word}" for word in words))
    text = {**model.text, "bpe": "sentencepiece"}
    return replace(model, source=symbols, target=symbols, sentencepiece=content, text=text)


def _never_end(path: Path, end: int) -> None:
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["decoder_ff_logit_out_b"][0, end] = _NEVER
    np.savez(path, **arrays)
