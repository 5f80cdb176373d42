"""A model outside of fairseq: packed for the CPU runtime, and exported to CTranslate2."""

from collections.abc import Callable, Collection, Sequence
from importlib.util import find_spec
from pathlib import Path

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.costs.search_settings import search_options
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.text import read_lines
from nmt_prune.evaluation.quality.translation import Decoding
from nmt_prune.evaluation.records.costs import DiskBytes, ExportBleu, Exports
from nmt_prune.files import temporary_folder
from nmt_prune.profiling.csc import csc_bytes, deflated_csc_bytes
from nmt_prune.pruning.quantization import FULL
from nmt_prune.pruning.quantization.quantized import Facts
from nmt_prune.runtime.segmentation import Segmentation
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.format.compact_file import save_compact, tensor_bytes
from nmt_prune.storage.format.encoded_tensor import decoded
from nmt_prune.storage.model.compact_model import CompactModel

Translate = Callable[[Sequence[str]], list[str]]


def measure_exports(
    checkpoint: Checkpoint, subset: Subset, decoding: Decoding, left_out: Collection[int] = ()
) -> Exports:
    """Packs a model and exports it, and translates with both.

    Args:
        checkpoint: the model, without the heads and units that can be taken out.
        subset: what to translate, from raw text as a user would.
        decoding: how.
        left_out: lines, from 1 on, that are too long for the model: no program is asked for them.

    Returns:
        What could be measured, and why the rest could not.
    """
    with temporary_folder() as folder:
        try:
            model, model_int8 = (
                compact_model(checkpoint, subset.data, values, decoding.splitting) for values in ("float32", "int8")
            )
            disk = _pack(model, model_int8, folder)
        except PruneError as error:
            return Exports(notes=(f"not packed: {_reason(error, checkpoint.path)}",))
        bleu, notes = _scores(model, folder, subset, decoding, left_out)
    return Exports(disk, bleu, (*notes_on(checkpoint), *notes))


def notes_on(checkpoint: Checkpoint) -> tuple[str, ...]:
    """What is other than in fairseq."""
    facts = Facts.of(checkpoint.state["model"])
    if facts is None:
        return ()
    notes = ["the compiled engine may round to 8 bits what quantized weights are multiplied with"]
    if facts.activation_bits < FULL:
        notes.append(f"activations are rounded to {facts.activation_bits} bits in fairseq only")
    return tuple(notes)


def _pack(model: CompactModel, model_int8: CompactModel, folder: Path) -> DiskBytes:
    tensors = [decoded(weight) for weight in model.weights.values()]
    save_compact(model, folder / "packed.nmt")
    save_compact(model_int8, folder / "packed_int8.nmt")
    return DiskBytes(
        sum(map(csc_bytes, tensors)),
        sum(map(deflated_csc_bytes, tensors)),
        tensor_bytes(folder / "packed.nmt"),
        tensor_bytes(folder / "packed_int8.nmt"),
    )


def _scores(
    model: CompactModel, folder: Path, subset: Subset, decoding: Decoding, left_out: Collection[int]
) -> tuple[ExportBleu, tuple[str, ...]]:
    """BLEU by program, and why there is none."""
    try:
        options, source = search_options(decoding), read_lines(subset.data / "raw" / f"{subset.name}.{subset.source}")
    except PruneError as error:
        return ExportBleu(), (f"no BLEU but fairseq's: {error}",)
    programs: dict[str, Callable[[], Translate]] = {
        "packed": lambda: _packed(folder / "packed.nmt", options),
        "packed_int8": lambda: _packed(folder / "packed_int8.nmt", options),
        "ctranslate2_int8": lambda: _ctranslate2(model, folder / "ctranslate2", options),
    }
    found: dict[str, float] = {}
    notes: dict[str, None] = {}
    for name, program in programs.items():
        try:
            found[name] = subset.score(_without(left_out, program(), source)).bleu
        except PruneError as error:
            notes[str(error)] = None
    return ExportBleu(**found), tuple(notes)


def _without(left_out: Collection[int], translate: Translate, source: Sequence[str]) -> list[str]:
    """Translations, empty for the lines that are left out."""
    translated = iter(translate([line for number, line in enumerate(source, start=1) if number not in left_out]))
    return ["" if number in left_out else next(translated) for number in range(1, len(source) + 1)]


def _packed(path: Path, options: SearchOptions) -> Translate:
    translator = Translator(path, "compiled")
    return lambda lines: [(result.lines or [""])[0] for result in translator.translate_lines(lines, options)]


def _ctranslate2(model: CompactModel, folder: Path, options: SearchOptions) -> Translate:
    translate = ctranslate2_search(model, folder, options)
    segmentation = Segmentation(model)
    return lambda lines: [segmentation.join(found) for found in translate([segmentation.split(line) for line in lines])]


def ctranslate2_search(
    model: CompactModel, folder: Path, options: SearchOptions
) -> Callable[[Sequence[Sequence[str]]], list[list[str]]]:
    """Exports a model to CTranslate2 in int8 and loads it there, for one thread.

    Args:
        model: the model.
        folder: where to put it.
        options: what to search for; CTranslate2 has no penalty for unknown words.

    Returns:
        From subwords of sentences to those of their translations.

    Raises:
        PruneError: CTranslate2 is not installed, or cannot express the model.
    """
    if find_spec("ctranslate2") is None:
        raise PruneError("CTranslate2 is not installed (pip install 'nmt-prune[export]')")
    import ctranslate2

    from nmt_prune.export.ctranslate2 import export_ctranslate2

    export_ctranslate2(model, folder, "int8")
    translator = ctranslate2.Translator(
        str(folder), device="cpu", compute_type="int8", inter_threads=1, intra_threads=1
    )
    longest = model.architecture.decoder.max_positions - 1

    def translate(sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        length = max(map(len, sentences), default=0) + 1
        results = translator.translate_batch(
            [list(sentence) for sentence in sentences],
            max_batch_size=32,
            beam_size=options.beam,
            length_penalty=options.lenpen if options.normalize_scores else 0,
            max_decoding_length=min(int(options.max_len_a * length + options.max_len_b), longest),
            min_decoding_length=options.min_len,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
        )
        return [result.hypotheses[0] for result in results]

    return translate


def _reason(error: PruneError, checkpoint: Path) -> str:
    return str(error).removeprefix(f"{checkpoint}: ").removeprefix(f"{checkpoint} ")
