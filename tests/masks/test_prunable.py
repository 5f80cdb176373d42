"""Which weights are pruned, on names and on real fairseq models with every kind of tying."""

import pytest
import torch

from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import parse, prunable_matrices, prunable_parameters, restrict
from tests.tiny_model import TYINGS, tiny_model

VOCABULARY = {
    "all": {
        "encoder.embed_tokens.weight": (("decoder.embed_tokens.weight", "decoder.output_projection.weight"), 1),
    },
    "decoder": {
        "encoder.embed_tokens.weight": ((), 1),
        "decoder.embed_tokens.weight": (("decoder.output_projection.weight",), 1),
    },
    "none": {
        "encoder.embed_tokens.weight": ((), 1),
        "decoder.embed_tokens.weight": ((), 1),
        "decoder.output_projection.weight": ((), None),
    },
}


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("encoder.layers.0.self_attn.q_proj.weight", (8, 8), ("encoder", 0, "self_attn", "q_proj", None)),
        ("decoder.layers.11.encoder_attn.out_proj.weight", (8, 8), ("decoder", 11, "encoder_attn", "out_proj", None)),
        ("decoder.layers.3.fc2.weight", (8, 12), ("decoder", 3, "ffn", "fc2", None)),
        ("encoder.embed_tokens.weight", (11, 8), ("encoder", None, "vocabulary", "embed_tokens", 1)),
        ("decoder.output_projection.weight", (11, 8), ("decoder", None, "vocabulary", "output_projection", None)),
    ],
)
def test_a_key_tells_what_the_matrix_is(name, shape, expected):
    found = parse(name, shape)
    assert (found.stack, found.layer, found.block, found.matrix, found.padding_row) == expected
    assert found.in_body == (expected[2] != "vocabulary")
    assert found.names == (name,)
    assert found.size == (shape[0] - (expected[4] is not None)) * shape[1]


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layers.0.self_attn.q_proj.bias",
        "encoder.layers.0.self_attn_layer_norm.weight",
        "decoder.layers.0.final_layer_norm.weight",
        "encoder.embed_positions.weight",
        "encoder.embed_positions._float_tensor",
        "encoder.layernorm_embedding.weight",
        "encoder.version",
        "decoder.adaptive_softmax.head.weight",
        "mask_version_1.encoder.layers.0.fc1.weight",
        "encoder.layers.0.fc1.weight_orig",
    ],
)
def test_everything_else_is_never_pruned(name):
    assert parse(name, (8, 8)) is None


def test_a_bias_shaped_weight_is_not_a_matrix():
    assert parse("encoder.layers.0.fc1.weight", (8,)) is None


@pytest.mark.parametrize("tying", TYINGS)
def test_each_storage_of_a_real_model_is_found_once(tying):
    model = tiny_model(tying, encoder_learned_pos=True, decoder_learned_pos=True, layernorm_embedding=True)
    found = prunable_parameters(model)
    vocabulary = {p.name: (p.aliases, p.padding_row) for p in found if not p.in_body}
    assert vocabulary == VOCABULARY[tying]
    # 4 + 2 matrices in the encoder layer, 4 + 4 + 2 in the decoder layer.
    assert len([p for p in found if p.in_body]) == 16
    assert len({parameter.data_ptr() for parameter in found.values()}) == len(found)
    # Independently: every 2-D parameter but the learned positions, padding rows not counted.
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed_positions" not in n]
    padding = len([p for p in found if p.padding_row is not None]) * 16
    assert {id(p) for p in matrices} == {id(p) for p in found.values()}
    assert sum(p.size for p in found) == sum(p.numel() for p in matrices) - padding
    named = dict(model.named_parameters(remove_duplicate=False))
    assert all(named[name] is parameter for p, parameter in found.items() for name in p.names)
    assert all(bool((parameter[1] == 0).all()) for p, parameter in found.items() if p.padding_row == 1)


@pytest.mark.parametrize("tying", TYINGS)
@pytest.mark.parametrize("separate", [False, True], ids=["shared", "copies"])
def test_a_checkpoint_shows_the_same_matrices_as_the_model(tying, separate):
    model = tiny_model(tying)
    state = {key: value.clone() if separate else value for key, value in model.state_dict().items()}
    assert list(prunable_matrices(state)) == list(prunable_parameters(model))


def test_body_matrices_with_equal_values_are_not_tied():
    state = {f"encoder.layers.{layer}.fc1.weight": torch.ones(3, 2) for layer in range(2)}
    assert [p.aliases for p in prunable_matrices(state)] == [(), ()]


def test_a_state_dict_without_any_matrix_is_refused():
    with pytest.raises(PruneError, match="no matrix of a fairseq Transformer"):
        prunable_matrices({"conv.weight": torch.ones(3, 3)})


def test_prune_sets():
    found = list(prunable_parameters(tiny_model("decoder")))
    assert restrict(found, "all") == found
    assert [p.name for p in found if p not in restrict(found, "body")] == list(VOCABULARY["decoder"])
    with pytest.raises(PruneError, match="unknown prune set 'head'; known: all, body"):
        restrict(found, "head")
