"""What a training starts from must be of its own dictionaries."""

import logging
from collections.abc import Mapping
from pathlib import Path

from nmt_prune.own_dictionaries import compare, of_source
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.tasks.start import restored_checkpoint

logger = logging.getLogger(__name__)


def check_dictionaries(cfg: TranslationPruningConfig, own: Mapping[str, str]) -> None:
    """Compares the dictionaries of a training with those of every file that its weights or masks come from.

    Args:
        cfg: the task's flags.
        own: digests of the training's dictionaries.

    Raises:
        PruneError: they differ: the embeddings would be of other words.
    """
    restored = restored_checkpoint(cfg)
    # What has begun no longer asks for the files that it began with.
    named = [restored] if restored.exists() else [cfg.mask_from, cfg.rewind_from, cfg.finetune_from_model]
    for path in (Path(each) for each in named if each):
        matters, known = of_source(path)
        if matters and (remark := compare(path, known, own, str(cfg.data))):
            logger.warning(remark)
