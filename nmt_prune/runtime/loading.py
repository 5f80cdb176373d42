"""A model from a file: a compact one, or a checkpoint of fairseq's."""

from dataclasses import replace
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.kinds import kind_of
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.splitting import AS_FOUND, Splitting, resplit

_CHECKPOINT_STARTS = (b"PK\x03\x04", b"\x80")
"""Of the files that torch writes: zip archives, and pickles before 2020."""


def load_model(
    path: Path | str,
    data: Path | None = None,
    values: str | None = None,
    shrunk: bool = False,
    splitting: Splitting = AS_FOUND,
) -> CompactModel:
    """Reads a model; torch is only needed for a checkpoint.

    Args:
        path: what ``nmt-prune pack`` wrote, or a checkpoint of a fairseq Transformer.
        data: of a checkpoint: the folder with its dictionaries; None: the one that it was trained on.
        values: type to which weights are converted, as ``nmt-prune pack`` calls it; None: none.
        shrunk: of a checkpoint: take out the heads and units that its masks have emptied, where that is possible.
        splitting: what is known about the splitting of its text; the rest is looked up, or as it was packed.

    Raises:
        PruneError: there is no such file, it is of another kind, it is a compact one with ``data``, or its weights do
            not fit ``values``.
    """
    path = Path(path)
    if not is_compact(path):
        from nmt_prune.checkpoints import Checkpoint
        from nmt_prune.shrinking.checkpoint import shrunk_state
        from nmt_prune.storage.checkpoints.from_checkpoint import compact_model

        checkpoint = Checkpoint.load(path)
        if shrunk and (state := shrunk_state(checkpoint)) is not None:
            checkpoint = Checkpoint(path, state)
        return compact_model(checkpoint, data, values or "float32", splitting)
    if data is not None:
        raise PruneError(f"--data {data} is only for checkpoints; {path} holds its own dictionaries")
    from nmt_prune.storage.format.compact_file import load_compact

    return _converted(path, resplit(load_compact(path), splitting), values)


def is_compact(path: Path) -> bool:
    """Whether a model is a compact one, and not a checkpoint.

    Raises:
        PruneError: there is no such file, or it is neither.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except IsADirectoryError:
        raise PruneError(f"{path} is a folder; give a file: a compact model (*.nmt) or a checkpoint (*.pt)") from None
    except OSError as error:
        raise PruneError(f"model {path} cannot be read: {error.strerror}") from None
    # A safetensors file begins with a length of eight bytes, which could be any, and a JSON object.
    if start.endswith(b"{") and len(start) == 9:
        return True
    if not start.startswith(_CHECKPOINT_STARTS):
        kind = kind_of(path) or "of an unknown kind"
        raise PruneError(f"{path} is {kind}, neither a compact model nor a checkpoint; make one with nmt-prune pack")
    return False


def _converted(path: Path, model: CompactModel, values: str | None) -> CompactModel:
    if values is None:
        return model
    from nmt_prune.storage.format.encoded_tensor import decoded
    from nmt_prune.storage.model.precision import check_values, converted

    check_values(values)
    weights = {
        name: converted(f"{path}: {name}", decoded(weight), values) if len(weight.shape) == 2 else weight
        for name, weight in model.weights.items()
    }
    return replace(model, weights=weights)
