"""The flags of fairseq-train that a checkpoint was trained with, from its own configuration."""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from fairseq.dataclass.configs import CommonConfig, DatasetConfig, OptimizationConfig
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.registry import REGISTRIES
from fairseq.tasks.translation import TranslationConfig

import nmt_prune.criterions.distilled_cross_entropy
import nmt_prune.optimizers.scaled_adafactor  # noqa: F401  (both are registered by the import)
from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.models import masked_transformer, shrunk_transformer
from nmt_prune.storage.checkpoints.vocabularies import group

Flags = dict[str, Any]

CHOICES = ("criterion", "optimizer", "lr_scheduler")
"""What a training chooses among several, each with flags of its own."""
_DATASET = {"max_tokens", "batch_size", "max_tokens_valid", "batch_size_valid", "skip_invalid_size_inputs_valid_test"}
_OPTIMIZATION = {"clip_norm", "sentence_avg", "update_freq", "lr"}
_TASK = {"left_pad_source", "left_pad_target", "max_source_positions", "max_target_positions", "truncate_source"}
_LENGTH = "total_num_update"
_PRECISIONS = ("fp16", "memory_efficient_fp16", "bf16", "amp")


class OwnFlags(NamedTuple):
    """How a checkpoint was trained, by name with underscores.

    Attributes:
        model: architecture and its flags, of the masked variant.
        training: criterion, optimizer, learning rate, batch; not how long, nor when the learning rate's decay ends.
        precision: ``fp32``, or the name of fairseq's flag.
        workers: data-parallel processes.
    """

    model: Flags
    training: Flags
    precision: str
    workers: int

    @property
    def in_one_process(self) -> Flags:
        """The training flags with the batch of all workers in one process."""
        if self.workers == 1:
            return self.training
        once = int(str(self.training.get("update_freq", 1)).strip("[]").split(",")[0])
        return {**self.training, "update_freq": self.workers * once}


def own_flags(checkpoint: Checkpoint, others: Mapping[str, Any] | None = None) -> OwnFlags:
    """Reads the configuration.

    Args:
        checkpoint: of a Transformer, stock or of this toolkit, with configuration.
        others: a criterion, an optimizer or a learning rate scheduler in place of its own; of the flags of that only
            those are taken that the other one has, too.

    Raises:
        PruneError: it has none, or another architecture, or an optimizer or criterion that is not known here.
    """
    settings = _settings(checkpoint)
    training: Flags = {}
    for choice in CHOICES:
        chosen = (others or {}).get(choice)
        name = chosen or settings.get(choice)
        known = REGISTRIES[choice]["registry"]
        if chosen and chosen not in known:
            continue  # fairseq says so, or knows it by an extension
        if name not in known:
            raise PruneError(
                f"{checkpoint.path}: its {choice} {name} is unknown to fairseq here; give flags in a recipe"
            )
        training[choice] = name
        training |= _given(_parser_of(known[name]), settings)
    training.pop(_LENGTH, None)
    training |= _given(_parser(DatasetConfig), settings, _DATASET)
    training |= _given(_parser(OptimizationConfig), settings, _OPTIMIZATION)
    training |= _given(_parser(TranslationConfig), settings, _TASK)
    common = {action.dest for action in _parser(CommonConfig)._actions if action.dest.startswith(("fp16_", "amp_"))}
    precision = next((name for name in _PRECISIONS if settings.get(name)), "")
    if precision:
        training |= _given(_parser(CommonConfig), settings, common)
    workers = int(settings.get("distributed_world_size") or 1)
    return OwnFlags(_model(checkpoint, settings), training, precision.replace("_", "-") or "fp32", workers)


def _settings(checkpoint: Checkpoint) -> Flags:
    """The configuration as one namespace; a group's own values go before copies elsewhere."""
    found = dict(checkpoint.model_settings)
    if not found:
        raise PruneError(f"{checkpoint.path} has no configuration ('cfg' or 'args'); give its flags in a recipe")
    for name in ("distributed_training", "common", "dataset", "optimization", "task", *CHOICES):
        values = group(checkpoint, name)
        if name in CHOICES:
            found[name] = values.get("_name") or found.get(name)
        found |= {key: value for key, value in values.items() if key != "_name"}
    return found


def _model(checkpoint: Checkpoint, settings: Flags) -> Flags:
    arch = str(settings.get("arch") or settings.get("_name"))
    is_shrunk = arch.startswith("shrunk_transformer")
    module = shrunk_transformer if is_shrunk else masked_transformer
    if not arch.startswith(("transformer", "masked_transformer", "shrunk_transformer")) or arch.startswith(
        "transformer_lm"
    ):
        raise PruneError(
            f"{checkpoint.path} has architecture {arch}; only Transformers with encoder and decoder are pruned"
        )
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    (module.ShrunkTransformer if is_shrunk else module.MaskedTransformer).add_args(parser)
    defaults = Namespace()
    masked_transformer.base(defaults)
    flags = _given(parser, settings, defaults=vars(defaults))
    return {"arch": "shrunk_transformer" if is_shrunk else "masked_transformer", **flags}


def _parser(config: Any) -> ArgumentParser:
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    gen_parser_from_dataclass(parser, config())
    return parser


def _parser_of(kind: Any) -> ArgumentParser:
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    if getattr(kind, "__dataclass", None) is not None:
        gen_parser_from_dataclass(parser, kind.__dataclass())
    elif hasattr(kind, "add_args"):
        kind.add_args(parser)
    return parser


def _given(
    parser: ArgumentParser,
    settings: Mapping[str, Any],
    only: Collection[str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Flags:
    """The flags of a parser whose values in a configuration are not the defaults."""
    flags: Flags = {}
    for action in parser._actions:
        value = settings.get(action.dest)
        usual = (defaults or {}).get(action.dest, action.default)
        if value is None or (only is not None and action.dest not in only) or _same(value, usual):
            continue
        flags[action.option_strings[0].lstrip("-").replace("-", "_")] = _value(action, value)
    return flags


def _same(value: Any, usual: Any) -> bool:
    return _text(value) == _text(usual)


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value).strip("()[]").replace(" ", "")


def _value(action: Action, value: Any) -> Any:
    if action.nargs == 0:  # a switch; its value is not the default
        return True
    if isinstance(value, (list, tuple)):
        # fairseq evaluates both: lists of numbers per epoch or layer, and Adam's pair.
        return f"({', '.join(map(str, value))})" if action.dest.endswith("betas") else ",".join(map(str, value))
    return value
