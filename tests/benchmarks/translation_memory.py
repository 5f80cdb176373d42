"""Memory of ``nmt-prune translate`` and of ``fairseq-generate``, from their start to their end.

A Transformer base with random weights, pruned by magnitude per matrix; translations all of the same length.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import nmt_prune
from nmt_prune.checkpoints import Checkpoint
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.format.compact_file import save_compact
from nmt_prune.text.dictionaries import SPECIAL
from tests.benchmarks.reporting import report
from tests.benchmarks.trainers import build_trainer

VOCABULARY, SENTENCES, LENGTH, BEAM, SPARSITY = 33_000, 64, 25, 5, 0.9
SIZES = ["--beam", str(BEAM), "--batch-size", "32", "--min-len", str(LENGTH - 1), "--max-len-b", str(LENGTH - 1)]


def run() -> None:
    """Runs both on the same text, one after the other."""
    with tempfile.TemporaryDirectory(prefix="nmt-prune-") as name:
        folder = Path(name)
        data = _data(folder)
        dense, pruned = _checkpoints(folder)
        flags = ["--user-dir", str(Path(nmt_prune.__file__).parent), "--path", str(dense), "--cpu", *SIZES]
        rows = [_row("fairseq-generate, dense", dense, ["fairseq_cli.generate", str(data), *flags])]
        for checkpoint, values in ((dense, "int8"), (pruned, "float32"), (pruned, "float16"), (pruned, "int8")):
            packed = folder / "model.nmt"
            save_compact(compact_model(Checkpoint.load(checkpoint), data, values), packed)
            what = f"nmt-prune translate, {'dense' if checkpoint is dense else f'{SPARSITY:.0%} pruned'}, {values}"
            command = ["nmt_prune.cli", "translate", str(packed), *SIZES, "--input", str(folder / "test.en")]
            rows.append(_row(what, packed, [*command, "--output", str(folder / "out")]))
    for row in rows:
        row["share"] = row["MB"] / rows[0]["MB"]
    report(
        "translation_memory",
        f"Memory of translating with a Transformer base, {VOCABULARY:,} subwords",
        ["program", "file MB", "MB", "share", "CPU s"],
        rows,
        f"Largest resident set and CPU time of the whole process, {SENTENCES} sentences of {LENGTH} subwords in batches"
        f" of 32, beam {BEAM}; share: of the first line. Goal: under a third.",
    )


def _data(folder: Path) -> Path:
    """Random sentences, binarized."""
    words = [f"w{number}" for number in range(VOCABULARY - len(SPECIAL))]
    (folder / "dict.txt").write_text("".join(f"{word} 1\n" for word in words))
    picked = np.random.default_rng(1).integers(len(words), size=(SENTENCES, LENGTH - 1))
    for language in ("en", "de"):
        (folder / f"test.{language}").write_text("".join(" ".join(words[i] for i in row) + "\n" for row in picked))
    dictionaries = ["--srcdict", str(folder / "dict.txt"), "--tgtdict", str(folder / "dict.txt")]
    flags = ["--testpref", str(folder / "test"), "--destdir", str(folder / "data"), "--workers", "1"]
    command = ["fairseq_cli.preprocess", "-s", "en", "-t", "de", *dictionaries, *flags]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    return folder / "data"


def _checkpoints(folder: Path) -> tuple[Path, Path]:
    """A dense model, and the same without its smallest weights."""
    flags = ["--task", "translation", "--arch", "transformer", "-s", "en", "-t", "de"]
    trainer = build_trainer(VOCABULARY, *flags)
    paths = folder / "dense.pt", folder / "pruned.pt"
    trainer.consolidate_optimizer()  # fairseq-train does it before it saves
    trainer.save_checkpoint(str(paths[0]), {})
    with torch.no_grad():
        for parameter in {parameter for parameter in trainer.model.parameters() if parameter.dim() == 2}:
            size = parameter.abs()
            parameter[size <= size.flatten().kthvalue(int(SPARSITY * size.numel())).values] = 0
    trainer.save_checkpoint(str(paths[1]), {})
    return paths


def _row(program: str, model: Path, command: Sequence[str]) -> dict[str, Any]:
    process = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.resident", *command], capture_output=True, text=True
    )
    if process.returncode:
        raise SystemExit(f"{program} failed: {process.stderr}")
    taken = json.loads(process.stderr.splitlines()[-1])
    sizes = {"file MB": model.stat().st_size / 1e6, "MB": taken["bytes"] / 1e6}
    return {"program": program, **sizes, "CPU s": taken["seconds"]}
