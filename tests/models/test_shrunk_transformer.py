"""The model with layers of different widths, untrained."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY
from omegaconf import OmegaConf
from torch.utils.flop_counter import FlopCounterMode

from nmt_prune.checkpoints.widths import PRESETS
from nmt_prune.models.shrunk_transformer import ShrunkTransformer
from tests.models.test_decoding import LENGTHS, SOURCE, at_once, step_by_step
from tests.tasks.training import assert_same
from tests.tiny_model import SMALL, dictionary, tiny_model

SIZES = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
WIDTHS = {
    "encoder_layer_heads": "3,0",
    "encoder_layer_ffn": "0,7",
    "decoder_layer_heads": "0,2",
    "decoder_layer_cross_heads": "3,1",
    "decoder_layer_ffn": "5,0",
}
PRE_NORM = {"encoder_normalize_before": True, "decoder_normalize_before": True}


def shrunk(**flags):
    model = tiny_model(arch="shrunk_transformer_tiny", **{**SIZES, **WIDTHS, **flags})
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize("norm", [{}, PRE_NORM], ids=["post-norm", "pre-norm"])
def test_step_by_step_decoding_equals_the_whole(norm):
    model = shrunk(**norm).eval()
    torch.testing.assert_close(step_by_step(model), at_once(model))


def test_beams_reorder_the_caches():
    """Two beams per sentence: a hypothesis goes on in the place of another one, as if it had always been there."""
    model = shrunk().eval()
    model.decoder.set_beam_size(2)
    encoded = model.encoder.reorder_encoder_out(model.encoder(SOURCE, LENGTHS), torch.tensor([0, 0, 1, 1]))
    prefix, state = torch.tensor([[2, 8], [2, 9], [2, 12], [2, 13]]), {}
    for length in (1, 2):
        model.decoder(prefix[:, :length], encoder_out=encoded, incremental_state=state)
    order = torch.tensor([1, 0, 3, 3])
    model.decoder.reorder_incremental_state_scripting(state, order)
    tokens = torch.cat([prefix[order], torch.tensor([[9], [10], [11], [12]])], dim=1)
    last, _ = model.decoder(tokens, encoder_out=encoded, incremental_state=state)
    whole, _ = model.decoder(tokens, encoder_out=encoded)
    torch.testing.assert_close(last[:, -1], whole[:, -1])


def test_names_and_shapes():
    stock, model = tiny_model(**SIZES).state_dict(), shrunk().state_dict()
    gone = [("encoder", 0, "fc"), ("encoder", 1, "self_attn"), ("decoder", 0, "self_attn"), ("decoder", 1, "fc")]
    for stack, layer, block in gone:
        left = {name for name in model if name.startswith(f"{stack}.layers.{layer}.{block}") and "norm" not in name}
        assert left == {f"{stack}.layers.{layer}.{'fc2' if block == 'fc' else 'self_attn.out_proj'}.bias"}
    assert model.keys() < stock.keys()
    assert model["decoder.layers.0.encoder_attn.k_proj.weight"].shape == (12, 16)
    assert model["decoder.layers.0.encoder_attn.out_proj.weight"].shape == (16, 12)
    assert model["decoder.layers.0.fc2.weight"].shape == (16, 5)


def test_a_pre_norm_model_keeps_no_layer_norm_in_front_of_nothing():
    post, pre = shrunk().state_dict().keys(), shrunk(**PRE_NORM).state_dict().keys()
    gone = [
        "encoder.layers.0.final",
        "encoder.layers.1.self_attn",
        "decoder.layers.0.self_attn",
        "decoder.layers.1.final",
    ]
    assert post - pre == {f"{name}_layer_norm.{part}" for name in gone for part in ("weight", "bias")}


def flops(model) -> int:
    with FlopCounterMode(display=False) as counter:
        model.encoder(SOURCE, LENGTHS)
    return counter.get_total_flops()


def test_what_is_gone_is_not_computed():
    tokens, dimension = SOURCE.numel(), 16
    empty = {"encoder_layer_heads": "0,0", "encoder_layer_ffn": "0,0"}
    assert flops(shrunk(**empty, **PRE_NORM).eval()) == 0
    assert flops(shrunk(**{**empty, "encoder_layer_ffn": "0,7"}).eval()) == 2 * 2 * tokens * dimension * 7
    called = []
    layer = shrunk(**empty, **PRE_NORM).eval().encoder.layers[0]
    with torch.autograd.profiler.profile() as profile:
        layer(torch.randn(3, 1, dimension), None)
    called = {event.name for event in profile.function_events}
    assert "aten::add" in called
    assert not called & {"aten::layer_norm", "aten::relu", "aten::linear", "aten::softmax", "aten::bmm"}


def test_without_lists_it_is_the_masked_transformer():
    model = tiny_model(arch="shrunk_transformer_tiny", **SIZES)
    torch.manual_seed(0)
    one = tiny_model(arch="shrunk_transformer_tiny", **SIZES)
    torch.manual_seed(0)
    other = tiny_model(**SIZES)
    assert_same(one.state_dict(), other.state_dict())
    model.load_state_dict(other.state_dict())
    torch.testing.assert_close(at_once(model.eval()), at_once(other.eval()))


def test_hydra_gives_lists_as_text_or_a_number():
    settings = {**SMALL, "share_all_embeddings": True, "encoder_layer_heads": 1, "decoder_layer_ffn": "3"}
    args = OmegaConf.create(settings)
    ARCH_CONFIG_REGISTRY["shrunk_transformer_tiny"](args)
    languages = SimpleNamespace(source_dictionary=dictionary(), target_dictionary=dictionary())
    model = ShrunkTransformer.build_model(args, languages)
    assert model.encoder.layers[0].self_attn.num_heads == 1
    assert model.decoder.layers[0].fc1.out_features == 3


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_the_masked_one(preset):
    one, other = Namespace(), Namespace()
    ARCH_CONFIG_REGISTRY[f"shrunk_transformer{preset}"](one)
    ARCH_CONFIG_REGISTRY[f"masked_transformer{preset}"](other)
    assert vars(one) == vars(other)
    assert ARCH_MODEL_REGISTRY[f"shrunk_transformer{preset}"] is ShrunkTransformer


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"encoder_layer_heads": "4,4,4"},
            "--encoder-layer-heads 4,4,4: give one number, 0 or more, for each of",
        ),
        ({"decoder_layer_cross_heads": "4,5"}, "5 heads in a layer of 4"),
    ],
)
def test_bad_lists_are_one_line(flags, message):
    with pytest.raises(SystemExit, match=rf"nmt-prune: error: {message}"):
        shrunk(**flags)
