"""The page about a pruned model: quality, size and speed beside the dense one, and how it was made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt_prune.evaluation.reports.tables.table import Table
from nmt_prune.experiments.planning.runs import Run
from nmt_prune.files import read_json
from nmt_prune.techniques import DENSE, LONGER, techniques

_HEADER = ("model", "sparsity", "BLEU", "difference", "p", "chrF", "MB packed", "MB int8", "words/s", "words/s int8")


def summary(runs: Path, run: Run, out: Path, changes: Sequence[str], command: str) -> str:
    """The page.

    Args:
        runs: folder of the runs, reported.
        run: the pruned one.
        out: folder of the model.
        changes: what of the model's own settings was changed.
        command: the training, as a shell reads it.
    """
    report = read_json(runs / "report" / "results.json")
    rows = {row["technique"]: row for row in report["runs"] if row["run"] == run.name or not row["target_sparsity"]}
    pruned, dense = rows[run.technique], rows[DENSE]
    label = techniques[run.technique].label if run.technique in techniques else run.technique
    names = {DENSE: "dense", LONGER: "dense, trained on for as long", run.technique: label}
    lines = [[shown, *_cells(rows[name])] for name, shown in names.items() if name in rows]
    parts = [
        f"# {out.name}: {run.sparsity:.0%} of the weights removed",
        Table(_HEADER, lines).markdown(),
        f"BLEU on {report['convention']['subset']}, beam {report['convention']['beam']}"
        f" ({report['convention']['signatures']['bleu']}); p: {report['significance']}, against the dense model."
        " Words: subwords that the packed model writes in a second of CPU time.",
        *_speeds(pruned),
        f"Dev BLEU {_number(pruned['dev_bleu'], '.2f')}, dense {_number(dense['dev_bleu'], '.2f')}."
        " Of the model's own training this one differs in:",
        "\n".join(f"- {change}" for change in changes),
        *(f"Note: {note}." for note in pruned["exports"]["export_notes"]),
        f"The training:\n\n    {command}",
    ]
    return "\n\n".join(parts) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    exports = row["exports"]
    return [
        f"{row['sparsity_prunable']:.1%}",
        f"{row['bleu']:.2f}",
        _number(row["bleu_delta"], "+.2f"),
        _number(row["bleu_p_value"], ".3f"),
        f"{row['chrf']:.2f}",
        *(_number(exports[name], ".2f") for name in ("mb_packed", "mb_packed_int8")),
        *(_number(exports[f"tokens_per_cpu_second_{name}"], ",.0f") for name in ("packed", "packed_int8")),
    ]


def _speeds(row: Mapping[str, Any]) -> list[str]:
    """How much faster than what people run."""
    peers = {
        "fairseq": "dense fairseq",
        "ctranslate2_int8": "dense CTranslate2 int8",
        "int8": "this engine's dense int8",
    }
    found = {
        shown: row["exports"][f"speed_packed_int8_to_dense_{name}"]
        for name, shown in peers.items()
        if row["exports"][f"speed_packed_int8_to_dense_{name}"] is not None
    }
    if not found:
        return []
    shown = ", ".join(f"{ratio:.1f} times {name}" for name, ratio in found.items())
    return [f"In int8 it writes {shown}, one thread, on this machine ({row['exports']['engine']})."]


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
