"""Sizes and BLEU of random models outside of fairseq, and what is said where something is missing."""

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from nmt_prune.checkpoints import QUANTIZATION_MODULE, Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.costs import exports
from nmt_prune.evaluation.costs.exports import measure_exports
from nmt_prune.evaluation.quality.scores import score
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.translation import Decoding
from nmt_prune.evaluation.records.costs import ExportBleu
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.format.encoded_tensor import decoded
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.precision import converted
from tests.runtime.models import random_model

DECODING = Decoding(beam=2, extra=("--max-len-b", "8"))
LINES = 12


@pytest.fixture
def model() -> CompactModel:
    return replace(random_model(words=30, density=0.3), text={"bpe": "none"})


@pytest.fixture
def checkpoint(tmp_path, model, monkeypatch) -> Checkpoint:
    """A file that is read as the model."""

    def load(checkpoint, data, values, splitting):
        weights = {name: converted(name, decoded(weight), values) for name, weight in model.weights.items()}
        return replace(model, weights=weights)

    monkeypatch.setattr(exports, "compact_model", load)
    return Checkpoint(tmp_path / "checkpoint.pt", {"model": {}})


@pytest.fixture
def subset(tmp_path, model) -> Subset:
    chance = np.random.default_rng(1)
    (tmp_path / "raw").mkdir()
    sources = [" ".join(chance.choice(model.source[4:], chance.integers(1, 6))) for _ in range(LINES)]
    sources[3] = ""
    (tmp_path / "raw/test.en").write_text("".join(f"{line}\n" for line in sources))
    translator = Translator(model, "torch")
    options = SearchOptions(beam=2, max_len_b=8)
    translations = [(result.lines or [""])[0] for result in translator.translate_lines(sources, options)]
    (tmp_path / "raw/test.de").write_text("".join(f"{line}\n" for line in translations))
    return Subset(tmp_path, "test", "en", "de", tmp_path / "raw/test.de")


@pytest.fixture
def compiled() -> None:
    pytest.importorskip("nmt_prune.runtime._engine", reason="the compiled engine was not built")


def test_sizes(checkpoint, subset, model):
    disk = measure_exports(checkpoint, subset, DECODING).disk
    raw = deflated = 0
    for weight in model.weights.values():
        array = weight.dense()
        if array.ndim == 1:
            raw, deflated = raw + array.nbytes, deflated + array.nbytes
            continue
        columns, rows = np.nonzero(array.T)
        raw += 8 * rows.size + 4 * (array.shape[1] + 1)
        file = io.BytesIO()
        starts = np.cumsum([0, *np.count_nonzero(array, axis=0)])
        values = array[rows, columns]
        np.savez_compressed(
            file,
            **{"indices": rows.astype("i4"), "indptr": starts.astype("i4"), "format": np.array(b"csc")},
            **{"shape": np.array(array.shape), "data": values},
        )
        deflated += file.tell()
    assert (disk.csc, disk.csc_deflated) == (raw, deflated)
    assert disk.packed_int8 < disk.packed < disk.csc_deflated


def test_bleu_is_that_of_the_packed_model(checkpoint, subset, compiled):
    pytest.importorskip("ctranslate2")
    found = measure_exports(checkpoint, subset, DECODING)
    # The reference is what plain torch says.
    assert found.bleu.packed == pytest.approx(score(subset.references(), subset.references()).bleu)
    for bleu in (found.bleu.packed_int8, found.bleu.ctranslate2_int8):
        assert 0 < bleu <= found.bleu.packed
    assert found.notes == ()


def test_lines_that_are_too_long_are_empty_everywhere(checkpoint, subset, compiled):
    pytest.importorskip("ctranslate2")
    found = measure_exports(checkpoint, subset, DECODING, left_out=(2,)).bleu
    others = [line if number != 2 else "" for number, line in enumerate(subset.references(), start=1)]
    assert found.packed == pytest.approx(score(others, subset.references()).bleu)
    assert 0 < found.ctranslate2_int8 <= found.packed


def test_without_ctranslate2(checkpoint, subset, compiled, monkeypatch):
    monkeypatch.setattr(exports, "find_spec", lambda name: None)
    found = measure_exports(checkpoint, subset, DECODING)
    assert (found.bleu.packed is None, found.bleu.ctranslate2_int8) == (False, None)
    assert found.notes == ("CTranslate2 is not installed (pip install 'nmt-prune[export]')",)


def test_without_the_compiled_engine(checkpoint, subset, monkeypatch):
    monkeypatch.setitem(sys.modules, "nmt_prune.runtime.compiled", None)
    monkeypatch.setattr(exports, "find_spec", lambda name: None)
    found = measure_exports(checkpoint, subset, DECODING)
    assert found.disk is not None
    assert found.bleu == ExportBleu()
    assert [note.partition("(")[0] for note in found.notes] == [
        "the compiled engine was not built ",
        "CTranslate2 is not installed ",
    ]


def test_flags_that_only_fairseq_knows(checkpoint, subset):
    found = measure_exports(checkpoint, subset, Decoding(extra=("--sampling",)))
    assert found.disk is not None
    assert found.bleu == ExportBleu()
    assert found.notes == ("no BLEU but fairseq's: --sampling of fairseq-generate has no counterpart outside of it",)


def test_without_the_raw_source(checkpoint, subset):
    (subset.data / "raw/test.en").unlink()
    (note,) = measure_exports(checkpoint, subset, DECODING).notes
    assert note.startswith("no BLEU but fairseq's: ")
    assert note.endswith("test.en does not exist")


def test_quantized_activations(checkpoint, subset):
    expected = measure_exports(checkpoint, subset, DECODING)
    state = {"model": {f"{QUANTIZATION_MODULE}.activation_bits": torch.tensor(8)}}
    found = measure_exports(Checkpoint(checkpoint.path, state), subset, DECODING)
    assert (found.disk, found.bleu) == (expected.disk, expected.bleu)
    assert found.notes == (
        "the compiled engine may round to 8 bits what quantized weights are multiplied with",
        "activations are rounded to 8 bits in fairseq only",
        *expected.notes,
    )


def test_what_cannot_be_packed(checkpoint, subset, monkeypatch):
    def refuse(checkpoint, *_):
        raise PruneError(f"{checkpoint.path} is not a plain fairseq Transformer")

    monkeypatch.setattr(exports, "compact_model", refuse)
    found = measure_exports(checkpoint, subset, DECODING)
    assert (found.disk, found.notes) == (None, ("not packed: is not a plain fairseq Transformer",))
