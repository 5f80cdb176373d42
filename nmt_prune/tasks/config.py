"""The flags of the task ``translation_pruning``."""

import argparse
import os
from dataclasses import dataclass, field, fields
from typing import Any, Optional

from fairseq.tasks.translation import TranslationConfig
from omegaconf import II, OmegaConf

from nmt_prune.errors import PruneError
from nmt_prune.pruning.settings import PruningSettings


@dataclass
class TranslationPruningConfig(TranslationConfig):
    """Translation's own flags and the pruning flags; interpolated fields only read what other flags say."""

    mask_from: Optional[str] = field(
        default=None, metadata={"help": "trained checkpoint to prune, or a mask file (*.safetensors)"}
    )
    rewind_from: Optional[str] = field(
        default=None, metadata={"help": "checkpoint or rewind point that weights (or the clock) are rewound to"}
    )
    saliency: str = field(
        default=PruningSettings.saliency,
        metadata={
            "help": "what a weight is worth: magnitude, random, snip, grasp, synflow, taylor, fisher,"
            " oes:steps=N, head-importance:per=token, activation:kind=nonzero, confidence, wanda,"
            " adam-fisher, and learned while training: movement, soft-movement, hard-concrete, magnitude-ste:decay=D"
        },
    )
    budget: str = field(
        default=PruningSettings.budget,
        metadata={
            "help": "how many survive where: matrix, global, global-body, erk, layerwise (each with :floor=SHARE),"
            " nm:keep=N,of=M, sensitivity:power=P, threshold:below=SCORE"
        },
    )
    group: str = field(
        default=PruningSettings.group,
        metadata={
            "help": "what is pruned together: element, head, unit, channel (heads and units), sublayer, layer,"
            " block:rows=R,columns=C"
        },
    )
    sparsity: Optional[float] = field(
        default=None, metadata={"help": "final sparsity in [0, 1); default: that of --mask-from, or 0"}
    )
    schedule: str = field(
        default=PruningSettings.schedule,
        metadata={
            "help": "when: constant, oneshot:at=UPDATE, cubic:initial=S,begin=UPDATE,end=UPDATE,interval=N,exponent=3,"
            " layerwise:begin=UPDATE,window=N, rigl:interval=N,end=SHARE,share=SHARE, granet:share=SHARE (and those of"
            " cubic), acdc:begin=UPDATE,phase=N,end=UPDATE"
        },
    )
    regulariser: str = field(
        default="",
        metadata={
            "help": "penalty on the groups of --group: group-lasso:strength=L,step=loss|proximal, clipped-group-lasso"
        },
    )
    quantizer: str = field(
        default="",
        metadata={"help": "quantization-aware training: ternary, uniform:weight_bits=8,activation_bits=8"},
    )
    sparse_lr: float = field(
        default=0.0,
        metadata={
            "help": "multiply the learning rate of a matrix of density d by (1 / d)^POWER; 1 in the paper, 0: off"
        },
    )
    mask_control: str = field(
        default=PruningSettings.mask_control,
        metadata={"help": "control mask with the same counts: none, shuffled, inverted"},
    )
    counts_from: Optional[str] = field(
        default=None,
        metadata={"help": "checkpoint or mask file with the counts per matrix that the control has"},
    )
    reset: str = field(
        default=PruningSettings.reset,
        metadata={"help": "what survivors become: keep, rewind, sign, random-sign, reinit, shuffle, shuffle-layers"},
    )
    clock: str = field(
        default=PruningSettings.clock,
        metadata={
            "help": "update number that training starts at: restart (0), rewind (--rewind-from's), keep (parent's)"
        },
    )
    prune_set: str = field(
        default=PruningSettings.prune_set,
        metadata={"help": "matrices that may be pruned: all, body (no embedding, no output projection)"},
    )
    prune_seed: int = field(
        default=PruningSettings.seed,
        metadata={"help": "seed of random masks, controls, resets and calibration batches"},
    )
    calibration_batches: int = field(
        default=PruningSettings.calibration_batches,
        metadata={"help": "mini-batches of training data that saliencies are measured on"},
    )
    rewind_points: str = field(
        default="",
        metadata={"help": "comma-separated updates at which SAVE_DIR/rewind_UPDATE.pt is written, e.g. 0,25000"},
    )
    eval_bleu_tokenize: Optional[str] = field(
        default=None,
        metadata={"help": "sacreBLEU's tokenizer for --eval-bleu; default: that of the target language"},
    )
    extension: Optional[str] = field(
        default=None,
        metadata={
            "help": "Python file that registers saliencies, budgets, schedules or resets of your own; may be repeated"
            " (in a Hydra configuration: one text, with : between the files)"
        },
    )

    max_update: int = II("optimization.max_update")
    # Not a bool, which fairseq would set to True in the commands that do not know the flag, e.g. fairseq-generate.
    use_bmuf: str = II("optimization.use_bmuf")
    max_tokens: Optional[int] = II("dataset.max_tokens")
    batch_size: Optional[int] = II("dataset.batch_size")
    save_dir: str = II("checkpoint.save_dir")
    restore_file: str = II("checkpoint.restore_file")
    finetune_from_model: Optional[str] = II("checkpoint.finetune_from_model")
    continue_once: Optional[str] = II("checkpoint.continue_once")
    reset_optimizer: bool = II("checkpoint.reset_optimizer")
    reset_lr_scheduler: bool = II("checkpoint.reset_lr_scheduler")
    reset_meters: bool = II("checkpoint.reset_meters")
    reset_dataloader: bool = II("checkpoint.reset_dataloader")
    keep_best_checkpoints: int = II("checkpoint.keep_best_checkpoints")
    checkpoint_suffix: str = II("checkpoint.checkpoint_suffix")
    best_checkpoint_metric: str = II("checkpoint.best_checkpoint_metric")
    log_interval: int = II("common.log_interval")
    cpu: bool = II("common.cpu")
    fp16: bool = II("common.fp16")
    bf16: bool = II("common.bf16")
    store_ema: bool = II("ema.store_ema")
    ema_fp32: bool = II("ema.ema_fp32")
    ddp_backend: str = II("distributed_training.ddp_backend")
    zero_sharding: str = II("distributed_training.zero_sharding")
    pipeline_model_parallel: bool = II("distributed_training.pipeline_model_parallel")


class Gather(argparse.Action):
    """Keeps all values of a flag that is repeated, as one text with ``:`` between them."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        before = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, os.pathsep.join([before, values] if before else [values]))


def pruning_settings(cfg: TranslationPruningConfig) -> PruningSettings:
    """The pruning settings that the flags give."""
    own = {setting.name for setting in fields(PruningSettings)} - {"seed"}
    return PruningSettings(**{name: getattr(cfg, name) for name in own}, seed=cfg.prune_seed)


def criterion_of(cfg: Any) -> Any:
    """The configuration of the criterion beside the task's; None where the task's stands alone."""
    root = cfg._get_parent() if OmegaConf.is_config(cfg) else None
    return None if root is None else root.get("criterion")


def rewind_updates(cfg: TranslationPruningConfig) -> frozenset[int]:
    """The updates at which rewind points are written.

    Raises:
        PruneError: ``--rewind-points`` is not a list of update numbers.
    """
    try:
        updates = frozenset(int(text) for text in cfg.rewind_points.split(",") if text.strip())
    except ValueError:
        updates = frozenset({-1})
    if min(updates, default=0) < 0:
        raise PruneError(
            f"--rewind-points {cfg.rewind_points!r}: give update numbers separated by commas, e.g. 0,25000"
        )
    return updates
