"""From a compact model back to a fairseq checkpoint."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nmt_prune.checkpoints import FIRST_EPOCH, MASK_MODULE
from nmt_prune.checkpoints.own_dictionaries import KEY, digests
from nmt_prune.errors import PruneError
from nmt_prune.masks.prunable import PADDING_INDEX
from nmt_prune.storage.format.encoded_tensor import decoded
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.layout import layout

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def checkpoint_state(model: CompactModel, source: str) -> dict[str, Any]:
    """The state of a fairseq checkpoint with the weights and masks of a compact model, before its first update.

    Args:
        model: the model.
        source: what it is called in messages.

    Raises:
        PruneError: the model does not say how fairseq was configured, or not in the way that ``nmt-prune pack`` does.
    """
    facts = model.provenance
    configuration, history = facts.get("configuration"), facts.get("history")
    masked, dtypes = facts.get("masked"), facts.get("dtypes")
    groups = [configuration.get(group) for group in ("model", "task")] if isinstance(configuration, dict) else [None]
    if not all(isinstance(group, dict) for group in (*groups, history)):
        raise PruneError(f"{source} does not say how fairseq was configured; unpack a model that nmt-prune pack made")
    if not (isinstance(masked, list) and isinstance(dtypes, dict) and set(map(str, dtypes.values())) <= _DTYPES.keys()):
        raise PruneError(f"{source} has a provenance that nmt-prune pack does not write; pack its checkpoint again")
    weights: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for name, stored in model.weights.items():
        tensor = decoded(stored)
        weights[name] = torch.from_numpy(tensor.dense()).to(_DTYPES[dtypes.get(name, "float32")])
        if name in masked:
            aliases = [alias for alias, kept_as in model.aliases.items() if kept_as == name]
            masks[f"{MASK_MODULE}.{name}"] = _mask([name, *aliases], tensor.spread(np.ones(tensor.kept, np.uint8)))
    weights |= {alias: weights[name] for alias, name in model.aliases.items()}
    stock = {name: weights[name] for name in layout(model.architecture, len(model.source), len(model.target))}
    extras = {name: torch.from_numpy(array.copy()) for name, array in model.extras.items()}
    return {
        "args": None,
        "cfg": configuration,
        "model": {**extras, **stock, **masks},
        "criterion": None,
        "optimizer_history": [history],
        "task_state": {KEY: digests(model.source, model.target)},
        "extra_state": {"train_iterator": dict(FIRST_EPOCH)},
        "last_optimizer_state": None,
    }


def _mask(names: list[str], kept: npt.NDArray[np.uint8]) -> Tensor:
    if any(name.endswith(".embed_tokens.weight") for name in names):
        kept[PADDING_INDEX] = 1
    return torch.from_numpy(kept)
