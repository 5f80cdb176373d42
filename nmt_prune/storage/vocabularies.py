"""What turns lines into rows of the embeddings: dictionaries and a subword model, from a data folder."""

from pathlib import Path
from typing import Any, NamedTuple

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.dictionaries import languages, read_symbols
from nmt_prune.errors import PruneError

SENTENCEPIECE = "sentencepiece.model"


class Vocabularies(NamedTuple):
    """See the attributes of the same names of :class:`nmt_prune.storage.model.CompactModel`."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    text: dict[str, Any]
    sentencepiece: bytes | None


def read_vocabularies(checkpoint: Checkpoint, data: Path | None) -> Vocabularies:
    """Reads the dictionaries of a model and how its text was split.

    Args:
        checkpoint: the model.
        data: folder of fairseq-preprocess; None: the one that the model was trained on.

    Raises:
        PruneError: there is no such folder, or no dictionaries in it.
    """
    task = _group(checkpoint, "task")
    folder = data or Path(str(task.get("data") or "").split(":")[0])
    if not folder.is_dir() or folder == Path():
        raise PruneError(
            f"{checkpoint.path}: its data folder {str(folder)!r} does not exist; name the one with its dictionaries"
            " with --data"
        )
    sides = (task.get("source_lang"), task.get("target_lang"))
    source, target = sides if all(sides) else languages(folder)
    subwords = folder / SENTENCEPIECE
    bpe = "sentencepiece" if subwords.is_file() else _name(_group(checkpoint, "bpe"))
    return Vocabularies(
        tuple(read_symbols(folder / f"dict.{source}.txt")),
        tuple(read_symbols(folder / f"dict.{target}.txt")),
        {
            "source_lang": source,
            "target_lang": target,
            "bpe": bpe,
            "tokenizer": _name(_group(checkpoint, "tokenizer")),
        },
        subwords.read_bytes() if subwords.is_file() else None,
    )


def _group(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    args = checkpoint.state.get("args")
    group = args if args is not None else (checkpoint.state.get("cfg") or {}).get(name)
    if isinstance(group, str):
        return {"_name": group}
    found = dict(group) if isinstance(group, dict) else dict(vars(group)) if hasattr(group, "__dict__") else {}
    # A flat namespace has the name of the tokenizer where a configuration has a group.
    return found if args is None or name == "task" else {"_name": found.get(name)}


def _name(group: dict[str, Any]) -> str | None:
    name = group.get("_name")
    return str(name) if name else None
