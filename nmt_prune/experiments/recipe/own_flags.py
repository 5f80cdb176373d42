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
    from nmt_prune.measuring.own_flags import own_flags  # imports fairseq, which takes seconds

    own = own_flags(Checkpoint.load(Path(values["dense"]["checkpoint"])))
    training = {str(key).lstrip("-").replace("-", "_"): value for key, value in (values.get("training") or {}).items()}
    return {"model": own.model, "precision": own.precision, **values, "training": {**own.training, **training}}
