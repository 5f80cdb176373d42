"""What the folders of all exports have in common: when one may be replaced, its manifest, what text goes through."""

import json
from pathlib import Path
from typing import Any

from nmt_prune import __version__
from nmt_prune.errors import PruneError
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.splitting_checks import missing_part
from nmt_prune.text.normalisation import PUNCTUATION
from nmt_prune.text.subwords import FASTBPE, GPT2, SUBWORD_NMT

MANIFEST = "manifest.json"


def check_replaceable(out: Path, kind: str, program: str) -> None:
    """Lets nothing be written over but an earlier export for the same program.

    Raises:
        PruneError: something else is there.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        is_ours = isinstance(manifest, dict) and manifest.get("format") == kind
    except (OSError, ValueError):
        is_ours = False
    if not is_ours:
        raise PruneError(f"{out} exists and is not an export for {program}; choose another --out or remove it")


def write_manifest(folder: Path, model: CompactModel, kind: str, **facts: Any) -> None:
    """Writes where the model comes from and how lines become subwords.

    Args:
        folder: the export.
        model: what is exported.
        kind: short name of the program that it is for.
        facts: what there is to know beside that.
    """
    manifest = {
        **{"format": kind, **facts, "nmt_prune": __version__},
        **{"text": dict(model.text), "provenance": dict(model.provenance)},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def direction(model: CompactModel) -> str:
    """From which language to which, if that is known."""
    source, target = (model.text.get(f"{side}_lang") for side in ("source", "target"))
    return f" from {source} to {target}" if source and target else ""


def steps(model: CompactModel) -> list[str]:
    """What a line has to go through before it becomes subwords, as in the model's training."""
    text, found, source = model.text, [], model.text.get("source_lang")
    if text.get("normalisation") == PUNCTUATION:
        found.append(
            "Normalise each line first, as its training text was:"
            f" nmt_prune.text.normalisation.normalise(line, {source!r})"
            " (NFC, no control characters, Moses' normalize-punctuation)."
        )
    if text.get("tokenizer") == "moses":
        found.append(f"Split lines into words with Moses' tokenizer for {source!r}, and detokenize translations.")
    if (kind := text.get("bpe")) in (SUBWORD_NMT, FASTBPE, GPT2):
        stored = f"; what it takes is in {MANIFEST}" if not missing_part(text, False) else ", which are not in here"
        found.append(f"Split words into subwords by {kind}{stored}.")
    return ["", *found] if found else []
