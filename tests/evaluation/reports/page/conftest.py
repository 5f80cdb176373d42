"""A page whose names and texts are hostile."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from nmt_prune.evaluation.quality.text import write_lines
from nmt_prune.evaluation.records.scored_runs import read_runs
from nmt_prune.evaluation.report import sections, title
from nmt_prune.evaluation.reports.page.page import write_page
from tests.evaluation.corpus import corrupted, gathered, references, write_run

HOSTILE = '<img src="http://example.org/x.png" onerror="alert(1)"> & </script><script>alert("2")</script>'


DISK = {"csc": 4_000_000, "csc_deflated": 3_000_000, "packed": 2_000_000, "packed_int8": 500_000}
COSTS = {"bytes_masked": 4_000_000, "bytes_used": 4_000_000, "cpu_ratio": 1.0, "cpu": None}
RUNS = (("dense", 0, 0.1), ("mp", 0.5, 0.3), ("slt", 0.5, 0.2), ("slt", 0.9, 0.5), (HOSTILE, 0.9, 0.4))


@dataclass(frozen=True)
class Page:
    runs: Path
    path: Path


@pytest.fixture(scope="package")
def page(tmp_path_factory) -> Page:
    folder = tmp_path_factory.mktemp("page")
    runs, reference = folder / "runs/toy <b>&", folder / "data/raw/test.de"
    lines = [f"{line} {HOSTILE}" for line in references(30)]
    write_lines(reference, lines)
    write_lines(reference.with_suffix(".en"), [f"source {HOSTILE}" for _ in lines])
    settings = {"corpus": {"source": "en", "target": "de"}}
    for seed in (1, 2):
        for name, sparsity, share in RUNS:
            run = f"{'other<i>' if name == HOSTILE else name}-{100 * sparsity:g}-seed{seed}"
            disk = {form: int((1.1 - sparsity) * size) for form, size in DISK.items()}
            exports = {"disk": disk, "bleu": {}, "notes": [HOSTILE]}
            made = write_run(
                runs,
                run,
                corrupted(lines, share, seed),
                reference,
                scores={"costs": {**COSTS, "exports": exports}},
                technique=name,
                sparsity=sparsity,
                seed=seed,
                settings=settings,
            )
            record = json.loads((made / "run.json").read_text())
            (made / "run.json").write_text(json.dumps({**record, "command": ["fairseq-train", HOSTILE]}))
    path = runs / "report/report.html"
    write(path, runs)
    return Page(runs, path)


def write(path: Path, runs: Path) -> None:
    results, scored = gathered(runs), read_runs(runs)
    write_page(path, title(results), sections(results), results, scored)
