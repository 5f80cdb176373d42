"""Marian as in browsers: PyPI's bergamot, in Python 3.10 and a virtual environment that the benchmark makes."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks.reporting import RESULTS

VERSION = "0.4.5"
ENVIRONMENT = RESULTS / f"bergamot-{VERSION}"
PROGRAM = Path(__file__).with_name("bergamot_process.py")

# A line is a sentence, and all lines are one batch.
_ALWAYS = {
    **{"ssplit-mode": "sentence", "max-length-break": 500, "mini-batch-words": 100_000, "max-length-factor": 3.0},
    **{"workspace": 128, "skip-cost": False, "cpu-threads": 1, "quiet": True, "quiet-translation": True},
}


class Bergamot:
    """A process that translates with an export for Marian.

    Args:
        folder: the export.
        options: Marian's, over those of the export: ``beam-size``, ``gemm-precision``, ``shortlist``.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        given = yaml.safe_load((folder / "decoder.yml").read_text(encoding="utf-8"))
        given = {key: value for key, value in given.items() if key != "relative-paths"}
        for key in ("models", "vocabs"):
            given[key] = [str(folder / name) for name in given[key]]
        config = folder / "bergamot.yml"
        config.write_text(yaml.safe_dump({**given, **_ALWAYS, **options}), encoding="utf-8")
        command = [ENVIRONMENT / "bin" / "python", PROGRAM, extension(), config]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.seconds = 0.0
        """CPU seconds of all translations."""

    def translate(self, lines: Sequence[str]) -> list[str]:
        """Translates lines in one batch."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(lines) + "\n")
        self._process.stdin.flush()
        if not (answer := self._process.stdout.readline()):
            raise SystemExit(f"bergamot ended with status {self._process.wait()}")
        texts, seconds = json.loads(answer)
        self.seconds += seconds
        return texts

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def extension() -> Path | None:
    """The compiled module, if it is installed."""
    return next(iter(ENVIRONMENT.glob("lib/python3.10/site-packages/bergamot/_bergamot*.so")), None)


def why_not() -> str:
    """Installs bergamot where it can be; else why not."""
    if extension():
        return ""
    python = next(_pythons(), None)
    if python is None:
        return "no Python 3.10, which bergamot is built for"
    for command in (
        [python, "-m", "venv", ENVIRONMENT],
        [ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", f"bergamot=={VERSION}"],
    ):
        process = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if process.returncode:
            return f"bergamot {VERSION} does not install: {process.stderr.strip().splitlines()[-1]}"
    return "" if extension() else "the package bergamot has no extension for Python 3.10"


def _pythons() -> Iterator[Path]:
    """Every Python 3.10 that starts: what a version manager puts on the path may be empty."""
    found = shutil.which("python3.10")
    managed = (Path.home() / ".pyenv" / "versions").glob("3.10*/bin/python3.10")
    for python in ([Path(found)] if found else []) + sorted(managed):
        if subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
            yield python
