"""Trained models by fairseq-generate, by our runtime and by CTranslate2: BLEU, the same hypotheses, speed on a CPU."""

import statistics
from functools import partial
from pathlib import Path
from typing import Any

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.evaluation.quality.scores import score
from nmt_prune.evaluation.quality.translation import Decoding, translate
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from tests.benchmarks.real_text import RealText, joined, translate_all
from tests.benchmarks.reporting import report
from tests.benchmarks.translation_systems import alternate, exported, fairseq, ours

RUNS = Path("runs/demo-libreoffice-help")
MODELS = ("dense-seed1", "mp-80-seed1", "mp-90-seed1")
TYPES = ("float32", "float16", "int8")
BATCH, ROUNDS = 32, 5
FAIRSEQ, CT2, INT8 = "fairseq", "CTranslate2 int8", "ours, dense int8"
COLUMNS = ["model", "program", "BLEU", "same", "tokens/s", f"x {FAIRSEQ}", f"x {CT2}", f"x {INT8}"]


def run(runs: Path | None) -> None:
    """Measures the dense model and two pruned ones of a folder of runs, by default make demo's."""
    runs = runs or RUNS
    rows: list[dict[str, Any]] = []
    for name in MODELS:
        path = runs / name / "checkpoint_best.pt"
        if not path.is_file():
            print(f"real_model: {path} does not exist; make it with make demo, or name another folder with --runs\n")
            return
        rows += _measure(name, path)
    report(
        "real_model",
        f"{runs.name}: trained models on a CPU, one thread, beam 5, batches of {BATCH}",
        COLUMNS,
        rows,
        "same: hypotheses that are those of fairseq-generate. tokens/s: subwords written per second of CPU time,"
        " without start, loading and text processing; times as fast as the peers, medians over rounds. fairseq: its"
        " generator in the same process, dense products, with the BLEU of fairseq-generate. ours: with the BLEU of"
        " nmt-prune translate, products by what the runtime picks.",
    )


def _measure(name: str, path: Path) -> list[dict[str, Any]]:
    checkpoint = Checkpoint.load(path)
    text = RealText.of(checkpoint)
    models = {values: compact_model(checkpoint, text.data, values) for values in TYPES}
    decoding = Decoding(cpu=True, extra=("--model-overrides", "{'dense_inference': True}"))
    expected = translate(path, text.subset, decoding).lines
    lines = {FAIRSEQ: expected}
    for values, model in models.items():
        results = Translator(model).translate_lines(text.lines)
        lines[f"ours, {values}"] = [result.lines[0] for result in results]

    systems = {FAIRSEQ: fairseq(models["float32"])}
    systems |= {f"ours, {values}": ours(model, "auto") for values, model in models.items()}
    systems[INT8] = ours(models["float32"], "dense-int8")
    for quantization in ("float32", "int8"):
        systems[f"CTranslate2 {quantization}"] = exported(models["float32"], quantization)
    sources = text.sources(models["float32"])
    calls = {name: partial(translate_all, system, sources, BATCH, SearchOptions()) for name, system in systems.items()}
    found = {system: call() for system, call in calls.items()}
    for system in (INT8, "CTranslate2 float32", CT2):
        lines[system] = joined(models["float32"], found[system])
    seconds = alternate(calls, dict.fromkeys(calls, ROUNDS))
    rows = []
    for system in systems:
        tokens = sum(map(len, found[system]))
        speeds = {each: [sum(map(len, found[each])) / s for s in seconds[each]] for each in systems}
        row = {"model": name, "program": system, "BLEU": score(lines[system], text.references).bleu}
        row["same"] = f"{sum(map(str.__eq__, lines[system], expected))} of {len(expected)}"
        row["tokens/s"] = round(tokens / statistics.median(seconds[system]))
        for peer in (FAIRSEQ, CT2, INT8):
            row[f"x {peer}"] = statistics.median(map(float.__truediv__, speeds[system], speeds[peer]))
        rows.append({**row, "tokens": tokens, "seconds": seconds[system]})
    return rows
