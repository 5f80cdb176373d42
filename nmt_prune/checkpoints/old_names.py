"""State dicts of older fairseq versions under the names of today.

What fairseq does in the ``upgrade_state_dict_named`` of its encoder, decoder, layers and attention when it loads one.
"""

import re
from collections.abc import Mapping

from torch import Tensor

_FUSED = re.compile(r"(?P<attention>.*)\.in_proj_(?P<kind>weight|bias)")
_LAYER_NORMS = re.compile(
    r"(?P<layer>(?P<stack>encoder|decoder)\.layers\.\d+)\.layer_norms\.(?P<number>\d)\.(?P<kind>\w+)"
)
_NORMS = {
    "encoder": ("self_attn_layer_norm", "final_layer_norm"),
    "decoder": ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
}
_OUTPUT, _OLD_OUTPUT = "decoder.output_projection.weight", "decoder.embed_out"
_COMPUTED = re.compile(r"(encoder|decoder)\.embed_positions\.weights")


def upgraded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights by today's names, in the order of the old ones.

    Attention had one ``in_proj_weight`` of queries, keys and values, layers a list of ``layer_norms``, an untied output
    projection was ``embed_out``, a tied one not stored, and sinusoidal positions were.

    Args:
        state: the state dict of a fairseq Transformer, of any version.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if fused := _FUSED.fullmatch(name):
            for part, third in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{fused['attention']}.{part}_proj.{fused['kind']}"] = third
        elif norm := _LAYER_NORMS.fullmatch(name):
            found[f"{norm['layer']}.{_NORMS[norm['stack']][int(norm['number'])]}.{norm['kind']}"] = tensor
        elif name == _OLD_OUTPUT:
            found[_OUTPUT] = tensor
        elif not _COMPUTED.fullmatch(name):
            found[name] = tensor
    tied = "decoder.embed_tokens.weight"
    if found and _OUTPUT not in found and tied in found and not any("adaptive_softmax" in name for name in found):
        found[_OUTPUT] = found[tied]
    return found
