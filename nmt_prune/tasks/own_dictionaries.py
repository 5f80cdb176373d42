"""What a training starts from must be of its own dictionaries."""

import logging
from collections.abc import Mapping
from pathlib import Path

from nmt_prune.checkpoints.own_dictionaries import compare, of_source
from nmt_prune.checkpoints.own_dictionaries import own as known_to
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.tasks.origin import find_origin

logger = logging.getLogger(__name__)


def check_dictionaries(cfg: TranslationPruningConfig, own: Mapping[str, str]) -> None:
    """Compares the dictionaries of a training with those of every file that its weights or masks come from.

    Args:
        cfg: the task's flags.
        own: digests of the training's dictionaries.

    Raises:
        PruneError: they differ: the embeddings would be of other words.
    """
    origin = find_origin(cfg)
    # What has begun no longer asks for the files that it began with.
    if origin is not None:
        sources = [(origin.checkpoint.path, (True, known_to(origin.checkpoint)))]
    else:
        named = [Path(path) for path in (cfg.mask_from, cfg.rewind_from) if path]
        sources = [(path, of_source(path)) for path in named]
    for path, (matters, known) in sources:
        if matters and (remark := compare(path, known, own, str(cfg.data))):
            logger.warning(remark)
