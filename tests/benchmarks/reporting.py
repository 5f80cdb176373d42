"""What every benchmark leaves behind: a table on the screen and a JSON file with the facts of the machine."""

import datetime
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from nmt_prune import __version__
from nmt_prune.files import write_json

RESULTS = Path(__file__).parent / "results"


def report(name: str, title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], notes: str) -> None:
    """Prints the ``columns`` of the rows and writes ``results/<name>.json`` with everything in them."""
    table = Table(title=title, caption=notes, title_justify="left", caption_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    path = RESULTS / f"{name}.json"
    write_json(path, {"benchmark": name, "machine": machine(), "notes": notes, "rows": rows})
    console = Console(width=120)
    console.print(table)
    console.print(f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}\n")


def machine() -> dict[str, Any]:
    """What a timing depends on."""
    facts = dict(
        line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    )
    return {
        "cpu": next(iter(facts.values()), platform.processor()).strip(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "nmt_prune": __version__,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def memory(field: str) -> int:
    """Bytes of this process, by the kernel; unlike getrusage's peak, VmHWM knows nothing of the parent process."""
    match = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match
    return int(match[1]) * 1024


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
