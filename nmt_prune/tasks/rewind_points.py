"""Rewind points: checkpoints of θ_0 and θ_t at exact updates, whatever fairseq's own saving does; which can be had."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from fairseq.optim.lr_scheduler import FairseqLRScheduler
from fairseq.utils import move_to_cpu
from omegaconf import OmegaConf
from torch import nn

from nmt_prune.checkpoints import save
from nmt_prune.errors import PruneError
from nmt_prune.tasks.config import TranslationPruningConfig, rewind_updates
from nmt_prune.training.optimizer_state import masters


def rewind_point(folder: str, update: int) -> Path:
    """The rewind point of an update in a save folder."""
    return Path(folder) / f"rewind_{update}.pt"


def refuse_unwritten_points(cfg: TranslationPruningConfig, first_update: int) -> None:
    """Refuses rewind points of updates that the training does not pass.

    Raises:
        PruneError: ``--rewind-points`` asks for one.
    """
    for update in sorted(rewind_updates(cfg)):
        if 0 < cfg.max_update < update or update < first_update or 0 < update == first_update:
            raise PruneError(
                f"--rewind-points {cfg.rewind_points}: the training goes from update {first_update} to --max-update"
                f" {cfg.max_update} and would never write rewind_{update}.pt; leave {update} out"
            )


def refuse_passed_points(cfg: TranslationPruningConfig, first_update: int) -> None:
    """Refuses rewind points of updates that a training which goes on has behind it, without having written them.

    Raises:
        PruneError: ``--rewind-points`` asks for one.
    """
    for update in sorted(rewind_updates(cfg)):
        if update <= first_update and first_update > 0 and not rewind_point(cfg.save_dir, update).exists():
            raise PruneError(
                f"--rewind-points {cfg.rewind_points}: {cfg.save_dir} is at update {first_update} already and has no"
                f" rewind_{update}.pt; leave {update} out, or train anew with another --save-dir"
            )


def write_rewind_point(
    folder: str,
    update: int,
    configs: dict[str, Any],
    task_state: dict[str, Any],
    model: nn.Module,
    criterion: Any,
    optimizer: Any,
    scheduler: FairseqLRScheduler | None,
) -> Path:
    """Writes ``rewind_<update>.pt``: fp32 weights, masks and optimizer state, in the form of a fairseq checkpoint.

    Args:
        folder: the save folder.
        update: number of updates done.
        configs: the ``task`` and ``model`` configuration.
        task_state: what the task says of the model.
        model: the model; where there is an fp32 master copy, that is what is saved.
        criterion: the training criterion, whose name fairseq compares when it resumes.
        optimizer: fairseq's optimizer.
        scheduler: what drives its learning rate.

    Raises:
        PruneError: the file cannot be written, or nothing schedules the learning rate.
    """
    if scheduler is None:
        raise PruneError("this optimizer has no learning rate scheduler of fairseq's, whose state a rewind point needs")
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    copies = dict(zip((names[id(parameter)] for parameter in trained), masters(optimizer, trained), strict=True))
    weights = model.state_dict()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        weights[name] = copies.get(names[id(parameter)], weights[name]).float().cpu()
    path = rewind_point(folder, update)
    save(
        {
            "args": None,
            "cfg": {name: _container(config) for name, config in configs.items()},
            "model": {name: tensor.cpu() for name, tensor in weights.items()},
            "criterion": None,
            "optimizer_history": [
                {
                    "criterion_name": type(getattr(criterion, "module", criterion)).__name__,
                    "optimizer_name": type(optimizer).__name__,
                    "lr_scheduler_state": scheduler.state_dict(),
                    "num_updates": update,
                }
            ],
            "task_state": task_state,
            "extra_state": {},
            "last_optimizer_state": move_to_cpu(optimizer.state_dict()),
        },
        path,
    )
    return path


def _container(config: Any) -> Any:
    if isinstance(config, Namespace) or not OmegaConf.is_config(config):
        return config
    return OmegaConf.to_container(config, resolve=True, enum_to_str=True)
