"""Speed of packed models beside that of the dense model in fairseq, in CTranslate2 and in our own engine.

``python -m nmt_prune.measuring.translation_speed`` takes the flags of fairseq-generate with ``--path
DENSE:RUN:RUN...`` and prints JSON: what each RUN is in, and its notes. All translate the same batches of token numbers,
in turns; the dense references are loaded once, and their time is taken anew beside every run.

Names of systems: ``packed`` and ``packed_int8`` (the run), ``dense_fairseq``, ``dense_ctranslate2_int8`` and
``dense_int8`` (the dense model in our engine).
"""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from fairseq import options, tasks, utils
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.costs.exports import ctranslate2_search
from nmt_prune.evaluation.costs.search_settings import settings_of
from nmt_prune.files import temporary_folder
from nmt_prune.measuring.generation import Generator, batches
from nmt_prune.measuring.turns import in_turns
from nmt_prune.runtime.loading import load_model
from nmt_prune.runtime.settings.search_limits import fit_beam
from nmt_prune.runtime.settings.search_options import Engine, SearchOptions
from nmt_prune.runtime.torch_engine.engine import TorchEngine
from nmt_prune.storage.model.compact_model import CompactModel
from nmt_prune.text.dictionaries import EOS, PAD

ENOUGH_SECONDS = 1.0
"""Of dense fairseq, for each run: from there on no further batch is translated."""

SHORTEST_TURN = 0.03
"""Seconds; a small model translates a batch in a few milliseconds."""

Batch = dict[str, Any]
System = Callable[[Batch], int]
Systems = dict[str, System]


def compiled_engine() -> tuple[Any, str]:
    """The compiled engine and its instruction set; None where it was not built."""
    try:
        engine = import_module("nmt_prune.runtime.compiled").CompiledEngine
        return engine, f"compiled, {import_module('nmt_prune.runtime._engine').instruction_set()}"
    except ImportError:
        return None, "torch"


def measure(cfg: Any) -> dict[str, Any]:
    """Measures all runs.

    Args:
        cfg: fairseq's configuration for generation; the dense checkpoint's path stands first.

    Returns:
        ``engine``, and ``runs``, one for each path but the first: ``sentences``, ``systems`` and ``notes``.
    """
    task = tasks.setup_task(cfg.task)
    dense, *paths = utils.split_paths(cfg.common_eval.path)
    generator = Generator(cfg, task, dense)
    chosen, settings, data = batches(cfg, task, [generator.model]), settings_of(cfg.generation), Path(cfg.task.data)
    with temporary_folder() as folder:
        references, notes = _references(Path(dense), data, settings, folder)
        runs = []
        for path in paths:
            systems, missing = _packed(Path(path), data, settings)
            if systems:
                systems = {"dense_fairseq": generator, **references, **systems}
            runs.append({**_speeds(systems, chosen), "notes": [*missing, *(notes if systems else ())]})
    return {"engine": compiled_engine()[1], "runs": runs}


def _speeds(systems: Systems, chosen: list[Batch]) -> dict[str, Any]:
    if not systems:
        return {"sentences": 0, "systems": {}}
    measured = in_turns(list(systems.values()), chosen, ENOUGH_SECONDS, SHORTEST_TURN)
    return {
        "sentences": sum(len(batch["id"]) for batch in chosen[: measured.batches]),
        "systems": {
            name: {"tokens": tokens, "cpu_seconds": seconds}
            for name, tokens, seconds in zip(systems, measured.tokens, measured.seconds, strict=True)
        },
    }


def _references(dense: Path, data: Path, settings: SearchOptions, folder: Path) -> tuple[Systems, list[str]]:
    """The dense model in other programs than fairseq, and why it is not in one."""
    try:
        model = load_model(dense, data)
    except PruneError as error:
        return {}, [f"the dense model is only measured in fairseq: {error}"]
    systems: Systems = {}
    notes = []
    try:
        systems["dense_ctranslate2_int8"] = _in_ctranslate2(model, folder / "ctranslate2", settings)
    except PruneError as error:
        notes.append(str(error))
    compiled, _ = compiled_engine()
    if compiled is not None:
        engine = compiled(model, values="int8", formats="dense-int8")
        systems["dense_int8"] = in_engine(engine, model, settings)
    return systems, notes


def _packed(path: Path, data: Path, settings: SearchOptions) -> tuple[Systems, list[str]]:
    """A run in our engine, and why it is not there."""
    try:
        model = load_model(path, data, shrunk=True)
        model_int8 = load_model(path, data, "int8", shrunk=True)
    except PruneError as error:
        return {}, [f"not packed: {str(error).removeprefix(str(path)).lstrip(': ')}"]
    compiled, _ = compiled_engine()
    if compiled is None:
        note = "the compiled engine was not built: packed models are translated with torch in fp32"
        return {"packed": in_engine(TorchEngine(model), model, settings)}, [note]
    return {
        "packed": in_engine(compiled(model), model, settings),
        "packed_int8": in_engine(compiled(model_int8), model_int8, settings),
    }, []


def in_engine(engine: Engine, model: CompactModel, settings: SearchOptions) -> System:
    """One of our engines on a batch of fairseq's."""
    options = fit_beam(settings, len(model.target))

    def translate(batch: Batch) -> int:
        found = engine.search(_sources(batch), options)
        return sum(len(hypotheses[0].tokens) for hypotheses in found if hypotheses)

    return translate


def _in_ctranslate2(model: CompactModel, folder: Path, settings: SearchOptions) -> System:
    search = ctranslate2_search(model, folder, settings)

    def translate(batch: Batch) -> int:
        words = [[model.source[row] for row in source if row != EOS] for source in _sources(batch)]
        # It leaves out the end of the sentence, which it has searched for, too.
        return sum(len(found) + 1 for found in search(words))

    return translate


def _sources(batch: Batch) -> list[list[int]]:
    return [[row for row in source if row != PAD] for source in batch["net_input"]["src_tokens"].tolist()]


def main() -> None:
    """Measures and prints."""
    parser = options.get_generation_parser()
    print(json.dumps(measure(convert_namespace_to_omegaconf(options.parse_args_and_arch(parser)))))


if __name__ == "__main__":
    main()
