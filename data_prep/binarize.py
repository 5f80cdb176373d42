"""Binarization with ``fairseq-preprocess``, run as the user would run it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from nmt_prune.errors import PruneError
from nmt_prune.files import refusal


def binarize(text: Path, dictionary: Path, destination: Path, source: str, target: str, workers: int) -> None:
    """Binarizes ``TEXT/{train,valid,test}.{source,target}`` with one dictionary for both languages.

    Args:
        text: folder of subword files.
        dictionary: fairseq dictionary.
        destination: folder that gets the .bin and .idx files and ``dict.<language>.txt``.
        source: source language.
        target: target language.
        workers: processes.

    Raises:
        PruneError: fairseq is not installed, or its command fails.
    """
    if importlib.util.find_spec("fairseq_cli") is None:
        raise PruneError("fairseq is not installed here; pip install 'nmt-prune[fairseq]'")
    command = [sys.executable, "-m", "fairseq_cli.preprocess", "--source-lang", source, "--target-lang", target]
    for part in ("train", "valid", "test"):
        command += [f"--{part}pref", str(text / part)]
    command += [
        "--joined-dictionary",
        "--srcdict",
        str(dictionary),
        "--destdir",
        str(destination),
        "--workers",
        str(workers),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise PruneError(f"fairseq-preprocess failed: {refusal(lines) or lines[-1]}")
    # A log of when and where: it would make two equal folders differ.
    (destination / "preprocess.log").unlink(missing_ok=True)
