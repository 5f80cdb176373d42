"""fairseq's Transformer with masks beside its weights."""

from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from fairseq.models import register_model, register_model_architecture
from fairseq.models.transformer import transformer_legacy as stock
from omegaconf import OmegaConf, open_dict

from nmt_prune.checkpoints import MASK_MODULE, QUANTIZATION_MODULE
from nmt_prune.errors import PruneError, exit_on_error
from nmt_prune.models.marian_positions import count_positions_from_zero, keep_tables
from nmt_prune.models.sparse_inference import skip_zeros
from nmt_prune.pruning.quantization.quantized import Quantized
from nmt_prune.training.masking import Masking


@register_model("masked_transformer")
class MaskedTransformer(stock.TransformerModel):
    """The stock Transformer, weight keys unchanged, plus a mask per pruned matrix under ``mask_version_1.``.

    A stock ``transformer`` checkpoint loads into it (nothing is pruned then). The forward pass is the stock one: pruned
    weights are zeros, kept zero during training by the ``translation_pruning`` task or, with any other task, by the
    model itself. A checkpoint of ``nmt-prune quantize`` also has scales and ranges under ``quantization_version_1.``,
    by which activations are quantized.
    """

    dense_inference = False
    """Whether zeros are computed like any weight when it translates."""

    counts_from_zero = False
    """Whether its positions are Marian's."""

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Adds ``--dense-inference`` and ``--marian-positions`` to the flags of the stock Transformer."""
        super().add_args(parser)
        where = "count positions from 0 as Marian does, not from 2, for nmt-prune export marian"
        parser.add_argument("--marian-positions", action="store_true", help=where)
        what = "compute zeros like any weight when translating on a CPU (fairseq-generate: by --model-overrides)"
        parser.add_argument("--dense-inference", action="store_true", help=what)

    @classmethod
    def build_model(cls, args: Any, task: Any) -> Any:
        """Builds the model."""
        with exit_on_error():
            _refuse_unreadable(args)
        from_zero = getattr(args, "marian_positions", False)
        if from_zero:
            with open_dict(args) if OmegaConf.is_config(args) else nullcontext():
                args.encoder_learned_pos = args.decoder_learned_pos = True
        model = super().build_model(args, task)
        if from_zero:
            with exit_on_error():
                count_positions_from_zero(model)
        if not getattr(task, "holds_masks", False):
            model.masking.hold(model)
        model.dense_inference = getattr(args, "dense_inference", False)
        if OmegaConf.is_config(args):  # is saved with the model, and --model-overrides changes only what is there
            with open_dict(args):
                args.dense_inference = model.dense_inference
        return model

    def __init__(self, args: Any, encoder: Any, decoder: Any) -> None:
        super().__init__(args, encoder, decoder)
        setattr(self, MASK_MODULE, Masking(self))
        setattr(self, QUANTIZATION_MODULE, Quantized(self))

    @property
    def masking(self) -> Masking:
        """The masks."""
        return getattr(self, MASK_MODULE)

    @property
    def head_dim(self) -> dict[str, int]:
        """Width of an attention head by stack."""
        stacks = {"encoder": self.encoder, "decoder": self.decoder}
        return {
            name: next(module.head_dim for module in stack.modules() if hasattr(module, "head_dim"))
            for name, stack in stacks.items()
        }

    def prepare_for_inference_(self, cfg: Any) -> None:
        """Also lets linear layers skip their zeros on a CPU."""
        super().prepare_for_inference_(cfg)
        if not self.dense_inference:
            skip_zeros(self)

    def upgrade_state_dict_named(self, state_dict: Any, name: str) -> None:
        """Lets a checkpoint with other positions be trained on with ``--marian-positions``."""
        super().upgrade_state_dict_named(state_dict, name)
        if self.counts_from_zero:
            keep_tables(self, state_dict)

    def load_state_dict(self, state_dict: Any, strict: bool = True, model_cfg: Any = None, args: Any = None) -> Any:
        """Loads weights and masks; a state dict without masks is dense, unless it is loaded not strictly.

        Raises:
            SystemExit: a weight that a mask removes is not zero.
        """
        result = super().load_state_dict(state_dict, strict, model_cfg, args)
        # Not for fairseq's EMA, which loads weights alone, not strictly, after every update.
        if strict:
            if not any(key.startswith(f"{MASK_MODULE}.") for key in state_dict):
                self.masking.clear()
            if not any(key.startswith(f"{QUANTIZATION_MODULE}.") for key in state_dict):
                getattr(self, QUANTIZATION_MODULE).clear()
            with exit_on_error():
                self.masking.check("the checkpoint to be loaded")
        return result


def _refuse_unreadable(args: Any) -> None:
    """Refuses flags on which fairseq's own model fails."""
    for side in ("encoder", "decoder"):
        kept = getattr(args, f"{side}_layers_to_keep", None)
        if kept and not isinstance(kept, str):  # fairseq reads a string, which its own flag does not give
            flag = f"--{side}-layers-to-keep"
            raise PruneError(
                f"{flag} cannot be read by fairseq's Transformer in a training: take --{side}-layers {len(kept)}; to"
                f" translate with fewer layers: --model-overrides \"{{'{side}_layers_to_keep': '0,2'}}\""
            )
    if getattr(args, "base_layers", 0):
        raise PruneError("--base-layers: layers of experts cannot be masked; leave it out")


@register_model_architecture("masked_transformer", "masked_transformer")
def base(args: Any) -> None:
    stock.base_architecture(args)


@register_model_architecture("masked_transformer", "masked_transformer_tiny")
def tiny(args: Any) -> None:
    stock.tiny_architecture(args)


@register_model_architecture("masked_transformer", "masked_transformer_iwslt_de_en")
def iwslt_de_en(args: Any) -> None:
    stock.transformer_iwslt_de_en(args)


@register_model_architecture("masked_transformer", "masked_transformer_wmt_en_de")
def wmt_en_de(args: Any) -> None:
    stock.transformer_wmt_en_de(args)


@register_model_architecture("masked_transformer", "masked_transformer_wmt_en_de_big")
def wmt_en_de_big(args: Any) -> None:
    stock.transformer_wmt_en_de_big(args)


@register_model_architecture("masked_transformer", "masked_transformer_base_v3")
def base_v3(args: Any) -> None:
    """tensor2tensor's ``transformer_base_v3`` (Brix 2020): pre-norm, dropouts 0.1, one shared embedding."""
    args.encoder_normalize_before = getattr(args, "encoder_normalize_before", True)
    args.decoder_normalize_before = getattr(args, "decoder_normalize_before", True)
    args.attention_dropout = getattr(args, "attention_dropout", 0.1)
    args.activation_dropout = getattr(args, "activation_dropout", 0.1)
    args.dropout = getattr(args, "dropout", 0.1)
    args.share_all_embeddings = getattr(args, "share_all_embeddings", True)
    stock.base_architecture(args)
