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
INSTRUCTIONS = ("avx2", "f16c", "avx_vnni", "avx512f", "avx512vbmi", "avx512_vnni", "amx_int8")
"""What kernels of translation programs differ by, as Linux calls it."""


def report(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    notes: str,
    programs: Mapping[str, Any] | None = None,
) -> None:
    """Prints the ``columns`` of the rows and writes ``results/<name>.json`` with everything in them.

    Args:
        name: the benchmark's.
        title: of the table.
        columns: what to show of the rows.
        rows: what was measured.
        notes: how.
        programs: facts of the programs that were measured: what each computed with.
    """
    table = Table(title=title, caption=notes, title_justify="left", caption_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    path = RESULTS / f"{name}.json"
    facts = {"programs": programs} if programs is not None else {}
    write_json(path, {"benchmark": name, "machine": machine(), **facts, "notes": notes, "rows": rows})
    console = Console(width=120)
    console.print(table)
    console.print(f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}\n")


def machine() -> dict[str, Any]:
    """What a timing depends on."""
    text = Path("/proc/cpuinfo").read_text()
    model, maker, flags = (
        re.search(rf"^{field}\s*: (.+)$", text, re.MULTILINE) for field in ("model name", "vendor_id", "flags")
    )
    return {
        "cpu": model[1] if model else platform.processor(),
        "maker": maker[1] if maker else "unknown",
        "instructions": [one for one in INSTRUCTIONS if flags and one in flags[1].split()],
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "nmt_prune": __version__,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def memory(field: str, process: int | str = "self") -> int:
    """Bytes of a process, by the kernel; unlike getrusage's peak, VmHWM knows nothing of the parent process."""
    match = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    assert match
    return int(match[1]) * 1024


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
