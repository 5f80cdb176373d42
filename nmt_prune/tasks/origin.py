"""The checkpoint that fairseq is going to load at the start, by its own rules."""

from dataclasses import dataclass
from pathlib import Path

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.files import file_digest
from nmt_prune.pruning.departure import Departure
from nmt_prune.tasks.config import TranslationPruningConfig

DEFAULT_RESTORE_FILE = "checkpoint_last.pt"

RESETS = ("reset_optimizer", "reset_lr_scheduler", "reset_meters", "reset_dataloader")
"""fairseq's flags for what a training does not take from the checkpoint that it starts with."""


@dataclass(frozen=True)
class Origin:
    """A checkpoint to go on from.

    Attributes:
        checkpoint: the checkpoint.
        flag: the flag that names it; None for the last checkpoint of the save folder.
        goes_on: whether fairseq takes optimizer and update number from it too, and not the weights alone.
    """

    checkpoint: Checkpoint
    flag: str | None
    goes_on: bool

    def __str__(self) -> str:
        return f"{self.flag} {self.checkpoint.path}" if self.flag else str(self.checkpoint.path)

    def lies_in(self, folder: str) -> bool:
        """Whether the checkpoint is one of a save folder's own."""
        return self.checkpoint.path.parent.resolve() == Path(folder).resolve()

    @property
    def departure(self) -> Departure | None:
        """What this task noted of the start of the training that goes on; None if it is another training."""
        return Departure.of_checkpoint(self.checkpoint) if self.goes_on else None

    @property
    def first_update(self) -> int:
        """Number of updates that training goes on after."""
        # Without an optimizer state (--no-save-optimizer-state) fairseq counts from 0 again.
        return self.checkpoint.num_updates if self.goes_on and self.checkpoint.has_optimizer else 0


def last_checkpoint(cfg: TranslationPruningConfig) -> Path:
    """The last checkpoint of the save folder."""
    return Path(cfg.save_dir) / f"checkpoint_last{cfg.checkpoint_suffix}.pt"


def find_origin(cfg: TranslationPruningConfig) -> Origin | None:
    """Reads the checkpoint that fairseq loads (``checkpoint_utils.load_checkpoint``); None: training begins anew.

    Raises:
        PruneError: the flags name a checkpoint that is missing or cannot be read.
    """
    last = last_checkpoint(cfg)
    _go_on_after_restoring(cfg, last)
    if cfg.restore_file != DEFAULT_RESTORE_FILE:
        flag, path = "--restore-file", Path(cfg.restore_file.replace(".pt", f"{cfg.checkpoint_suffix}.pt"))
    elif last.exists():
        flag, path = None, last
    elif cfg.continue_once:
        flag, path = "--continue-once", Path(cfg.continue_once)
    elif cfg.finetune_from_model:
        flag, path = "--finetune-from-model", Path(cfg.finetune_from_model)
    else:
        return None
    if flag and not path.exists():
        raise PruneError(f"{flag} {path} does not exist")
    checkpoint = Checkpoint.load(path)
    if flag is None:
        _keep_what_was_reset(cfg, checkpoint)
    goes_on = flag != "--finetune-from-model" and not cfg.reset_optimizer
    return Origin(checkpoint, flag, goes_on)


def restoring(path: Path) -> dict[str, str]:
    """What a departure says of the file that a training began with."""
    return {"name": path.name, "sha256": file_digest(path)} if path.is_file() else {}


def _go_on_after_restoring(cfg: TranslationPruningConfig, last: Path) -> None:
    """Lets the command of a training that began with ``--restore-file`` go on with it, once it has begun.

    fairseq itself would restore the same file again, over what the folder holds. An earlier checkpoint of the folder's
    own may still be gone back to.

    Raises:
        PruneError: it began with another file, or without one.
    """
    restored = Path(cfg.restore_file)
    if cfg.restore_file == DEFAULT_RESTORE_FILE or restored.parent.resolve() == Path(cfg.save_dir).resolve():
        return
    departure = Departure.of_checkpoint(Checkpoint.load(last)) if last.exists() else None
    if departure is not None:
        if departure.restored is not None and departure.restored != restoring(restored):
            raise PruneError(
                f"{cfg.save_dir} holds a training that did not begin with --restore-file {restored}: leave that out to"
                " go on, or give another --save-dir"
            )
        cfg.restore_file = DEFAULT_RESTORE_FILE
        cfg._get_parent().checkpoint.restore_file = DEFAULT_RESTORE_FILE  # what fairseq reads


def asked_resets(cfg: TranslationPruningConfig) -> tuple[str, ...]:
    """Which of fairseq's :data:`RESETS` the flags ask for."""
    return tuple(name for name in RESETS if getattr(cfg, name))


def _keep_what_was_reset(cfg: TranslationPruningConfig, last: Checkpoint) -> None:
    """Lets the command of a training that began with :data:`RESETS` go on with it: they are about its start.

    fairseq itself would reset again, and count updates from 0, whenever the command is repeated.
    """
    departure = Departure.of_checkpoint(last)
    for name in departure.resets if departure else ():
        setattr(cfg, name, False)
        setattr(cfg._get_parent().checkpoint, name, False)  # what fairseq reads
