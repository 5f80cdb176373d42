"""What fairseq takes from a checkpoint beside its weights, and fails to take where it is of another kind."""

from collections.abc import Mapping
from typing import Any

from fairseq.criterions import CRITERION_REGISTRY
from fairseq.optim import OPTIMIZER_REGISTRY

from nmt_prune.errors import PruneError, exit_on_error
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.tasks.origin import Origin


def refuse_foreign_optimizer(cfg: TranslationPruningConfig, history: Mapping[str, Any], source: str, way: str) -> None:
    """Refuses to go on with the optimizer of a training whose optimizer, precision, criterion or scheduler was another.

    Args:
        cfg: the task's flags.
        history: what the checkpoint says of its optimizer, with its state.
        source: what goes on, with the checkpoint's name.
        way: what else can be done.

    Raises:
        PruneError: one differs.
    """
    root = cfg._get_parent()
    pairs = {
        "optimizer_name": (_optimizer_name(root), "--optimizer and precision (--fp16, --bf16, --amp)"),
        "criterion_name": (CRITERION_REGISTRY[root.criterion._name].__name__, "--criterion"),
    }
    for name, (mine, flags) in pairs.items():
        if (theirs := history.get(name, mine)) != mine:
            kind = name.partition("_")[0]
            raise PruneError(f"{source} with the {kind} {theirs}, not {mine}: give {flags} as that training had, {way}")
    follows_scores = root.lr_scheduler._name == "reduce_lr_on_plateau" and not cfg.reset_lr_scheduler
    if follows_scores and "best" not in history.get("lr_scheduler_state", {"best": None}):
        raise PruneError(
            f"{source} with another learning rate scheduler, of which reduce_lr_on_plateau knows nothing: give"
            " --reset-lr-scheduler"
        )


def refuse_missing_average(cfg: TranslationPruningConfig, origin: Origin) -> None:
    """Refuses an average that fairseq would have to begin from a checkpoint without one, where it fails.

    Raises:
        PruneError: the flags ask for it.
    """
    if cfg.store_ema and "ema" not in (origin.checkpoint.state.get("extra_state") or {}):
        raise PruneError(
            f"{origin} holds no average for --store-ema to go on with: leave that out, or give the checkpoint with"
            " --mask-from (--sparsity 0 keeps it as it is) and another --save-dir"
        )


def same_batches(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of an iterator of mini-batches that are the same wherever the training goes on.

    fairseq makes them once for all epochs, and their seed has the number of the epoch that it begins in. Here that is
    1, also where a run goes on with its parent's clock: where it was stopped in between makes no difference. What
    fairseq makes anew for each epoch stays as it is.
    """
    is_made_once = not (settings.get("disable_iterator_cache") or settings.get("update_epoch_batch_itr"))
    return {**settings, "epoch": 1} if is_made_once else settings


def refuse_other_batches(batches: Any) -> Any:
    """Has fairseq's iterator of mini-batches say in one line that a checkpoint lies behind the end of an epoch."""
    load = batches.load_state_dict

    def load_or_refuse(state: Any) -> None:
        with exit_on_error():
            try:
                load(state)
            except RuntimeError as error:
                raise PruneError(
                    "the checkpoint was saved further in its epoch than this one is long: data or batches"
                    " (--max-tokens, --batch-size, --update-freq) are others; give them as they were, or"
                    " --reset-dataloader to begin an epoch"
                ) from error

    batches.load_state_dict = load_or_refuse
    return batches


def _optimizer_name(root: Any) -> str:
    """The class that fairseq's trainer builds."""
    common = root.common
    if not (common.fp16 or common.bf16 or common.amp):
        return str(OPTIMIZER_REGISTRY[root.optimizer._name].__name__)
    if common.memory_efficient_fp16 or common.memory_efficient_bf16:
        return "MemoryEfficientFP16Optimizer"
    return "AMPOptimizer" if common.amp else "FP16Optimizer"
