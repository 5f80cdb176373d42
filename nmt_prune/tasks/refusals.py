"""What flags cannot ask for together."""

from nmt_prune.budgets.nm import NM
from nmt_prune.errors import PruneError
from nmt_prune.groups.element import Element
from nmt_prune.masks.pruner import Pruner
from nmt_prune.saliency.learned import LearnedSaliency
from nmt_prune.schedules import Schedule
from nmt_prune.schedules.rigl import Rigl
from nmt_prune.tasks.config import TranslationPruningConfig


def refuse_unsupported(cfg: TranslationPruningConfig) -> None:
    """Refuses ways of training that cannot be held masked.

    Raises:
        PruneError: one of these is switched on.
    """
    refused = {
        "--ddp-backend fully_sharded": cfg.ddp_backend == "fully_sharded",
        "--ddp-backend slowmo": cfg.ddp_backend == "slowmo",
        "--pipeline-model-parallel": cfg.pipeline_model_parallel,
        "--use-bmuf": str(cfg.use_bmuf) == "True",
        "--zero-sharding os": cfg.zero_sharding == "os",
    }
    for flag, is_on in refused.items():
        if is_on:
            raise PruneError(
                f"{flag} keeps weights or optimizer state where masks cannot reach them; prune with --ddp-backend"
                " legacy_ddp or pytorch_ddp and without it"
            )


def refuse_unreachable_average(cfg: TranslationPruningConfig, schedule: Schedule) -> None:
    """Refuses an EMA in fp32 copies of half-precision weights, which the mask cannot follow while it grows.

    Raises:
        PruneError: the flags ask for one.
    """
    if schedule.settled_at > 0 and cfg.store_ema and cfg.ema_fp32 and (cfg.fp16 or cfg.bf16):
        raise PruneError(
            "--ema-fp32 with --fp16 or --bf16 averages in copies that a growing mask cannot reach; drop --ema-fp32 or"
            " use --amp"
        )


def refuse_incompatible(cfg: TranslationPruningConfig, pruner: Pruner, schedule: Schedule) -> None:
    """Refuses what cannot go together with masks that come and go.

    Raises:
        PruneError: the flags ask for it.
    """
    if isinstance(pruner.saliency, LearnedSaliency):
        pruner.saliency.check(pruner.group, schedule)
        flag = f"--saliency {pruner.saliency.name}"
        if pruner.mask_control != "none":
            raise PruneError(
                f"--mask-control {pruner.mask_control} needs a finished mask, which {flag} learns: train with"
                " --mask-control none, then give its checkpoint with --mask-from to the control"
            )
    elif isinstance(schedule, Rigl):
        flag = "--schedule rigl"
    else:
        return
    if isinstance(schedule, Rigl) and not isinstance(pruner.group, Element):
        raise PruneError("--schedule rigl moves single weights: leave out --group")
    if isinstance(schedule, Rigl) and isinstance(pruner.budget, NM):
        raise PruneError("--schedule rigl moves weights anywhere in a matrix: choose another --budget than nm")
    if cfg.store_ema:
        raise PruneError(f"{flag} has masks that come and go, over which an average is not sparse: drop --store-ema")


def refuse_late_start(cfg: TranslationPruningConfig, schedule: Schedule, first_update: int) -> None:
    """Refuses a clock that starts where the schedule is over: the mask would never change.

    Raises:
        PruneError: ``--clock`` asks for it.
    """
    if schedule.is_over(first_update):
        raise PruneError(
            f"--clock {cfg.clock} starts at update {first_update}, after --schedule {cfg.schedule} has ended: nothing"
            " would be pruned; give the schedule later updates (with a higher --max-update), or --clock restart"
        )
