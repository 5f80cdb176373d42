"""A model from a file: a compact one, or a checkpoint of fairseq's."""

from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.storage.model import CompactModel

_CHECKPOINT_STARTS = (b"PK\x03\x04", b"\x80")
"""Of the files that torch writes: zip archives, and pickles before 2020."""


def load_model(path: Path | str, data: Path | None = None, values: str | None = None) -> CompactModel:
    """Reads a model; torch is only needed for a checkpoint.

    Args:
        path: what ``nmt-prune pack`` wrote, or a checkpoint of a fairseq Transformer.
        data: of a checkpoint: the folder with its dictionaries; None: the one that it was trained on.
        values: of a checkpoint: type of the weights, as ``nmt-prune pack`` calls it; None: as they are.

    Raises:
        PruneError: there is no such file, it is of another kind, or ``data`` or ``values`` is given for a compact one.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise PruneError(f"model {path} cannot be read: {error.strerror}") from None
    # A safetensors file begins with a length of eight bytes, which could be any, and a JSON object.
    is_compact = start.endswith(b"{") and len(start) == 9
    if not is_compact and not start.startswith(_CHECKPOINT_STARTS):
        raise PruneError(f"{path} is neither a compact model nor a checkpoint; make one with nmt-prune pack")
    if not is_compact:
        from nmt_prune.checkpoints import Checkpoint
        from nmt_prune.storage.from_checkpoint import compact_model

        return compact_model(Checkpoint.load(path), data, values or "float32")
    for name, value in (("data", data), ("values", values)):
        if value is not None:
            raise PruneError(f"--{name} is only for checkpoints; {path} already holds its own")
    from nmt_prune.storage.compact_file import load_compact

    return load_compact(path)
