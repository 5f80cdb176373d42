"""What is exported for Marian says in Marian what it says here: bergamot, where the benchmarks have installed it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from nmt_prune.export.marian import export_marian
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import SPECIAL
from tests.benchmarks.bergamot import Bergamot, extension
from tests.export.marian_models import with_marian_positions
from tests.runtime.models import DECODER, ENCODER, random_model

pytestmark = pytest.mark.skipif(
    extension() is None, reason="bergamot is not installed; python -m tests.benchmarks translation_deployed does it"
)
LINES = ["one two three", "seven", "eleven four nine two", "ten ten one", "six five four three two one two three"]
LONGEST = 15


@pytest.fixture(scope="module")
def subwords(tmp_path_factory) -> tuple[bytes, list[str]]:
    """A SentencePiece model of number words, and its pieces in another order, as in a fairseq dictionary."""
    prefix = tmp_path_factory.mktemp("subwords") / "subwords"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 20), model_prefix=str(prefix), model_type="char", vocab_size=20, minloglevel=2
    )
    content = prefix.with_suffix(".model").read_bytes()
    processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    pieces = [processor.id_to_piece(number) for number in range(3, processor.get_piece_size())]
    return content, sorted(pieces, reverse=True)


def model(subwords: tuple[bytes, list[str]], **changes) -> CompactModel:
    content, pieces = subwords
    stacks = [replace(stack, **changes) for stack in (ENCODER, DECODER)]
    found = random_model(*stacks, words=len(pieces), density=0.5)
    symbols = (*SPECIAL, *pieces)
    text = {**found.text, "bpe": "sentencepiece"}
    return with_marian_positions(replace(found, source=symbols, target=symbols, text=text, sentencepiece=content))


def in_bergamot(compact: CompactModel, folder: Path, **options) -> Iterator[str]:
    export_marian(compact, folder)
    process = Bergamot(folder, {key.replace("_", "-"): value for key, value in options.items()})
    try:
        yield from process.translate(LINES)
    finally:
        process.close()


@pytest.mark.parametrize(
    "changes",
    [{}, {"heads": (0, 3), "ffn": (7, 0)}, {"activation": "swish", "embedding_scale": 1.0}],
    ids=["whole", "gone", "swish, not scaled"],
)
def test_same_translations(changes, subwords, tmp_path):
    compact = model(subwords, **changes)
    found = [*in_bergamot(compact, tmp_path / "marian", beam_size=1)]
    options = SearchOptions(beam=1, min_len=0, max_len_b=LONGEST)
    for theirs, ours in zip(found, Translator(compact, engine="torch").translate_lines(LINES, options), strict=True):
        # Random models often repeat themselves for ever, and Marian ends by the longest line of a batch.
        theirs = theirs.replace(" ⁇ ", "<unk>")
        assert theirs == ours.lines[0] if len(ours.tokens[0]) < LONGEST else theirs.startswith(ours.lines[0])
    assert len(set(found)) > 2


def test_int8_of_marian_takes_every_width(subwords, tmp_path):
    """Sizes are filled up, and matrices of zeros are given a scale."""
    wide = {"dim": 64, "head_dim": 16, "heads": (0, 3), "ffn": (7, 0), "embedding_scale": 8.0}
    found = [*in_bergamot(model(subwords, **wide), tmp_path / "marian", gemm_precision="int8shiftAll", beam_size=1)]
    assert np.mean([bool(line) for line in found]) > 0.5
