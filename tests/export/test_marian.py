"""What is exported for Marian says what fairseq says, read back by CTranslate2's own converter of Marian's models."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
import yaml
from ctranslate2.converters.marian import MarianConverter

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.export.ctranslate2 import export_ctranslate2
from nmt_prune.export.marian import export_marian
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.sinusoids import sinusoids
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.text.dictionaries import EOS, PAD
from tests.export.marian_models import with_marian_positions
from tests.export.test_ctranslate2 import GREEDY, words
from tests.runtime.models import DECODER, ENCODER, fairseq_model, random_model
from tests.runtime.torch_engine.test_torch_engine import ARCHITECTURES, fairseq_search, sentences


def read_back(folder: Path) -> ctranslate2.Translator:
    """The export in CTranslate2, with Marian's sinusoids: CTranslate2's have other frequencies."""
    vocabularies = yaml.safe_load((folder / "decoder.yml").read_text())["vocabs"]
    spec = MarianConverter(str(folder / "model.npz"), [str(folder / name) for name in vocabularies])._load()
    for part in (spec.encoder, spec.decoder):
        part.position_encodings.encodings = sinusoids(100, part.layer[0].self_attention.linear[0].weight.shape[1])
    spec.validate()
    spec.optimize()
    converted = folder.parent / "converted"
    converted.mkdir()
    spec.save(str(converted))
    return ctranslate2.Translator(str(converted), compute_type="float32", intra_threads=1)


def scores_without_padding(model: CompactModel, sources: Any, targets: Any) -> np.ndarray:
    """Log-probabilities of given translations in fairseq, where padding has none: Marian cannot write it."""
    network, _ = fairseq_model(model)
    found = []
    for source, target in zip(sources, targets, strict=True):
        shifted = torch.tensor([[EOS, *target[:-1]]])
        with torch.no_grad():
            output = network(torch.tensor([source]), torch.tensor([len(source)]), shifted)[0][0]
        output[:, PAD] = -torch.inf
        found += output.log_softmax(-1)[torch.arange(len(target)), torch.tensor(target)].tolist()
    return np.array(found)


def assert_same(model: CompactModel, folder: Path) -> None:
    export_marian(model, folder)
    translator, sources = read_back(folder), sentences(model)
    texts = [words(model.source, source) for source in sources]
    found = translator.translate_batch(texts, beam_size=1, max_decoding_length=GREEDY.max_len_b)
    expected = fairseq_search(model, sources, GREEDY)
    assert [one.hypotheses[0] for one in found] == [words(model.target, best.tokens) for (best,) in expected]
    targets = sources[::-1]
    scored = translator.score_batch(texts, [words(model.target, target) for target in targets])
    mine = np.concatenate([one.log_probs for one in scored])
    np.testing.assert_allclose(mine, scores_without_padding(model, sources, targets), atol=1e-4)


TAKEN = ("post-norm", "post-norm, gone")


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("tying", ["all", "decoder", "none"])
def test_architectures_and_tyings(name, tying, tmp_path):
    """Half of the weights are zeros; heads, units and sublayers that are gone are zeros too."""
    other = None if tying == "all" else 45
    model = random_model(*ARCHITECTURES[name], tying=tying, words=30, target_words=other, density=0.5)
    assert_same(with_marian_positions(model), tmp_path / "marian")


def test_embeddings_that_are_not_scaled(tmp_path):
    stacks = [replace(stack, embedding_scale=1.0) for stack in (ENCODER, DECODER)]
    assert_same(with_marian_positions(random_model(*stacks)), tmp_path / "marian")


def test_swish(tmp_path):
    model = with_marian_positions(random_model(*(replace(stack, activation="swish") for stack in (ENCODER, DECODER))))
    export_marian(model, tmp_path / "marian")
    assert beams(model, tmp_path / "marian", 1) == best(model, 1)


def beams(model: CompactModel, folder: Path, beam: int) -> list[list[str]]:
    """What CTranslate2 finds with the export."""
    texts = [words(model.source, source) for source in sentences(model)]
    options = {"beam_size": beam, "length_penalty": 1, "max_decoding_length": 25}
    return [one.hypotheses[0] for one in read_back(folder).translate_batch(texts, **options)]


def best(model: CompactModel, beam: int) -> list[list[str]]:
    """What we find."""
    found = TorchEngine(model).search(sentences(model), replace(GREEDY, beam=beam, max_len_b=25))
    return [words(model.target, hypotheses[0].tokens) for hypotheses in found]


def test_beam_search_on_a_trained_model(corpus, pruned, tmp_path):
    model = with_marian_positions(compact_model(Checkpoint.load(pruned.folder / "checkpoint_last.pt"), corpus))
    export_marian(replace(model, text={**model.text, "bpe": "none"}), tmp_path / "marian")
    assert beams(model, tmp_path / "marian", 3) == best(model, 3)


def test_the_folder_holds_what_translating_takes(tmp_path):
    model = with_marian_positions(replace(random_model(), provenance={"num_updates": 7}))
    export_marian(model, tmp_path / "marian")
    export_marian(model, tmp_path / "marian")  # over the earlier one
    names = {path.name for path in (tmp_path / "marian").iterdir()}
    assert names == {"model.npz", "vocab.yml", "decoder.yml", "README.txt", "manifest.json"}
    assert yaml.safe_load((tmp_path / "marian" / "vocab.yml").read_text()) == {
        word: row for row, word in enumerate([*model.source, *(f"<unused{number}>" for number in range(4))])
    }
    assert json.loads((tmp_path / "marian" / "manifest.json").read_text())["provenance"] == {"num_updates": 7}
    assert "marian-decoder -c marian/decoder.yml" in (tmp_path / "marian" / "README.txt").read_text()
    with pytest.raises(PruneError, match="marian exists and is not an export for CTranslate2"):
        export_ctranslate2(model, tmp_path / "marian")


REFUSED = {
    "positions are sinusoids from 0 on and those of the encoder are fairseq's, which": {},
    "positions are sinusoids from 0 on and those of the encoder are none": {"positions": "none"},
    "has no encoder with the activation function gelu; it has relu, swish": {"activation": "gelu"},
    "no encoder whose decoding starts behind a layer norm of embeddings": {"embedding_norm": True},
    "no encoder of pre-norm layers as in fairseq: it normalises queries and not keys": {"pre_norm": True},
    "no encoder of post-norm layers with another norm behind the last": {"final_norm": True},
    "no encoder whose heads do not divide its width: 4 heads of width 8 in 16": {"head_dim": 8},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_marian_would_compute_otherwise_is_refused_in_one_line(message, tmp_path):
    stacks = [replace(stack, **REFUSED[message]) for stack in (ENCODER, DECODER)]
    with pytest.raises(PruneError, match=message) as error:
        export_marian(random_model(*stacks), tmp_path / "marian")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "marian").exists()


@pytest.mark.parametrize("what", ["dim", "head_dim", "activation"])
def test_both_stacks_have_the_same(what, tmp_path):
    values = {"dim": 24, "head_dim": 2, "activation": "swish"}
    model = random_model(ENCODER, replace(DECODER, **{what: values[what]}), tying="none")
    with pytest.raises(PruneError, match=f"Marian has one {what.replace('_', ' ')} for encoder and decoder; the model"):
        export_marian(model, tmp_path / "marian")


def test_positions_that_were_learned_are_refused(tmp_path):
    model = with_marian_positions(random_model())
    table = np.pad(sinusoids(1024, 16, first=2), [(2, 0), (0, 0)])
    other = {**model.weights, "decoder.embed_positions.weight": KeptValues.of(table)}
    with pytest.raises(PruneError, match="those of the decoder are learned ones: train the model on with --marian"):
        export_marian(replace(model, weights=other), tmp_path / "marian")


def test_words_that_stand_twice_are_refused(tmp_path):
    model = with_marian_positions(random_model())
    twice = (*model.source[:-1], model.source[4])
    with pytest.raises(PruneError, match="a word stands twice"):
        export_marian(replace(model, source=twice, target=twice), tmp_path / "marian")


def test_sinusoids_are_those_of_the_engine():
    from nmt_prune.runtime.torch_engine.model import sinusoids as of_fairseq

    np.testing.assert_allclose(sinusoids(50, 17, first=PAD + 1), of_fairseq(50, 17).numpy(), atol=1e-5)
