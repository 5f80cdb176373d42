import pytest

from nmt_prune.checkpoints.widths import is_shrunk, parse_widths, shrunk_architecture
from nmt_prune.errors import PruneError


def test_a_list_of_one_may_come_as_a_number():
    assert parse_widths("encoder_layer_ffn", 7, 1) == parse_widths("encoder_layer_ffn", "7", 1) == [7]
    assert parse_widths("encoder_layer_ffn", "4,0", 2) == [4, 0]


@pytest.mark.parametrize("value", ["4", "4,5,6", "4,-1", "4,x", "", "4,,5"])
def test_bad_lists(value):
    with pytest.raises(PruneError, match=rf"--encoder-layer-heads {value}: give one number, .* each of the 2 layers"):
        parse_widths("encoder_layer_heads", value, 2)


def test_is_shrunk():
    stock = {"encoder_attention_heads": 8, "decoder_ffn_embed_dim": 32}
    assert not is_shrunk(stock)
    assert not is_shrunk({**stock, "encoder_layer_heads": "8,8", "decoder_layer_ffn": "32"})
    assert is_shrunk({**stock, "encoder_layer_heads": "8,7"})
    assert is_shrunk({**stock, "decoder_layer_ffn": "16,16"})


@pytest.mark.parametrize(
    ("settings", "architecture"),
    [
        ({"arch": "masked_transformer_tiny"}, "shrunk_transformer_tiny"),
        ({"arch": "shrunk_transformer_base_v3"}, "shrunk_transformer_base_v3"),
        ({"_name": "transformer"}, "shrunk_transformer"),
        ({"arch": "transformer_of_my_own"}, "shrunk_transformer"),
        ({}, "shrunk_transformer"),
    ],
)
def test_the_architecture_keeps_its_preset(settings, architecture):
    assert shrunk_architecture(settings) == architecture
