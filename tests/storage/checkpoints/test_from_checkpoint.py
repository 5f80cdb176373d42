"""From checkpoints of real fairseq models to compact models."""

import math
from argparse import Namespace

import numpy as np
import pytest
import torch

import nmt_prune.models.shrunk_transformer  # noqa: F401 (registers its architectures)
from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.pruning.quantization.conversion import quantize
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.model.layout import layout
from tests.storage.models import assert_same_bits
from tests.storage.trained import PRE_NORM, change, save_model

LAYERS = {"encoder_layers": 2, "decoder_layers": 2}
LISTS = {"encoder_layer_heads": "1,0", "decoder_layer_cross_heads": "2,1", "decoder_layer_ffn": "0,7"}
MODELS = {
    "tied": {},
    "tied decoder": {"tying": "decoder"},
    "untied": {"tying": "none"},
    "pre-norm": PRE_NORM,
    "learned positions": {"encoder_learned_pos": True, "decoder_learned_pos": True, "max_target_positions": 50},
    "no positions": {"no_token_positional_embeddings": True},
    "embedding norm": {"layernorm_embedding": True, "no_scale_embedding": True},
    "widths of the stacks": {"tying": "decoder", "decoder_embed_dim": 24},
    "no final norm": {**PRE_NORM, "no_decoder_final_norm": True},
    "shrunk": {"arch": "shrunk_transformer_tiny", **LAYERS, **LISTS},
    "shrunk, pre-norm": {"arch": "shrunk_transformer_tiny", **LAYERS, **LISTS, **PRE_NORM},
    "pruned": {"sparsity": 0.7},
    "pruned, untied": {"sparsity": 0.7, "tying": "none"},
    "gelu_fast, layerdrop": {"activation_fn": "gelu_fast", "encoder_layerdrop": 0.5},
}


def load(path, **settings):
    return compact_model(Checkpoint.load(path), **settings)


def weights(path):
    """The state dict; zeros that are not kept have no sign."""
    state = torch.load(path, weights_only=False)["model"]
    found = {name: tensor for name, tensor in state.items() if "version" not in name}
    for name, tensor in found.items():
        mask = state.get(f"mask_version_1.{name}", torch.zeros(1)).bool()
        found[name] = torch.where(mask, tensor, tensor + 0.0)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_is_there_bit_for_bit(tmp_path, name):
    path = save_model(tmp_path, **MODELS[name])
    model, expected = load(path), weights(path)
    assert model.weights.keys() | model.aliases.keys() == expected.keys()
    assert not model.weights.keys() & model.aliases.keys()
    for key, tensor in expected.items():
        assert_same_bits(model.weights[model.aliases.get(key, key)].dense(), tensor.numpy())
    shapes = layout(model.architecture, len(model.source), len(model.target))
    assert shapes == {key: tuple(tensor.shape) for key, tensor in expected.items()}


def test_the_architecture(tmp_path):
    found = load(save_model(tmp_path, **MODELS["shrunk, pre-norm"], max_source_positions=77)).architecture
    encoder, decoder = found.encoder, found.decoder
    assert (encoder.dim, encoder.head_dim, encoder.heads, encoder.cross_heads) == (16, 8, (1, 0), ())
    assert (encoder.ffn, encoder.pre_norm, encoder.final_norm) == ((24, 24), True, True)
    assert (decoder.heads, decoder.cross_heads, decoder.ffn) == ((2, 2), (2, 1), (0, 7))
    assert (encoder.max_positions, decoder.max_positions) == (77, 1024)
    assert (encoder.embedding_scale, encoder.activation, encoder.positions) == (math.sqrt(16), "relu", "sinusoidal")


def test_settings_of_the_architecture(tmp_path):
    path = save_model(tmp_path, **MODELS["learned positions"], **MODELS["embedding norm"], activation_fn="gelu_fast")
    stack = load(path).architecture.decoder
    assert (stack.positions, stack.max_positions, stack.embedding_scale) == ("learned", 50, 1.0)
    assert (stack.activation, stack.embedding_norm, stack.final_norm) == ("gelu_accurate", True, False)


def test_dictionaries_and_text(tmp_path):
    path = save_model(tmp_path, tying="none")
    assert load(path).source == ("<s>", "<pad>", "</s>", "<unk>", *(f"w{number}" for number in range(20)))
    assert len(load(path).target) == 29
    assert load(path).sentencepiece is None
    assert dict(load(path).text) == {"source_lang": "en", "target_lang": "de", "bpe": None, "tokenizer": None}
    (tmp_path / "data" / "sentencepiece.model").write_bytes(b"pieces")
    assert (load(path).sentencepiece, load(path).text["bpe"]) == (b"pieces", "sentencepiece")
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(PruneError, match=r"model.pt: its data folder '.*data' does not exist; name .* with --data"):
        load(path)
    assert load(path, data=tmp_path / "moved").source[4] == "w0"


def test_subwords_and_tokens_of_fairseq(tmp_path):
    (tmp_path / "codes").write_text("#version: 0.2\né n\n", encoding="utf-8")
    settings = {"bpe": "subword_nmt", "bpe_codes": str(tmp_path / "codes"), "bpe_separator": "@@"}
    path = change(save_model(tmp_path), {**settings, "tokenizer": "moses", "moses_no_escape": True})
    text = {key: value for key, value in load(path).text.items() if "lang" not in key}
    assert text == {
        "bpe": "subword_nmt",
        "bpe_codes": "#version: 0.2\né n\n",
        "bpe_separator": "@@",
        "tokenizer": "moses",
        "moses_no_escape": True,
    }
    (tmp_path / "codes").write_bytes(b"\xff")
    with pytest.raises(PruneError, match=r"codes, which the subwords need, cannot be read"):
        load(path)
    (tmp_path / "codes").unlink()
    assert load(path).text["bpe"] == "subword_nmt"
    assert "bpe_codes" not in load(path).text


def test_groups_of_a_configuration(tmp_path):
    path = save_model(tmp_path)
    state = torch.load(path, weights_only=False)
    flat = vars(state["args"])
    bpe = Namespace(_name="subword_nmt", bpe_codes=None)
    state["cfg"] = {"model": flat, "task": flat, "bpe": bpe, "tokenizer": {"_name": "space"}}
    state["args"] = None
    torch.save(state, path)
    assert (load(path).text["bpe"], load(path).text["tokenizer"]) == ("subword_nmt", "space")


def test_positions_kept_by_a_mask(tmp_path):
    name = "encoder.layers.0.fc1.weight"
    path = save_model(tmp_path, sparsity=0.7)
    state = weights(path)
    mask = torch.load(path, weights_only=False)["model"][f"mask_version_1.{name}"].bool()
    weight = state[name].clone()
    first, second, third = mask.nonzero()[:3].tolist()
    weight[tuple(first)], weight[tuple(second)], weight[tuple(third)] = 0.0, -0.0, math.nan
    weight[tuple((~mask).nonzero()[0].tolist())] = -0.0  # removed
    change(path, **{name.replace(".", "__"): weight})
    stored = load(path).weights[name]
    assert stored.kept == mask.sum()
    expected = torch.where(mask, weight, 0.0).numpy()
    assert_same_bits(stored.dense(), expected)
    assert (stored.csr().starts == np.concatenate([[0], np.cumsum(mask.sum(1).numpy())])).all()


def test_without_masks_everything_is_kept_but_zeros(tmp_path):
    name = "encoder__layers__0__fc1__weight"
    weight = torch.randn(24, 16)
    weight[:5], weight[7, 3], weight[8, 2] = 0, -0.0, math.nan
    stored = load(change(save_model(tmp_path), **{name: weight})).weights[name.replace("__", ".")]
    assert stored.kept == 19 * 16 - 1
    assert_same_bits(stored.dense(), (weight + 0.0).numpy())


def test_the_padding_row_is_not_kept(tmp_path):
    embedding = load(save_model(tmp_path, sparsity=0.5)).weights["encoder.embed_tokens.weight"]
    starts = embedding.csr().starts
    assert starts[2] == starts[1]


@pytest.mark.parametrize("values", ["float16", "bfloat16", "int8"])
def test_types_of_values(tmp_path, values):
    path = save_model(tmp_path, sparsity=0.5)
    exact, rounded = load(path), load(path, values=values)
    for name, weight in exact.weights.items():
        found = rounded.weights[name].dense()
        assert found.dtype == np.float32
        assert rounded.weights[name].kept == weight.kept
        step = np.abs(weight.dense()).max(axis=-1, keepdims=True) / 127
        assert (np.abs(found - weight.dense()) <= 0.51 * step).all()
        assert weight.dense().ndim == 2 or (found == weight.dense()).all()
    with pytest.raises(PruneError, match="--values int4: choose from float32"):
        load(path, values="int4")


def test_a_model_trained_in_half_precision(tmp_path):
    path = save_model(tmp_path)
    state = torch.load(path, weights_only=False)
    state["model"] = {name: tensor.half() for name, tensor in state["model"].items()}
    torch.save(state, path)
    model = load(path)
    assert model.weights["encoder.layers.0.fc1.weight"].csr().values.dtype == np.float16
    assert model.provenance["dtypes"]["encoder.layers.0.fc1.weight"] == "float16"


@pytest.mark.parametrize("quantizer", ["ternary", "uniform:weight_bits=4,activation_bits=32"])
def test_a_quantized_model_is_stored_in_its_levels(tmp_path, quantizer):
    path = save_model(tmp_path, sparsity=0.5)
    torch.save(quantize(Checkpoint.load(path), quantizer), path)
    expected = weights(path)
    for values in ("float32", "int8"):
        model = load(path, values=values)
        weight = model.weights["encoder.layers.0.fc1.weight"]
        assert weight.csr().values.dtype == np.int8
        assert len(np.unique(weight.csr().values)) <= (3 if quantizer == "ternary" else 16)
        assert_same_bits(weight.dense(), expected["encoder.layers.0.fc1.weight"].numpy())
        assert "quantization_version_1.encoder.layers.0.fc1.weight.scale" in model.extras


def test_what_is_remembered(tmp_path):
    path = save_model(tmp_path, sparsity=0.5)
    facts, checkpoint = load(path).provenance, Checkpoint.load(path)
    assert (facts["checkpoint"], facts["masks"]) == (checkpoint.digest, checkpoint.masks.digest())
    assert (facts["num_updates"], facts["dtypes"]) == (3, {})
    assert len(facts["masked"]) == 1 + 3 * 4 + 2 * 2


def test_old_checkpoints(tmp_path):
    path = save_model(tmp_path, tying="decoder", share_decoder_input_output_embed=True)
    table = {"encoder__embed_positions___float_tensor": torch.ones(1)}
    model = load(change(path, decoder__output_projection__weight=None, **table))
    assert model.aliases == {"decoder.output_projection.weight": "decoder.embed_tokens.weight"}
    assert "encoder.embed_positions._float_tensor" not in model.weights


SETTINGS = {
    "adaptive_softmax_cutoff": [10, 20],
    "adaptive_input": True,
    "cross_self_attention": True,
    "no_cross_attention": True,
    "char_inputs": True,
    "encoder_layers_to_keep": "0",
    "decoder_layers_to_keep": "0",
    "merge_src_tgt_embed": True,
    "quant_noise_pq": 0.1,
    "base_layers": 1,
    "decoder_input_dim": 8,
    "decoder_output_dim": 8,
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_that_cannot_run(tmp_path, setting):
    path = change(save_model(tmp_path), {setting: SETTINGS[setting]})
    flag = setting.replace("_", "-")
    with pytest.raises(PruneError, match=rf"model.pt was trained with (a )?--{flag}.*, which a compact model cannot"):
        load(path)


def test_widths_that_were_given_by_their_flags(tmp_path):
    """fairseq reads ``--decoder-output-dim 16`` as text."""
    assert load(change(save_model(tmp_path), {"decoder_output_dim": "16", "decoder_input_dim": 16}))


def test_an_activation_that_cannot_run(tmp_path):
    with pytest.raises(PruneError, match=r"--activation-fn tanh; a compact model can have relu, gelu, gelu_accurate"):
        load(change(save_model(tmp_path), {"activation_fn": "tanh"}))


FC1 = "encoder__layers__0__fc1"
TENSORS = {
    "foreign": ({"decoder__layers__0__attn_ln__weight": torch.ones(16)}, "not a plain fairseq Transformer: it has"),
    "missing": ({f"{FC1}__bias": None}, "encoder.layers.0.fc1.bias is missing; give a checkpoint"),
    "shape": ({f"{FC1}__bias": torch.ones(3)}, r"fc1.bias is of shape \(3,\), not \(24,\)"),
    "type": ({f"{FC1}__bias": torch.ones(24).double()}, "fc1.bias is of type torch.float64"),
    "no layer": ({"encoder__layers__0__fc2__bias": None}, "has no encoder layers"),
    "contradiction": (
        {f"mask_version_1__{FC1}__weight": torch.zeros(24, 16, dtype=torch.uint8)},
        "that its mask removes are not zero",
    ),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_cannot_run(tmp_path, name):
    tensors, message = TENSORS[name]
    with pytest.raises(PruneError, match=message) as error:
        load(change(save_model(tmp_path), **tensors))
    assert "\n" not in str(error.value)


def test_another_dictionary(tmp_path):
    path = save_model(tmp_path)
    with (tmp_path / "data" / "dict.de.txt").open("a") as file:
        file.write("more 1\n")
    with pytest.raises(PruneError, match=r"24 decoder embeddings, the dictionary 25 symbols; .* with --data"):
        load(path)
    (tmp_path / "data" / "dict.de.txt").unlink()
    with pytest.raises(PruneError, match=r"dict.de.txt does not exist"):
        load(path)


def test_a_configuration_without_heads(tmp_path):
    with pytest.raises(PruneError, match="or its configuration no decoder_attention_heads"):
        load(change(save_model(tmp_path), {"decoder_attention_heads": None}))
