"""What fairseq-train would refuse at the start: ``python -m nmt_prune.tasks.preflight`` with command lines as JSON.

Reads a list of argument lists from stdin. The first that is refused ends it with one line on stderr and status 1.
"""

import json
import sys
from typing import Any

import torch
from fairseq import models, options, tasks
from fairseq.data import Dictionary
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.optim import build_optimizer
from fairseq.optim.lr_scheduler import build_lr_scheduler

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
from nmt_prune.tasks.config import pruning_settings, rewind_updates
from nmt_prune.tasks.hardware import refuse_missing_devices
from nmt_prune.tasks.refusals import refuse_unsupported


def main() -> None:
    """Checks every command line."""
    built: set[str] = set()
    for arguments in json.load(sys.stdin):
        sys.argv = ["fairseq-train", *arguments]
        try:
            cfg = convert_namespace_to_omegaconf(options.parse_args_and_arch(options.get_training_parser()))
            _check_pruning(cfg.task)
            # Most command lines of an experiment have the same model.
            key = str((cfg.model, cfg.criterion, cfg.optimizer, cfg.lr_scheduler))
            if key not in built:
                built.add(key)
                _check_training(cfg)
        except PruneError as error:
            raise SystemExit(str(error)) from error
        except Exception as error:
            text = " ".join(str(error).split()) or "no reason given"
            raise SystemExit(f"fairseq-train: {type(error).__name__}: {text}") from error


def _check_pruning(cfg: Any) -> None:
    load_extensions(cfg.extension)
    refuse_unsupported(cfg)
    refuse_missing_devices(cfg)
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
