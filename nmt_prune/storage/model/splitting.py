"""How a checkpoint's text is split into words and subwords: by the user, its data folder and its configuration."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.subwords import FASTBPE, GPT2, NONE, SENTENCEPIECE, SEPARATOR, SUBWORD_NMT

KINDS = (SENTENCEPIECE, SUBWORD_NMT, FASTBPE, GPT2, NONE)
TOKENIZERS = ("moses", "space", "none")
MODEL_FILE = "sentencepiece.model"
# As fairseq's hub calls the files beside a model.
_MODEL_FILES = (MODEL_FILE, "sentencepiece.bpe.model")
_CODES_FILES = ("bpecodes", "bpe.codes", "code", "codes")
_ENCODER_FILE = "encoder.json"
GPT2_FILES = ("gpt2_encoder_json", "gpt2_vocab_bpe")
SUBWORD_ENTRIES = ("bpe", "bpe_codes", "bpe_separator", *GPT2_FILES)
"""What a model's text says about subwords."""

_MOSES = ("moses_no_escape", "moses_no_dash_splits")


SAME_CODES = {FASTBPE: SUBWORD_NMT}
"""Kinds whose codes are read alike."""


@dataclass(frozen=True)
class Splitting:
    """What the user says about it; what is None is looked up.

    Attributes:
        bpe: kind of subwords, one of ``KINDS``.
        bpe_codes: codes of subword-nmt or fastBPE; of GPT-2 its ``vocab.bpe``, with ``encoder.json`` beside it.
        sentencepiece_model: the SentencePiece model.
        tokenizer: one of ``TOKENIZERS``.
    """

    bpe: str | None = None
    bpe_codes: Path | None = None
    sentencepiece_model: Path | None = None
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        for flag, value, known in (("bpe", self.bpe, KINDS), ("tokenizer", self.tokenizer, TOKENIZERS)):
            if value is not None and value not in known:
                raise PruneError(f"--{flag} {value} is unknown; choose from {', '.join(known)}")
        if self.bpe_codes is not None and self.sentencepiece_model is not None:
            raise PruneError("--bpe-codes and --sentencepiece-model contradict each other; give one of them")
        if self.bpe_codes is not None and self.bpe in (SENTENCEPIECE, NONE):
            raise PruneError(f"--bpe {self.bpe} has no --bpe-codes")
        if self.sentencepiece_model is not None and self.bpe not in (None, SENTENCEPIECE):
            raise PruneError(f"--bpe {self.bpe} has no --sentencepiece-model")

    @property
    def settings(self) -> dict[str, Any]:
        """The same as fairseq configures it; empty without subwords."""
        if self.sentencepiece_model is not None:
            return {"_name": SENTENCEPIECE, "sentencepiece_model": self.sentencepiece_model}
        if self.bpe == GPT2 and self.bpe_codes is not None:
            encoder = self.bpe_codes.with_name(_ENCODER_FILE)
            return {"_name": GPT2, "gpt2_vocab_bpe": self.bpe_codes, "gpt2_encoder_json": encoder}
        if self.bpe_codes is not None:
            return {"_name": self.bpe or SUBWORD_NMT, "bpe_codes": self.bpe_codes}
        return {"_name": self.bpe} if self.bpe is not None else {}

    def absolute(self) -> "Splitting":
        """The same for a process in any folder."""
        files = {name: getattr(self, name) for name in ("bpe_codes", "sentencepiece_model")}
        return replace(self, **{name: path.absolute() for name, path in files.items() if path is not None})


def known_or_given(given: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """What of a model's subwords counts: what the user says, or what is known, where he only names the kind of that.

    Args:
        given: what the user says, as fairseq configures it; empty: nothing.
        known: what the model was trained with.

    Returns:
        The settings, and whether the user has named their files.
    """
    kinds = {SAME_CODES.get(str(settings.get("_name")), settings.get("_name")) for settings in (given, known)}
    if not given:
        return known, False
    if len(kinds) > 1:
        return given, True
    if given.keys() == {"_name"}:
        return known, False
    separator = {"bpe_separator": known["bpe_separator"]} if known.get("bpe_separator") else {}
    return {**separator, **given}, True


AS_FOUND = Splitting()
"""Nothing said: all of it is looked up."""


def read_subwords(
    settings: Mapping[str, Any], folders: Iterable[Path], given: bool
) -> tuple[dict[str, Any], bytes | None]:
    """Reads what a kind of subwords needs.

    Args:
        settings: as fairseq configures them, ``_name`` the kind.
        folders: where a file may have gone that is not where it was.
        given: whether the user has named the files, so that one that is missing is an error.

    Returns:
        Entries of ``CompactModel.text``, and the SentencePiece model; a file that is not found is left out.

    Raises:
        PruneError: a file cannot be read.
    """
    kind, folders = settings.get("_name"), list(folders)

    def find(key: str, *names: str) -> Path | None:
        configured = Path(str(settings.get(key) or ""))
        beside = [folder / name for folder in folders for name in (configured.name, *names) if name]
        candidates = [configured] if given and settings.get(key) else [configured, *beside]
        found = next((path for path in candidates if path.is_file()), None)
        if found is None and given and settings.get(key):
            raise PruneError(f"{configured} does not exist; give the file of the subwords")
        return found

    if kind == SENTENCEPIECE:
        model = find("sentencepiece_model", *_MODEL_FILES)
        return {"bpe": kind}, None if model is None else _bytes(model)
    if kind in (SUBWORD_NMT, FASTBPE):
        codes = find("bpe_codes", *_CODES_FILES)
        found = {"bpe": kind, "bpe_separator": settings.get("bpe_separator") or SEPARATOR}
        return (found if codes is None else {**found, "bpe_codes": subword_nmt_codes(_text(codes), codes)}), None
    if kind == GPT2:
        files = {key: find(key, Path(key.replace("gpt2_", "").replace("_", ".")).name) for key in GPT2_FILES}
        read = {key: _text(path) for key, path in files.items() if path is not None}
        return {"bpe": kind, **(read if len(read) == len(files) else {})}, None
    return {"bpe": kind}, None


def subword_nmt_codes(content: str, path: Path) -> str:
    """Codes of subword-nmt or fastBPE, as subword-nmt reads them.

    fastBPE counts each merge in a third column, and marks a word's end as subword-nmt does from version 0.2 on.

    Raises:
        PruneError: the file holds no codes.
    """
    lines = [line.rstrip("\r ") for line in content.split("\n")]
    lines = [line for line in lines if line]
    header = lines[:1] if lines and lines[0].startswith("#version:") else []
    merges = [line.split(" ") for line in lines[len(header) :]]
    if merges and not header and all(len(merge) == 3 and merge[2].isdigit() for merge in merges):
        return "#version: 0.2\n" + "".join(f"{first} {second}\n" for first, second, _ in merges)
    if not merges or not all(len(merge) == 2 for merge in merges):
        raise PruneError(f"{path} holds no codes of subword-nmt or fastBPE: two subwords a line, or two and a count")
    return content


def resplit(model: CompactModel, given: Splitting) -> CompactModel:
    """A model with what the user says about the splitting of its text.

    Raises:
        PruneError: a file cannot be read.
    """
    if given == AS_FOUND:
        return model
    text, pieces = dict(model.text), model.sentencepiece
    settings, names_files = known_or_given(
        given.settings, {"_name": text.get("bpe"), "bpe_separator": text.get("bpe_separator")}
    )
    if names_files:
        for key in SUBWORD_ENTRIES:
            text.pop(key, None)
        found, pieces = read_subwords(settings, (), True)
        text |= found
    if given.tokenizer is not None:
        text["tokenizer"] = given.tokenizer
    return replace(model, text=text, sentencepiece=pieces)


def tokenization(tokenizer: Mapping[str, Any], task: Mapping[str, Any], given: str | None) -> dict[str, Any]:
    """How lines are split into words: as the user or ``--tokenizer`` says, else as BLEU was detokenized in training.

    Args:
        tokenizer: fairseq's settings of it.
        task: those of the task.
        given: what the user says.
    """
    name = given or tokenizer.get("_name")
    settings = dict(tokenizer)
    if name is None and task.get("eval_bleu") and task.get("eval_bleu_detok") == "moses":
        name = "moses"
        settings |= _json(task.get("eval_bleu_detok_args"))
    flags = {flag: bool(settings[flag]) for flag in _MOSES if flag in settings} if name == "moses" else {}
    return {"tokenizer": name, **flags}


def _json(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(str(text or "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PruneError(f"{path}, which the subwords need, cannot be read: {error}") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PruneError(f"{path}, the SentencePiece model, cannot be read: {error.strerror}") from None
