"""The tables of speeds in the documentation, from JSON files of ``translation_deployed`` on several machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).parent / "measured"
"""Results that the documentation shows: files of ``results`` under the machine's name."""

MAKERS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}


def speed_tables(paths: Iterable[Path]) -> str:
    """Markdown: the processors of each maker by themselves, a table for each file."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(paths)]
    makers = {result["machine"]["maker"] for result in results}
    parts = []
    for maker in sorted(makers, key=lambda one: MAKERS.get(one, one)):
        parts.append(f"### {MAKERS.get(maker, maker)}")
        parts += [_table(result) for result in results if result["machine"]["maker"] == maker]
    return "\n\n".join(parts)


def _table(result: Mapping[str, Any]) -> str:
    machine, programs, rows = (result[key] for key in ("machine", "programs", "rows"))
    settings = list(dict.fromkeys((row["shape"], row["beam"]) for row in rows))
    header = ["program", *(f"{shape}, beam {beam}" for shape, beam in settings)]
    lines = [header, ["---"] * len(header)]
    for program in dict.fromkeys(row["program"] for row in rows):
        lines.append([program, *(_cell([r for r in rows if _is(r, program, setting)]) for setting in settings)])
    batches = ", ".join(str(batch) for batch in dict.fromkeys(row["batch"] for row in rows))
    return "\n".join(
        [
            f"**{machine['cpu']}** ({', '.join(machine['instructions'])}), {machine['date'][:10]}; {_used(programs)}."
            f" Tokens/s of CPU time with batches of {batches}; in parentheses times as fast as CTranslate2 int8.",
            "",
            *(f"| {' | '.join(line)} |" for line in lines),
        ]
    )


def _is(row: Mapping[str, Any], program: str, setting: tuple[str, int]) -> bool:
    return row["program"] == program and (row["shape"], row["beam"]) == setting


def _cell(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "–"
    speeds = " / ".join(f"{row['tokens/s']:,}" for row in rows)
    return f"{speeds} ({' / '.join(row['x CT2'].split()[0] for row in rows)})"


def _used(programs: Mapping[str, Any]) -> str:
    """What each program computed with."""
    return "; ".join(
        f"{name}: {used if isinstance(used, str) else ', '.join(f'{fact} {value}' for fact, value in used.items())}"
        for name, used in programs.items()
    )
