"""Random models and a trained one translate in CTranslate2 as in fairseq."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from fairseq.checkpoint_utils import load_model_ensemble_and_task

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.export.ctranslate2 import QUANTIZATIONS, export_ctranslate2
from nmt_prune.export.transformer_spec import transformer_spec
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.kept_values import KeptValues
from nmt_prune.storage.model.shortlist import from_lists
from nmt_prune.text.dictionaries import EOS, PAD
from tests.models.shrinking import translations
from tests.runtime.models import fairseq_model, random_model
from tests.runtime.torch_engine.test_torch_engine import ARCHITECTURES, SHORT, fairseq_search, sentences

GREEDY = replace(SHORT, beam=1, max_len_b=12)


def words(symbols: tuple[str, ...], rows: list[int]) -> list[str]:
    return [symbols[row] for row in rows if row not in (EOS, PAD)]


def load(folder: Path, compute_type: str = "float32") -> ctranslate2.Translator:
    return ctranslate2.Translator(str(folder), compute_type=compute_type, intra_threads=1)


def fairseq_scores(model: CompactModel, sources: list[list[int]], targets: list[list[int]]) -> list[list[float]]:
    """Log-probabilities of the tokens of given translations."""
    network, _ = fairseq_model(model)
    found = []
    for source, target in zip(sources, targets, strict=True):
        shifted = torch.tensor([[EOS, *target[:-1]]])
        with torch.no_grad():
            output = network(torch.tensor([source]), torch.tensor([len(source)]), shifted)
        scores = network.get_normalized_probs(output, log_probs=True)[0]
        found.append(scores[torch.arange(len(target)), torch.tensor(target)].tolist())
    return found


def ctranslate2_scores(model: CompactModel, folder: Path, sources: Any, targets: Any, kind: str = "float32") -> Any:
    """The same of an exported model."""
    texts = [[words(model.source, source) for source in sources], [words(model.target, target) for target in targets]]
    return [scored.log_probs for scored in load(folder, kind).score_batch(*texts)]


def assert_same(model: CompactModel, folder: Path) -> None:
    """Greedily: they differ in when beam search stops, and CTranslate2 may say padding, as random models do."""
    export_ctranslate2(model, folder, "float32")
    sources, targets = sentences(model), sentences(model)[::-1]
    found = load(folder).translate_batch(
        [words(model.source, source) for source in sources],
        beam_size=1,
        max_decoding_length=GREEDY.max_len_b,
        suppress_sequences=[["<blank>"]],
    )
    expected = fairseq_search(model, sources, GREEDY)
    assert [one.hypotheses[0] for one in found] == [words(model.target, best.tokens) for (best,) in expected]
    mine, theirs = ctranslate2_scores(model, folder, sources, targets), fairseq_scores(model, sources, targets)
    np.testing.assert_allclose(np.concatenate(mine), np.concatenate(theirs), atol=1e-4)


@pytest.mark.parametrize("name", [*ARCHITECTURES, "everything gone"])
def test_every_architecture(name, tmp_path):
    if name == "everything gone":
        gone = {"heads": (0, 0), "ffn": (0, 0)}
        encoder, decoder = (replace(stack, **gone) for stack in ARCHITECTURES["pre-norm"])
        decoder = replace(decoder, cross_heads=(0, 0))
    else:
        encoder, decoder = ARCHITECTURES[name]
    assert_same(random_model(encoder, decoder, tying="none" if encoder.dim != decoder.dim else "all"), tmp_path / "ct2")


def test_norms_and_heads_may_differ_by_stack(tmp_path):
    encoder, decoder = ARCHITECTURES["pre-norm"][0], ARCHITECTURES["post-norm, gone"][1]
    assert_same(random_model(replace(encoder, head_dim=8, heads=(2, 1, 2), ffn=(3, 40, 8)), decoder), tmp_path / "ct2")


@pytest.mark.parametrize("tying", ["all", "decoder", "none"])
def test_every_tying(tying, tmp_path):
    model = random_model(tying=tying, words=30, target_words=None if tying == "all" else 45, density=0.5)
    assert_same(model, tmp_path / "ct2")


def test_the_readme_says_how_text_was_made_to_look_and_split(tmp_path):
    text = {"source_lang": "en", "normalisation": "moses", "tokenizer": "moses", "bpe": "subword_nmt"}
    export_ctranslate2(replace(random_model(), text={**text, "bpe_codes": "a b"}), tmp_path / "ct2", "float32")
    readme = (tmp_path / "ct2" / "README.txt").read_text()
    assert "nmt_prune.text.normalisation.normalise(line, 'en')" in readme
    assert "Moses' tokenizer for 'en'" in readme
    assert "subwords by subword_nmt; what it takes is in manifest.json" in readme
    assert json.loads((tmp_path / "ct2" / "manifest.json").read_text())["text"]["normalisation"] == "moses"


def test_beam_search_on_a_trained_model(corpus, pruned, tmp_path):
    path = pruned.folder / "checkpoint_last.pt"
    stored = compact_model(Checkpoint.load(path), corpus)
    export_ctranslate2(stored, tmp_path / "ct2", "float32")
    task = load_model_ensemble_and_task([str(path)], arg_overrides={"data": str(corpus)})[2]
    task.load_dataset("test")
    dataset = task.dataset("test")
    batch = dataset.collater([dataset[index] for index in range(len(dataset))])  # sorted by length, padded
    sources = [words(stored.source, source) for source in batch["net_input"]["src_tokens"].tolist()]
    found = load(tmp_path / "ct2").translate_batch(sources, beam_size=3, length_penalty=1)
    best_of_three = [tokens for tokens, _ in translations(corpus, path)[::3]]
    assert [one.hypotheses[0] for one in found] == [words(stored.target, tokens) for tokens in best_of_three]


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_quantizations_translate(quantization, tmp_path):
    """The rows of zeros that stand for a missing head have no largest weight to be scaled by."""
    model = random_model(*ARCHITECTURES["post-norm, gone"])
    export_ctranslate2(model, tmp_path / "ct2", quantization)
    sources, targets = sentences(model), sentences(model)[::-1]
    close = np.concatenate(ctranslate2_scores(model, tmp_path / "ct2", sources, targets, "default"))
    exact = np.concatenate(fairseq_scores(model, sources, targets))
    # Without VNNI, int8 products of CTranslate2 saturate at 16 bits.
    assert np.corrcoef(exact, close)[0, 1] > 0.8
    manifest = json.loads((tmp_path / "ct2" / "manifest.json").read_text())
    assert (manifest["format"], manifest["quantization"]) == ("ctranslate2", quantization)


@pytest.mark.parametrize("levels", [1, 7])
def test_int8_loses_nothing_of_few_levels(levels, tmp_path):
    """Rows of nothing but ±127 would saturate where there is no VNNI."""
    model, chance = random_model(*ARCHITECTURES["pre-norm"], words=30), np.random.default_rng(1)
    weights = {key: few_levels(key, weight.dense(), levels, chance) for key, weight in model.weights.items()}
    model = replace(model, weights={key: KeptValues.of(weight) for key, weight in weights.items()})
    export_ctranslate2(model, tmp_path / "ct2", "int8_float32")
    sources, targets = sentences(model), sentences(model)[::-1]
    exact = np.concatenate(fairseq_scores(model, sources, targets))
    as_floats = np.concatenate(ctranslate2_scores(model, tmp_path / "ct2", sources, targets))
    np.testing.assert_allclose(as_floats, exact, atol=1e-3)
    close = np.concatenate(ctranslate2_scores(model, tmp_path / "ct2", sources, targets, "int8_float32"))
    np.testing.assert_allclose(close, exact, atol=0.3)  # activations have 8 bits


def few_levels(key: str, weight: np.ndarray, levels: int, chance: np.random.Generator) -> np.ndarray:
    """Nearly all weights on the outermost of ± ``levels``, of the size that random ones have."""
    if weight.ndim == 1:
        return weight
    codes = np.sign(weight) * np.maximum(1, levels - (chance.random(weight.shape) < 0.2))
    return (codes * np.abs(weight).mean(axis=1, keepdims=True) / levels).astype(np.float32)


@pytest.mark.parametrize(("tying", "matrices"), [("all", 1), ("decoder", 2), ("none", 3)])
def test_tied_embeddings_are_stored_once(tying, matrices):
    spec = transformer_spec(random_model(tying=tying))
    spec.validate()
    spec.optimize()
    stored = [name for name, value in spec.variables().items() if not isinstance(value, str)]
    tables = ("embeddings/weight", "embeddings_0/weight", "projection/weight")
    assert sum(name.endswith(tables) for name in stored) == matrices


def test_the_folder_holds_what_translating_takes(tmp_path):
    stored = replace(random_model(), sentencepiece=b"a subword model", provenance={"num_updates": 7})
    export_ctranslate2(stored, tmp_path / "ct2")
    assert {path.name for path in (tmp_path / "ct2").iterdir()} == {
        *("model.bin", "config.json", "shared_vocabulary.json"),
        *("sentencepiece.model", "README.txt", "manifest.json"),
    }
    assert (tmp_path / "ct2" / "sentencepiece.model").read_bytes() == b"a subword model"
    manifest = json.loads((tmp_path / "ct2" / "manifest.json").read_text())
    assert manifest["text"]["source_lang"] == "en"
    assert manifest["provenance"] == json.loads(json.dumps(dict(stored.provenance)))
    own = random_model(tying="none")
    export_ctranslate2(own, tmp_path / "ct2")  # over the earlier one
    assert json.loads((tmp_path / "ct2" / "target_vocabulary.json").read_text())[:5] == [
        *("<s>", "<blank>", "</s>", "<unk>"),
        own.target[4],
    ]
    assert not (tmp_path / "ct2" / "shared_vocabulary.json").exists()


def test_the_readme_of_the_folder_runs(tmp_path, monkeypatch, capsys):
    export_ctranslate2(random_model(), tmp_path / "ct2")
    monkeypatch.chdir(tmp_path)
    text = (tmp_path / "ct2" / "README.txt").read_text()
    exec(text.split("\n\n", 1)[1].replace("a sentence in the subwords that the model was trained on", "w1 w2"))
    assert capsys.readouterr().out.startswith("w")


def test_its_shortlist_is_a_vocabulary_map(tmp_path):
    plain, chance = random_model(words=60, tying="none", seed=2), np.random.default_rng(1)
    # As many words as are rounded up to: CTranslate2 rounds in its own way.
    lists = [[]] * 4 + [[4 + 8 * (row % 4) + place for place in range(8)] for row in range(60)]
    model = replace(plain, shortlist=from_lists([36, 37, 38, 39], lists, 64))
    export_ctranslate2(model, tmp_path / "ct2", "float32")
    assert "use_vmap=True" in (tmp_path / "ct2" / "README.txt").read_text()
    assert (tmp_path / "ct2" / "vmap.txt").read_text().split("\n")[:2] == [
        "\tv32 v33 v34 v35",
        "w0\tv0 v1 v2 v3 v4 v5 v6 v7",
    ]
    translator, texts = load(tmp_path / "ct2"), [chance.integers(4, 64, 5).tolist() for _ in range(8)]
    settings = {"beam_size": 1, "max_decoding_length": 12, "suppress_sequences": [["<blank>"]]}
    changed = 0
    for text in texts:
        source = words(model.source, text)
        with_map, without = (
            translator.translate_batch([source], use_vmap=used, **settings)[0].hypotheses[0] for used in (True, False)
        )
        (found,) = Translator(model, "torch", shortlist=True).translate_batch(
            [source], beam_size=1, max_decoding_length=12, min_decoding_length=0
        )
        assert found.hypotheses[0] == with_map
        changed += with_map != without
    assert changed > 2


@pytest.mark.parametrize("content", ["nothing of ours", '{"format": "fairseq"}', "[]", None])
def test_another_folder_is_not_replaced(content, tmp_path):
    stored, out = random_model(), tmp_path / "other"
    out.mkdir()
    (out / "notes.txt").write_text("precious")
    if content is not None:
        (out / "manifest.json").write_text(content)
    with pytest.raises(PruneError, match=r"other exists and is not an export for CTranslate2"):
        export_ctranslate2(stored, out)
    with pytest.raises(PruneError, match=r"notes.txt exists"):
        export_ctranslate2(stored, out / "notes.txt")
    assert (out / "notes.txt").read_text() == "precious"


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    export_ctranslate2(random_model(), tmp_path / "empty")
    assert (tmp_path / "empty" / "model.bin").is_file()


def with_encoder(model: CompactModel, **changes) -> CompactModel:
    architecture = model.architecture
    return replace(model, architecture=replace(architecture, encoder=replace(architecture.encoder, **changes)))


def test_what_cannot_be_expressed_is_one_line(tmp_path, monkeypatch):
    stored = random_model()
    broken = {
        "no activation function tanh for the encoder": with_encoder(stored, activation="tanh"),
        "no layer norm behind the last layer of a post-norm encoder": with_encoder(stored, final_norm=True),
        "the model has no encoder.layers.1.fc1.weight": replace(
            stored, weights={key: stored.weights[key] for key in stored.weights if key != "encoder.layers.1.fc1.weight"}
        ),
        "CTranslate2 refuses the model: Source vocabulary 0 has size 3": replace(stored, source=("a", "b", "c")),
    }
    for message, model in broken.items():
        with pytest.raises(PruneError, match=message) as error:
            export_ctranslate2(model, tmp_path / "ct2")
        assert "\n" not in str(error.value)
    with pytest.raises(PruneError, match="--quantization int4: choose one of float32, float16"):
        export_ctranslate2(stored, tmp_path / "ct2", "int4")
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(PruneError, match=r"CTranslate2 is not installed here; pip install 'nmt-prune\[export\]'"):
        export_ctranslate2(stored, tmp_path / "ct2")
    assert not (tmp_path / "ct2").exists()
