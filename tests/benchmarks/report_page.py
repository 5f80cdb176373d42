"""Size of the report's page with 500 results, and the time that it takes to make it and to open it in Chromium.

Opening is from the start of the navigation until everything is loaded and laid out, as the page's own clock has it;
Chromium is started anew each time, without the time that this takes.
"""

import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from nmt_prune.evaluation.quality.text import write_lines
from nmt_prune.evaluation.records.scored_runs import read_runs
from nmt_prune.evaluation.report import sections, title
from nmt_prune.evaluation.reports.page.page import write_page
from nmt_prune.techniques import DENSE, techniques
from tests.benchmarks.reporting import report
from tests.evaluation.corpus import corrupted, gathered, references, write_run

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RUNGS = (50, 60, 70, 80, 85, 90, 95, 98)
SEEDS = (1, 2, 3, 4, 5)
TECHNIQUES = 13
SENTENCES = 500
OPENINGS = 7
MEGABYTE = 10**6
COSTS = {"bytes_masked": 4_000_000, "bytes_used": 4_000_000, "cpu_ratio": 1.0, "cpu": None}
_CLOCK = """<script>
addEventListener("load", () => { document.body.offsetHeight; document.title = "opened in " + performance.now(); });
</script>"""


def run() -> None:
    """Makes the page and opens it."""
    if BROWSER is None:
        print("report_page: there is no Chromium; install it (Debian: apt-get install chromium)\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        runs, page = Path(folder) / "runs", Path(folder) / "report.html"
        count = write_runs(runs)
        start = time.perf_counter()
        results = gathered(runs)
        write_page(page, title(results), sections(results), results, read_runs(runs))
        seconds = time.perf_counter() - start
        opened = [_opened(page) for _ in range(OPENINGS)]
        row = {"results": count, "MB": page.stat().st_size / MEGABYTE, "made in s": seconds}
        row |= {"opened in s": statistics.median(opened), "slowest": max(opened)}
    notes = f"Median and slowest of {OPENINGS}. Goals: 5 MB, 2 s. Techniques, rungs and seeds are made up."
    report("report_page", "The report's page", list(row), [row], notes, {"browser": _version()})


def write_runs(folder: Path) -> int:
    """Writes scored runs: a dense one per seed, and some techniques at every rung; returns how many."""
    reference = folder.with_name("data") / "raw/test.de"
    lines = references(SENTENCES)
    write_lines(reference, lines)
    write_lines(reference.with_suffix(".en"), lines)
    names = [name for name in techniques if name != DENSE]
    systems = [(DENSE, 0)] + [(name, rung) for name in names[:TECHNIQUES] for rung in RUNGS]
    for seed in SEEDS:
        for number, (name, rung) in enumerate(systems):
            disk = dict.fromkeys(("csc", "csc_deflated", "packed", "packed_int8"), 40_000 * (101 - rung))
            write_run(
                folder,
                f"{name}-{rung}-seed{seed}",
                corrupted(lines, min(0.9, rung / 120 + number / 500), seed),
                reference,
                scores={"costs": {**COSTS, "exports": {"disk": disk, "bleu": {}, "notes": []}}},
                technique=name,
                sparsity=rung / 100,
                seed=seed,
                settings={"corpus": {"source": "en", "target": "de"}},
            )
    return len(SEEDS) * len(systems)


def _opened(page: Path) -> float:
    """Seconds until the page is loaded and laid out."""
    timed = page.with_name("timed.html")
    timed.write_text(page.read_text(encoding="utf-8").replace("<style>", f"{_CLOCK}<style>", 1), encoding="utf-8")
    with tempfile.TemporaryDirectory() as profile:
        command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        shown = subprocess.run([*command, "--dump-dom", timed.as_uri()], capture_output=True, text=True, check=True)
    found = re.search(r"<title>opened in ([\d.]+)</title>", shown.stdout)
    assert found, "the page forbids the script that has the clock"
    return float(found[1]) / 1000


def _version() -> str:
    return subprocess.run([str(BROWSER), "--version"], capture_output=True, text=True, check=True).stdout.strip()
