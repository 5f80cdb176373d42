"""The evidence for the command line: the model of a checkpoint, and batches of the size it was trained with."""

import warnings
from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.checkpoints.own_dictionaries import check_data
from nmt_prune.errors import PruneError
from nmt_prune.pruning.saliency.evidence import Evidence
from nmt_prune.tasks.evidence import Calibration, default_device, evidence_of


def checkpoint_evidence(checkpoint: Path, data: Path, count: int, seed: int) -> Evidence:
    """The evidence for the command line: the model of a checkpoint, and batches of the size it was trained with.

    Args:
        checkpoint: a checkpoint of a translation model, masked or stock.
        data: folder of the binarized corpus.
        count: number of mini-batches.
        seed: seed of their choice.

    Raises:
        PruneError: checkpoint and data cannot be read or do not belong together.
    """
    return checkpoint_evidence_and_task(checkpoint, data, count, seed)[0]


def checkpoint_evidence_and_task(checkpoint: Path, data: Path, count: int, seed: int) -> tuple[Evidence, Any]:
    """The same with fairseq's task, for who wants more of it; see :func:`checkpoint_evidence`."""
    model, cfg, task = load_with_task(checkpoint, data)
    sizes = cfg.get("dataset") or task.cfg  # a rewind point has the task's copy alone
    calibration = Calibration(count, seed, sizes.max_tokens, sizes.batch_size)
    return evidence_of(task, model, calibration, default_device()), task


def load_with_task(checkpoint: Path, data: Path) -> tuple[Any, Any, Any]:
    """The model of a checkpoint with fairseq's configuration and its task for a data folder.

    Args:
        checkpoint: a checkpoint of a translation model, masked or stock.
        data: folder of the binarized corpus.

    Raises:
        PruneError: checkpoint and data cannot be read or do not belong together.
    """
    import nmt_prune.models.masked_transformer
    import nmt_prune.models.shrunk_transformer
    import nmt_prune.tasks.translation_pruning  # noqa: F401  (all are registered by the import)

    if remark := check_data(Checkpoint.load(checkpoint), data):
        warnings.warn(remark, RuntimeWarning, stacklevel=2)
    try:
        models, cfg, task = checkpoint_utils.load_model_ensemble_and_task(
            [str(checkpoint)], arg_overrides={"data": str(data)}
        )
    except Exception as error:  # fairseq raises bare Exception, RuntimeError, OSError, ...
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise PruneError(f"{checkpoint} cannot be measured on --data {data}: {reason[0]}") from error
    return models[0], cfg, task
