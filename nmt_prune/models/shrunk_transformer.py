"""A Transformer whose layers have different widths: what ``nmt-prune shrink`` writes."""

from argparse import ArgumentParser, Namespace
from typing import Any

from fairseq.models import ARCH_CONFIG_REGISTRY, register_model, register_model_architecture
from omegaconf import OmegaConf

from nmt_prune.checkpoints.widths import PRESETS, WIDTHS, flag, parse_widths
from nmt_prune.errors import exit_on_error
from nmt_prune.models.masked_transformer import MaskedTransformer
from nmt_prune.models.narrow_sublayers import narrow


@register_model("shrunk_transformer")
class ShrunkTransformer(MaskedTransformer):
    """A masked Transformer with a list of widths for each kind of sublayer; without lists it is a masked Transformer.

    Heads keep their dimension. Weight keys are those of the stock Transformer; of a sublayer of width 0 only the output
    bias is left, and in a post-norm model the layer norm behind it.
    """

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Adds the lists to the flags of the stock Transformer."""
        super().add_args(parser)
        for setting, (stack, _, units) in WIDTHS.items():
            what = f"{units} of each {stack} layer; 0 skips the sublayer"
            parser.add_argument(flag(setting), metavar="N,N,...", help=what)

    @classmethod
    def build_model(cls, args: Any, task: Any) -> Any:
        """Builds the model."""
        if OmegaConf.is_config(args):  # of which fairseq would hand on only the fields that it knows
            args = Namespace(**dict(OmegaConf.to_object(args)))  # type: ignore[arg-type]
        return super().build_model(args, task)

    @classmethod
    def build_encoder(cls, args: Any, src_dict: Any, embed_tokens: Any) -> Any:
        """Builds the stock encoder and narrows its layers."""
        return _narrow_layers(super().build_encoder(args, src_dict, embed_tokens), "encoder", args)

    @classmethod
    def build_decoder(cls, args: Any, tgt_dict: Any, embed_tokens: Any) -> Any:
        """Builds the stock decoder and narrows its layers."""
        return _narrow_layers(super().build_decoder(args, tgt_dict, embed_tokens), "decoder", args)


def _narrow_layers(module: Any, stack: str, args: Any) -> Any:
    for setting, (owner, block, _) in WIDTHS.items():
        widths = getattr(args, setting, None)
        if owner == stack and widths is not None:
            with exit_on_error():
                for layer, units in enumerate(parse_widths(setting, widths, len(module.layers))):
                    # By index: LayerDrop leaves some out of an iteration.
                    narrow(module.layers[layer], block, units)
    return module


for _preset in PRESETS:
    register_model_architecture("shrunk_transformer", f"shrunk_transformer{_preset}")(
        ARCH_CONFIG_REGISTRY[f"masked_transformer{_preset}"]
    )
