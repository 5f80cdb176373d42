"""The presets are fairseq's, with one more: tensor2tensor's ``transformer_base_v3``."""

from argparse import Namespace

import pytest
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY

from nmt_prune.models.masked_transformer import MaskedTransformer

PRESETS = ["", "_tiny", "_iwslt_de_en", "_wmt_en_de", "_wmt_en_de_big"]


def settings(arch: str, **flags: object) -> dict[str, object]:
    args = Namespace(**flags)
    ARCH_CONFIG_REGISTRY[arch](args)
    return vars(args)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_the_stock_one(preset):
    masked = f"masked_transformer{preset}"
    assert ARCH_MODEL_REGISTRY[masked] is MaskedTransformer
    assert settings(masked) == settings(f"transformer{preset}")
    given = {"encoder_layers": 3, "dropout": 0.25}
    assert settings(masked, **given) == settings(f"transformer{preset}", **given)


def test_the_presets_differ():
    dimensions = {preset: settings(f"masked_transformer{preset}")["encoder_embed_dim"] for preset in PRESETS}
    assert dimensions == {"": 512, "_tiny": 64, "_iwslt_de_en": 512, "_wmt_en_de": 512, "_wmt_en_de_big": 1024}


def test_base_v3():
    """Brix 2020 trains tensor2tensor's transformer_base_v3: pre-norm, dropouts 0.1, one embedding for all."""
    changed = settings("masked_transformer_base_v3").items() - settings("transformer_wmt_en_de").items()
    assert dict(changed) == {
        "encoder_normalize_before": True,
        "decoder_normalize_before": True,
        "attention_dropout": 0.1,
        "activation_dropout": 0.1,
        "share_all_embeddings": True,
    }
    assert settings("masked_transformer_base_v3")["dropout"] == 0.1
    assert settings("masked_transformer_base_v3", activation_dropout=0.3)["activation_dropout"] == 0.3
