"""How many heads and feed-forward units each layer has: five lists in the configuration of a shrunk model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nmt_prune.errors import PruneError

PRESETS = ("", "_tiny", "_iwslt_de_en", "_wmt_en_de", "_wmt_en_de_big", "_base_v3")
"""Suffixes of the architectures ``masked_transformer`` and ``shrunk_transformer``."""


class WidthList(NamedTuple):
    """What a list is about: a string such as ``4,0,7``, the first layer first."""

    stack: str
    block: str
    units: str


WIDTHS: Mapping[str, WidthList] = {
    "encoder_layer_heads": WidthList("encoder", "self_attn", "self-attention heads"),
    "encoder_layer_ffn": WidthList("encoder", "ffn", "FFN units"),
    "decoder_layer_heads": WidthList("decoder", "self_attn", "self-attention heads"),
    "decoder_layer_cross_heads": WidthList("decoder", "encoder_attn", "cross-attention heads"),
    "decoder_layer_ffn": WidthList("decoder", "ffn", "FFN units"),
}


def flag(setting: str) -> str:
    """The command-line flag of a setting, e.g. ``--encoder-layer-heads``."""
    return "--" + setting.replace("_", "-")


def format_widths(widths: Sequence[int]) -> str:
    """The string that stands in the configuration."""
    return ",".join(map(str, widths))


def parse_widths(setting: str, value: Any, layers: int) -> list[int]:
    """Reads one list.

    Args:
        setting: its name, for messages.
        value: what the configuration or the command line says.
        layers: number of layers of the stack.

    Raises:
        PruneError: it is not one number, 0 or more, per layer.
    """
    try:
        widths = [int(width) for width in str(value).split(",")]
    except ValueError:
        widths = [-1]
    if len(widths) != layers or min(widths) < 0:
        raise PruneError(f"{flag(setting)} {value}: give one number, 0 or more, for each of the {layers} layers")
    return widths


def is_shrunk(settings: Mapping[str, Any]) -> bool:
    """Whether the lists in a model's configuration say anything else than its stock numbers."""
    for setting, (stack, block, _) in WIDTHS.items():
        full = settings.get(f"{stack}_{'ffn_embed_dim' if block == 'ffn' else 'attention_heads'}")
        if settings.get(setting) is not None and set(str(settings[setting]).split(",")) != {str(full)}:
            return True
    return False


def shrunk_architecture(settings: Mapping[str, Any]) -> str:
    """The architecture of a shrunk model, by the configuration of the model that it was."""
    preset = re.sub("^(masked_|shrunk_)?transformer", "", str(settings.get("arch") or settings.get("_name") or ""))
    return "shrunk_transformer" + (preset if preset in PRESETS else "")
