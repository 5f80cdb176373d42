"""What fairseq-train would refuse at the start: ``python -m nmt_prune.tasks.preflight`` with command lines as JSON.

Reads a list of argument lists from stdin. The first that is refused ends it with one line on stderr and status 1.
"""

import json
import sys
from argparse import Namespace
from dataclasses import fields
from typing import Any

import torch
from fairseq import models, options, tasks
from fairseq.data import Dictionary
from fairseq.dataclass.utils import convert_namespace_to_omegaconf, override_module_args
from fairseq.optim import build_optimizer
from fairseq.optim.lr_scheduler import build_lr_scheduler
from fairseq.tasks.translation import TranslationConfig
from hydra.core.override_parser.overrides_parser import OverridesParser

# Registers what --user-dir would; fairseq does not import a package that is imported already.
import nmt_prune.models.masked_transformer
import nmt_prune.models.shrunk_transformer
import nmt_prune.optimizers.cyclic_rewarm
import nmt_prune.optimizers.scaled_adafactor
import nmt_prune.tasks.translation_pruning  # noqa: F401
from nmt_prune.errors import PruneError
from nmt_prune.pruning.departure import Departure
from nmt_prune.pruning.quantization import quantizers
from nmt_prune.pruning.regularisers import regularisers
from nmt_prune.pruning.resets import resets
from nmt_prune.registry import load_extensions
from nmt_prune.tasks.config import TranslationPruningConfig, pruning_settings, rewind_updates
from nmt_prune.tasks.refusals import refuse_unsupported

# The flags of a training that are about pruning, and where it is saved.
_OWN = {one.name for one in fields(TranslationPruningConfig) if not str(one.default).startswith("${")}
_OWN -= {one.name for one in fields(TranslationConfig)}
_VARYING = _OWN | {"save_dir"}


def main() -> None:
    """Checks every command line."""
    converted: dict[str, Any] = {}
    for arguments in json.load(sys.stdin):
        sys.argv = ["fairseq-train", *arguments]
        try:
            args = options.parse_args_and_arch(options.get_training_parser())
            key = str(sorted((name, value) for name, value in vars(args).items() if name not in _VARYING))
            # Most command lines of an experiment differ in their pruning alone, and Hydra takes a second for each.
            if known := converted.get(key):
                _check_pruning(_with_own_flags(known.task, args))
            else:
                converted[key] = cfg = convert_namespace_to_omegaconf(args)
                _check_pruning(cfg.task)
                _check_training(cfg)
        except PruneError as error:
            raise SystemExit(str(error)) from error
        except Exception as error:
            text = " ".join(str(error).split()) or "no reason given"
            raise SystemExit(f"fairseq-train: {type(error).__name__}: {text}") from error


def _with_own_flags(cfg: Any, args: Namespace) -> Any:
    """Puts the flags about pruning into a task's configuration, read by Hydra's grammar as fairseq has them read."""
    flags = [
        flag for flag in override_module_args(args)[0] if flag.partition("=")[0] in {f"task.{own}" for own in _OWN}
    ]
    for flag in OverridesParser.create().parse_overrides(flags):
        cfg[flag.key_or_group.removeprefix("task.")] = flag.value()
    return cfg


def _check_pruning(cfg: Any) -> None:
    load_extensions(cfg.extension)
    refuse_unsupported(cfg)
    rewind_updates(cfg)
    settings = pruning_settings(cfg)
    settings.pruner()
    settings.build_schedule(Departure(0.0, stages=(0.0, settings.sparsity or 0.0)))  # stages of whatever budget
    resets.build(cfg.reset)
    if cfg.regulariser:
        regularisers.build(cfg.regulariser)
    if cfg.quantizer:
        quantizers.build(cfg.quantizer)


def _check_training(cfg: Any) -> None:
    if cfg.dataset.max_tokens is None and cfg.dataset.batch_size is None:
        raise PruneError("fairseq-train needs the size of a batch: give max-tokens or batch-size")
    words = Dictionary()
    task = tasks.TASK_REGISTRY[cfg.task._name](cfg.task, words, words)
    with torch.device("meta"):  # shapes only
        models.build_model(cfg.model, task)
    task.build_criterion(cfg.criterion)
    parameter = torch.nn.Parameter(torch.zeros(1))
    build_lr_scheduler(cfg.lr_scheduler, build_optimizer(cfg.optimizer, [parameter]))


if __name__ == "__main__":
    main()
