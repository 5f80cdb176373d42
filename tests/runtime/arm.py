"""The wheel for 64-bit ARM: cross-compiled, and run by qemu with Debian's Python for it.

Interpreter and C library come from Debian (mmdebstrap unpacks them into a folder and runs nothing of them), compiled
packages as wheels for ARM, all others are those of this environment.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).parents[2]
SUITE = "bookworm"
PYTHON = "3.11"  # that of the suite
COMPILER, EMULATOR, UNPACKER = "aarch64-linux-gnu-g++", "qemu-aarch64-static", "mmdebstrap"
COMPILED = ("lxml", "numpy", "pydantic-core", "pyyaml", "regex", "safetensors", "sentencepiece", "zstandard")
MANYLINUX = ("2014", "_2_17", "_2_27", "_2_28")
# With and without instructions for dot products of bytes.
WITH_DOTPROD, WITHOUT_DOTPROD = "neoverse-n1", "cortex-a72"


class Arm:
    """An ARM system without its hardware.

    Args:
        folder: an empty folder, where it is made.

    Raises:
        pytest.skip.Exception: a program that this needs is not there, or Debian has another Python.
    """

    def __init__(self, folder: Path) -> None:
        missing = [program for program in (COMPILER, EMULATOR, UNPACKER) if shutil.which(program) is None]
        if missing:
            pytest.skip(f"no {', '.join(missing)} here; as root on Debian, make test-arm installs them")
        if (here := sysconfig.get_python_version()) != PYTHON:
            pytest.skip(f"the wheel would be for Python {here}, and Debian's is {PYTHON}")
        self.root, self.packages, self.code = (folder / name for name in ("root", "packages", "code"))
        included = "--include=python3,libstdc++6"
        _do(UNPACKER, "--arch=arm64", "--variant=extract", included, SUITE, self.root)
        self._install()
        self._make_wheel(folder / "wheels")

    def _install(self) -> None:
        locked = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines()
        wanted = [
            line for line in locked if line.lower().replace("_", "-").startswith(tuple(f"{c}==" for c in COMPILED))
        ]
        assert len(wanted) == len(COMPILED)
        platforms = [f"--platform=manylinux{version}_aarch64" for version in MANYLINUX]
        where = ["--only-binary=:all:", f"--python-version={PYTHON}", "--no-deps", "--target", self.packages]
        _do(sys.executable, "-m", "pip", "install", "--quiet", *platforms, *where, *wanted)

    def _make_wheel(self, folder: Path) -> None:
        here = f"BIN={Path(sys.executable).parent}"
        _do("make", "-o", ".venv/.ready", "wheel-arm", here, f"WHEELS={folder}")
        (wheel,) = folder.glob("*-manylinux*_aarch64.whl")
        with ZipFile(wheel) as file:
            file.extractall(self.code)
        shutil.copytree(REPOSITORY / "tests", self.code / "tests", ignore=shutil.ignore_patterns("__pycache__"))

    def python(self, *words: object, cpu: str = WITH_DOTPROD) -> str:
        """What a Python program prints there.

        Args:
            words: its arguments.
            cpu: the processor that is emulated.
        """
        paths = (self.code, self.packages, sysconfig.get_path("purelib"))
        settings = ["-cpu", cpu, "-L", self.root, "-E", f"PYTHONPATH={':'.join(map(str, paths))}"]
        return _do(EMULATOR, *settings, self.root / "usr" / "bin" / f"python{PYTHON}", *words, folder=self.code)


def _do(*words: object, folder: Path = REPOSITORY) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # cmake is a package of this
    environment: Mapping[str, str] = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    command = list(map(str, words))
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {(done.stdout + done.stderr)[-3000:]}"
    return done.stdout
