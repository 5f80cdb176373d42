"""A model for CTranslate2: a folder that its Translator loads, with what it takes to translate text."""

import json
from pathlib import Path
from typing import Any

from nmt_prune import __version__
from nmt_prune.errors import PruneError
from nmt_prune.export.few_levels import quantize
from nmt_prune.export.transformer_spec import transformer_spec
from nmt_prune.files import atomic_path
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.splitting_checks import missing_part
from nmt_prune.storage.model.vocabulary_map import write_map
from nmt_prune.text.normalisation import PUNCTUATION
from nmt_prune.text.subwords import FASTBPE, GPT2, SUBWORD_NMT

QUANTIZATIONS = ("float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16")
"""Types of stored weights, as CTranslate2 calls them."""

MANIFEST = "manifest.json"
SUBWORDS = "sentencepiece.model"
VOCABULARY_MAP = "vmap.txt"
_FORMAT = "ctranslate2"


def export_ctranslate2(model: CompactModel, out: Path, quantization: str = "int8") -> None:
    """Writes a folder for ``ctranslate2.Translator``: weights, vocabularies, SentencePiece model and a README.

    Zeros are stored and computed like any weight; only heads, feed-forward units and sublayers that are gone make the
    model smaller and faster.

    Args:
        model: the model.
        out: the folder to make; an earlier export there is replaced.
        quantization: type of the weights, one of ``QUANTIZATIONS``.

    Raises:
        PruneError: CTranslate2 is not installed or cannot express the model, or ``out`` holds something else.
    """
    if quantization not in QUANTIZATIONS:
        raise PruneError(f"--quantization {quantization}: choose one of {', '.join(QUANTIZATIONS)}")
    out = out.absolute()
    _check_replaceable(out)
    spec = transformer_spec(model)
    try:
        spec.validate()
    except ValueError as error:
        raise PruneError(f"CTranslate2 refuses the model: {' '.join(str(error).split())}") from None
    quantize(spec, quantization)
    with atomic_path(out) as folder:
        folder.mkdir()
        spec.save(str(folder))
        if model.sentencepiece is not None:
            (folder / SUBWORDS).write_bytes(model.sentencepiece)
        if model.shortlist is not None:
            write_map(model.shortlist, model.source, model.target, folder / VOCABULARY_MAP)
        (folder / "README.txt").write_text(_usage(model, out.name, quantization), encoding="utf-8")
        manifest = json.dumps(_manifest(model, quantization), indent=2, ensure_ascii=False, default=str)
        (folder / MANIFEST).write_text(manifest + "\n", encoding="utf-8")


def _check_replaceable(out: Path) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        is_ours = isinstance(manifest, dict) and manifest.get("format") == _FORMAT
    except (OSError, ValueError):
        is_ours = False
    if not is_ours:
        raise PruneError(f"{out} exists and is not an export for CTranslate2; choose another --out or remove it")


def _manifest(model: CompactModel, quantization: str) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "quantization": quantization,
        "nmt_prune": __version__,
        "text": dict(model.text),
        "provenance": dict(model.provenance),
    }


def _usage(model: CompactModel, folder: str, quantization: str) -> str:
    source, target = (model.text.get(f"{side}_lang") for side in ("source", "target"))
    steps = _steps(model, source)
    direction = f" from {source} to {target}" if source and target else ""
    lines = [
        f"A translation model{direction} for CTranslate2 (pip install ctranslate2), weights in {quantization}.",
        *steps,
        "",
        "import ctranslate2",
        "",
        f'translator = ctranslate2.Translator("{folder}", device="cpu")',
    ]
    if model.sentencepiece is not None:
        place = lines.index("import ctranslate2") + 1
        lines[place:place] = ["import sentencepiece"]
        lines += [
            f'subwords = sentencepiece.SentencePieceProcessor(model_file="{folder}/{SUBWORDS}")',
            'tokens = subwords.encode("A sentence.", out_type=str)',
            "result = translator.translate_batch([tokens], beam_size=5)[0]",
            "print(subwords.decode(result.hypotheses[0]))",
        ]
    else:
        lines += [
            'tokens = "a sentence in the subwords that the model was trained on".split()',
            "result = translator.translate_batch([tokens], beam_size=5)[0]",
            'print(" ".join(result.hypotheses[0]))',
        ]
    if model.shortlist is not None:
        lines += ["", "# Faster, with the words of its shortlist alone: translate_batch([tokens], use_vmap=True)."]
    return "\n".join(lines) + "\n"


def _steps(model: CompactModel, source: Any) -> list[str]:
    """What a line has to go through before it becomes subwords, as in the model's training."""
    text, steps = model.text, []
    if text.get("normalisation") == PUNCTUATION:
        steps.append(
            "Normalise each line first, as its training text was:"
            f" nmt_prune.text.normalisation.normalise(line, {source!r})"
            " (NFC, no control characters, Moses' normalize-punctuation)."
        )
    if text.get("tokenizer") == "moses":
        steps.append(f"Split lines into words with Moses' tokenizer for {source!r}, and detokenize translations.")
    if (kind := text.get("bpe")) in (SUBWORD_NMT, FASTBPE, GPT2):
        stored = f"; what it takes is in {MANIFEST}" if not missing_part(text, False) else ", which are not in here"
        steps.append(f"Split words into subwords by {kind}{stored}.")
    return ["", *steps] if steps else []
