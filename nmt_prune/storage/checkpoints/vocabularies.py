"""What turns lines into rows of the embeddings: dictionaries, normalisation, words and subwords."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.data_digests import MANIFEST
from nmt_prune.errors import PruneError
from nmt_prune.files import read_json
from nmt_prune.storage.model.splitting import (
    AS_FOUND,
    KINDS,
    MODEL_FILE,
    SAME_CODES,
    Splitting,
    known_or_given,
    read_subwords,
    tokenization,
)
from nmt_prune.storage.model.splitting_checks import check_pieces, missing_part
from nmt_prune.text.dictionaries import languages, read_symbols
from nmt_prune.text.normalisation import PUNCTUATION
from nmt_prune.text.subwords import (
    FASTBPE,
    GPT2,
    NONE,
    SENTENCEPIECE,
    SEPARATOR,
    SUBWORD_NMT,
    are_numbers,
    joining_kind,
    kind_of,
)


class Vocabularies(NamedTuple):
    """See the attributes of the same names of :class:`nmt_prune.storage.model.compact_model.CompactModel`."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    text: dict[str, Any]
    sentencepiece: bytes | None


def read_vocabularies(checkpoint: Checkpoint, data: Path | None, given: Splitting = AS_FOUND) -> Vocabularies:
    """Reads the dictionaries of a model and how its text was made to look and split.

    The user decides on the splitting; then a SentencePiece model in the data folder, where ``nmt-prune data`` puts it;
    then what fairseq-train was told with ``--bpe`` and ``--tokenizer``; then the marks on the dictionary's subwords.
    Files are looked for where the configuration has them, in the data folder and beside the checkpoint.

    Args:
        checkpoint: the model.
        data: folder of fairseq-preprocess; None: the one that the model was trained on.
        given: what the user says about the splitting.

    Raises:
        PruneError: there is no such folder, no dictionaries in it, or the splitting is not that of the dictionary.

    Warns:
        RuntimeWarning: raw text cannot be translated as the model's was, since a part is missing.
    """
    task = group(checkpoint, "task")
    folder = data or Path(str(task.get("data") or "").split(":")[0])
    if not folder.is_dir() or folder == Path():
        raise PruneError(
            f"{checkpoint.path}: its data folder {str(folder)!r} does not exist; name the one with its dictionaries"
            " with --data"
        )
    sides = (task.get("source_lang"), task.get("target_lang"))
    source, target = sides if all(sides) else languages(folder)
    paths = [folder / f"dict.{language}.txt" for language in (source, target)]
    dictionaries = [tuple(read_symbols(path)) for path in paths]
    kind = _kind(dictionaries[0], paths[0])
    settings, names_files = known_or_given(given.settings, _configured(checkpoint, folder, kind))
    if settings.get("_name") is None and kind != NONE:
        settings = {"_name": kind}
    _check_kind(settings.get("_name"), kind, f"{checkpoint.path}: {paths[0]}")
    text, model = read_subwords(settings, (folder, checkpoint.path.parent), names_files)
    check_pieces(text, model, dictionaries[0], f"{checkpoint.path}: the dictionary {paths[0]}")
    return Vocabularies(
        dictionaries[0],
        dictionaries[1],
        {
            "source_lang": source,
            "target_lang": target,
            **text,
            **tokenization(group(checkpoint, "tokenizer"), task, given.tokenizer),
            **_normalisation(folder),
        },
        model,
    )


def read_joining(
    checkpoint: Checkpoint, symbols: Sequence[str], path: Path, asked: str | None, given: Splitting = AS_FOUND
) -> tuple[dict[str, Any], str]:
    """How a model's hypotheses become text: by the marks on its subwords, and as its text was split into words.

    Args:
        checkpoint: the model.
        symbols: the target dictionary.
        path: its file.
        asked: a value of fairseq's ``--remove-bpe``; None: as the dictionary says.
        given: what the user says about the splitting.

    Returns:
        What ``nmt_prune.runtime.joining.joiner`` takes.

    Raises:
        PruneError: they contradict each other, or nobody says.
    """
    task = group(checkpoint, "task")
    settings, names_files = known_or_given(given.settings, group(checkpoint, "bpe"))
    text = {
        "target_lang": path.name.removeprefix("dict.").removesuffix(".txt"),
        "bpe_separator": settings.get("bpe_separator") or SEPARATOR,
        **tokenization(group(checkpoint, "tokenizer"), task, given.tokenizer),
    }
    if asked is None and settings.get("_name") == GPT2 and are_numbers(symbols):
        found, _ = read_subwords(settings, (path.parent, checkpoint.path.parent), names_files)
        if missing := missing_part(found, False):
            raise PruneError(f"{checkpoint.path}: {missing}")
        return {**text, **found}, NONE
    if asked is None and settings.get("_name") not in (*KINDS, None, "", "hf_byte_bpe"):  # the last are GPT-2's
        name = settings["_name"]
        raise PruneError(
            f"{checkpoint.path}: its subwords are by {name}, which only fairseq joins: give what fairseq-generate needs"
            f" for it behind --, e.g. -- --bpe {name}, or say how to join with --remove-bpe (none: not at all)"
        )
    kind = joining_kind(asked, symbols, str(path))
    has_own_separator = kind == NONE and asked is None and settings.get("_name") in (SUBWORD_NMT, FASTBPE)
    return text, settings["_name"] if has_own_separator else kind


def _configured(checkpoint: Checkpoint, folder: Path, kind: str) -> dict[str, Any]:
    if (folder / MODEL_FILE).is_file() and kind in (SENTENCEPIECE, NONE):
        return {"_name": SENTENCEPIECE, "sentencepiece_model": folder / MODEL_FILE}
    return group(checkpoint, "bpe")


def _kind(dictionary: tuple[str, ...], path: Path) -> str:
    try:
        return kind_of(dictionary, str(path))
    except PruneError as error:
        warnings.warn(f"{error}; if it is subwords, name them with --bpe", RuntimeWarning, stacklevel=3)
        return NONE


def _check_kind(name: Any, kind: str, dictionary: str) -> None:
    if kind != NONE and name in (*KINDS, None) and name != NONE and SAME_CODES.get(name, name) != kind:
        raise PruneError(f"{dictionary} has subwords of the kind {kind}, not {name}; name theirs with --bpe {kind}")


def is_cleaned(folder: Path) -> bool:
    """Whether the text of a data folder was cleaned, and so normalised, as its manifest says."""
    path = folder / MANIFEST
    manifest = read_json(path) if path.is_file() else None
    settings = manifest.get("settings") if isinstance(manifest, Mapping) else None
    return isinstance(settings, Mapping) and bool(settings.get("clean"))


def _normalisation(folder: Path) -> dict[str, Any]:
    return {"normalisation": PUNCTUATION} if is_cleaned(folder) else {}


def group(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """One group of the configuration; its ``_name`` says which of the known ones it configures."""
    args = checkpoint.state.get("args")
    group = args if args is not None else (checkpoint.state.get("cfg") or {}).get(name)
    if isinstance(group, str):
        return {"_name": group}
    found = dict(group) if isinstance(group, Mapping) else dict(vars(group)) if hasattr(group, "__dict__") else {}
    # Before 2021 there was one flat namespace, in which --bpe has its own name.
    return found if args is None else {**found, "_name": found.get(name)}
