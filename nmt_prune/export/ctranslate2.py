"""A model for CTranslate2: a folder that its Translator loads, with what it takes to translate text."""

from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.export.few_levels import quantize
from nmt_prune.export.folder import check_replaceable, direction, steps, write_manifest
from nmt_prune.export.transformer_spec import transformer_spec
from nmt_prune.files import atomic_path
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.storage.model.vocabulary_map import write_map

QUANTIZATIONS = ("float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16")
"""Types of stored weights, as CTranslate2 calls them."""

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
    check_replaceable(out, _FORMAT, "CTranslate2")
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
        write_manifest(folder, model, _FORMAT, quantization=quantization)


def _usage(model: CompactModel, folder: str, quantization: str) -> str:
    lines = [
        f"A translation model{direction(model)} for CTranslate2 (pip install ctranslate2), weights in {quantization}.",
        *steps(model),
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
