"""What flags cannot ask for together."""

from nmt_prune.errors import PruneError
from nmt_prune.pruning.budgets.nm import NM
from nmt_prune.pruning.budgets.threshold import Threshold
from nmt_prune.pruning.groups.element import Element
from nmt_prune.pruning.inert import refuse_inert_settings
from nmt_prune.pruning.pruner import Pruner
from nmt_prune.pruning.saliency.learned import LearnedSaliency
from nmt_prune.pruning.schedules import MovingSchedule, Schedule
from nmt_prune.pruning.schedules.acdc import AcDc
from nmt_prune.pruning.settings import PruningSettings
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.tasks.origin import DEFAULT_RESTORE_FILE, RESETS
from nmt_prune.tasks.single_step import refuse_steps


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
    starts = {
        "--restore-file": cfg.restore_file != DEFAULT_RESTORE_FILE,
        "--continue-once": cfg.continue_once,
        "--finetune-from-model": cfg.finetune_from_model,
    }
    given = [flag for flag, is_given in starts.items() if is_given]
    if len(given) > 1:
        raise PruneError(f"{given[0]} and {given[1]} both say where to start; give one of them")
    inert = [f"--{name.replace('_', '-')}" for name in RESETS if getattr(cfg, name)]
    if cfg.finetune_from_model and inert:
        raise PruneError(f"--finetune-from-model takes nothing but the weights: leave {inert[0]} out")


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
    if cfg.sparse_lr < 0:
        raise PruneError(f"--sparse-lr {cfg.sparse_lr:g} must not be negative; it is the power of 1 / density")
    if cfg.sparse_lr and schedule.final == 0 and not isinstance(pruner.budget, Threshold):
        raise PruneError(f"--sparse-lr {cfg.sparse_lr:g} does nothing here: nothing is pruned; leave it out")
    refuse_steps(cfg, pruner, schedule)
    can_be_averaged = False
    scheduled = f"--schedule {cfg.schedule.partition(':')[0]}"
    comes_and_goes = isinstance(schedule, (MovingSchedule, AcDc))
    if isinstance(pruner.saliency, LearnedSaliency):
        can_be_averaged = pruner.saliency.can_be_averaged
        pruner.saliency.check(pruner.group, schedule)
        flag = f"--saliency {pruner.saliency.name}"
        if cfg.sparse_lr and not pruner.saliency.shows_masks:
            raise PruneError(
                f"--sparse-lr {cfg.sparse_lr:g} follows the mask of the forward pass, which {flag} has none of that is"
                " held before it is final: leave out one of them"
            )
        if pruner.mask_control != "none":
            raise PruneError(
                f"--mask-control {pruner.mask_control} needs a finished mask, which {flag} learns: train with"
                " --mask-control none, then give its checkpoint with --mask-from to the control"
            )
        if pruner.budget.is_measured:
            raise PruneError(
                f"--budget {cfg.budget} is measured for every mask, and {flag} chooses its masks over and over: take"
                " another budget"
            )
        if comes_and_goes:
            raise PruneError(
                f"{flag} and {scheduled} each bring weights back: take --schedule cubic, or leave {flag} out"
            )
    elif comes_and_goes:
        flag = scheduled
    else:
        return
    if isinstance(schedule, MovingSchedule) and not isinstance(pruner.group, Element):
        raise PruneError(f"{scheduled} moves single weights: leave out --group")
    if isinstance(schedule, MovingSchedule) and isinstance(pruner.budget, NM):
        raise PruneError(f"{scheduled} moves weights anywhere in a matrix: choose another --budget than nm")
    if cfg.store_ema and not can_be_averaged:
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


def refuse_inert(cfg: TranslationPruningConfig, settings: PruningSettings) -> None:
    """Refuses flags of a new training that do nothing, or that undo one another.

    Raises:
        PruneError: there is one.
    """
    if cfg.reset_optimizer and cfg.mask_from and cfg.clock != "restart":
        raise PruneError(
            f"--clock {cfg.clock} goes on with an optimizer and its update number, which --reset-optimizer throws away:"
            " leave that out, or take --clock restart"
        )
    root = cfg._get_parent()
    scheduler = root.lr_scheduler
    by_epoch = {
        "fixed": getattr(scheduler, "force_anneal", None) or len(root.optimization.lr) > 1,
        "manual": getattr(scheduler, "epoch2lr", "{}") != "{}",
    }
    if cfg.clock == "rewind" and by_epoch.get(scheduler._name):
        raise PruneError(
            "--clock rewind goes on at the update of the rewind point and counts epochs from 1, by which --lr-scheduler"
            f" {scheduler._name} sets the learning rate (--force-anneal, several --lr, --epoch2lr): take one that"
            " counts updates"
        )
    used = {"group", "prune_set"} if cfg.regulariser or cfg.quantizer else set()
    if cfg.regulariser or "after_pruning" in (cfg.quantizer or ""):
        used |= {"schedule"}  # it says when the penalty ends and the quantizer begins
    if settings.schedule.partition(":")[0] in ("rigl", "granet") and settings.mask_from:
        used |= {"schedule", "prune_set"}  # the mask that is there moves
    refuse_inert_settings(settings, used)


def refuse_denser_best(cfg: TranslationPruningConfig, schedule: Schedule) -> None:
    """Refuses to keep several best checkpoints by a score that is best where the mask has not grown yet.

    Raises:
        PruneError: the flags ask for it.
    """
    if schedule.settled_at > 0 and cfg.keep_best_checkpoints > 0 and cfg.best_checkpoint_metric != "bleu":
        raise PruneError(
            f"--keep-best-checkpoints by {cfg.best_checkpoint_metric} would keep denser ones of before the mask is"
            " final; give --eval-bleu --best-checkpoint-metric bleu --maximize-best-checkpoint-metric, or leave it out"
        )


def refuse_unreachable(
    cfg: TranslationPruningConfig, origin: str, first_update: int, sparsity: float, final: float
) -> None:
    """Refuses masks that nothing will bring to the sparsity asked for.

    Raises:
        PruneError: always.
    """
    if sparsity > final:
        raise PruneError(
            f"{origin} has sparsity {sparsity:.6g}, and what is pruned stays pruned: --sparsity {final:g} cannot be"
            " reached; ask for more, or start from a denser checkpoint"
        )
    raise PruneError(
        f"{origin} goes on at update {first_update} with sparsity {sparsity:.6g}, where --schedule {cfg.schedule}"
        f" changes the mask no more: --sparsity {final:g} would never be reached; to prune a checkpoint give it with"
        " --mask-from (and a --save-dir of its own), or give the schedule later updates"
    )
