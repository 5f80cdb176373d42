"""What a recipe leaves to the dense checkpoint that it names: model, optimizer, batch and learning rate."""

from pathlib import Path
from typing import Any

from nmt_prune.checkpoints import Checkpoint


def with_own_flags(values: dict[str, Any]) -> dict[str, Any]:
    """Fills in what a recipe with ``dense.checkpoint`` does not say.

    Args:
        values: the recipe as it was written.

    Raises:
        PruneError: the checkpoint cannot be read, or says too little.
    """
    from nmt_prune.measuring.own_flags import CHOICES, own_flags  # imports fairseq, which takes seconds

    said = {section: _named(values.get(section)) for section in ("model", "training")}
    others = {choice: said["training"][choice] for choice in CHOICES if choice in said["training"]}
    own = own_flags(Checkpoint.load(Path(values["dense"]["checkpoint"])), others)
    says_batch = said["training"].keys() & {"update_freq", "distributed_world_size"}
    training = own.training if says_batch else own.in_one_process
    filled = {"model": {**own.model, **said["model"]}, "training": {**training, **said["training"]}}
    # What is no mapping is refused with the rest of the recipe.
    wrong = {section: values[section] for section in filled if not isinstance(values.get(section, {}), dict | None)}
    return {"precision": own.precision, **values, **filled, **wrong}


def _named(flags: Any) -> dict[str, Any]:
    """The flags of a section by their names."""
    given = flags if isinstance(flags, dict) else {}
    return {str(key).lstrip("-").replace("-", "_"): value for key, value in given.items()}
