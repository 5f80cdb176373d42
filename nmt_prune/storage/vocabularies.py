"""What turns lines into rows of the embeddings: dictionaries and a subword model, from a data folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.dictionaries import languages, read_symbols
from nmt_prune.errors import PruneError

SENTENCEPIECE = "sentencepiece.model"
_MOSES = ("moses_no_escape", "moses_no_dash_splits")


class Vocabularies(NamedTuple):
    """See the attributes of the same names of :class:`nmt_prune.storage.model.CompactModel`."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    text: dict[str, Any]
    sentencepiece: bytes | None


def read_vocabularies(checkpoint: Checkpoint, data: Path | None) -> Vocabularies:
    """Reads the dictionaries of a model and how its text was split.

    A SentencePiece model in the data folder, where ``nmt-prune data`` puts it, tells how; otherwise what fairseq-train
    was told with ``--bpe`` and ``--tokenizer``.

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
    splitting = {"bpe": "sentencepiece"} if subwords.is_file() else _subwords(_group(checkpoint, "bpe"))
    return Vocabularies(
        tuple(read_symbols(folder / f"dict.{source}.txt")),
        tuple(read_symbols(folder / f"dict.{target}.txt")),
        {
            "source_lang": source,
            "target_lang": target,
            **splitting,
            **_tokenization(_group(checkpoint, "tokenizer")),
        },
        subwords.read_bytes() if subwords.is_file() else None,
    )


def _subwords(settings: dict[str, Any]) -> dict[str, Any]:
    codes = Path(str(settings.get("bpe_codes") or ""))
    if settings.get("_name") != "subword_nmt" or not codes.is_file():
        return {"bpe": settings.get("_name")}
    try:
        content = codes.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PruneError(f"{codes}, the codes of --bpe subword_nmt, cannot be read: {error}") from None
    return {"bpe": "subword_nmt", "bpe_codes": content, "bpe_separator": settings.get("bpe_separator") or "@@"}


def _tokenization(settings: dict[str, Any]) -> dict[str, Any]:
    flags = {name: bool(settings[name]) for name in _MOSES if name in settings}
    return {"tokenizer": settings.get("_name"), **(flags if settings.get("_name") == "moses" else {})}


def _group(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """One group of the configuration; its ``_name`` says which of the known ones it configures."""
    args = checkpoint.state.get("args")
    group = args if args is not None else (checkpoint.state.get("cfg") or {}).get(name)
    if isinstance(group, str):
        return {"_name": group}
    found = dict(group) if isinstance(group, Mapping) else dict(vars(group)) if hasattr(group, "__dict__") else {}
    # Before 2021 there was one flat namespace, in which --bpe has its own name.
    return found if args is None else {**found, "_name": found.get(name)}
