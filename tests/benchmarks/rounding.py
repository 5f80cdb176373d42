"""What computing in int8 costs in BLEU, by the instructions that there are for it: dense models, ours and CTranslate2.

Without an instruction for dot products of bytes, pairs of products are added in 16 bits. Ours are made to fit, by
inputs of seven bits; others are cut off where they do not.
"""

import statistics
from functools import partial
from pathlib import Path

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.evaluation.quality.scores import score
from nmt_prune.runtime import _engine
from nmt_prune.runtime.compiled import CompiledEngine
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from tests.benchmarks.instruction_sets import again_restricted, of_ctranslate2
from tests.benchmarks.pareto import CT2
from tests.benchmarks.real_text import RealText, joined, translate_all
from tests.benchmarks.reporting import report
from tests.benchmarks.translation_systems import by_engine, exported

RUNS = Path("runs/frontier-libreoffice-help")
BEAM, BATCH = 5, 32
FLOATS = "float32"


def run(runs: Path | None) -> None:
    """Translates with the dense models of a folder of runs, by default make frontier's."""
    runs = runs or RUNS
    if not _dense(runs):
        print(f"rounding: {runs} has no dense-seed*; make them with make frontier, or name --runs\n")
        return
    _measure(runs, _engine.instruction_set(), "rounding")
    again_restricted(partial(_measure_restricted, runs))


def measure(checkpoint: Checkpoint) -> dict[str, float]:
    """BLEU on the test set, by each program.

    Args:
        checkpoint: a dense model.
    """
    text = RealText.of(checkpoint)
    model = compact_model(checkpoint, text.data, "float32")
    systems = {
        FLOATS: by_engine(CompiledEngine(model, "float32", "dense")),
        "ours": by_engine(CompiledEngine(model, "int8", "dense-int8")),
        CT2: exported(model, "int8"),
    }
    options = SearchOptions(beam=BEAM)
    return {
        name: score(joined(model, translate_all(system, text.sources(model), BATCH, options)), text.references).bleu
        for name, system in systems.items()
    }


def _measure_restricted(runs: Path, instructions: str) -> None:
    _measure(runs, instructions, f"rounding_{instructions}")


def _measure(runs: Path, instructions: str, name: str) -> None:
    rows = [{"run": path.parent.name, **measure(Checkpoint.load(path))} for path in _dense(runs)]
    programs = list(rows[0])[1:]
    mean = {"run": "mean", **{program: statistics.mean(float(row[program]) for row in rows) for program in programs}}
    report(
        name,
        f"{runs.name}: BLEU in int8 by {instructions}",
        ["run", *programs],
        [*rows, mean],
        f"Test set, beam {BEAM}, batches of {BATCH}. {FLOATS}: by our engine; the others in int8.",
        {CT2: of_ctranslate2()},
    )


def _dense(runs: Path) -> list[Path]:
    return sorted(runs.glob("dense-seed*/checkpoint_best.pt"))
