"""Small Debian packages for the tests."""

import shutil
import subprocess
from pathlib import Path

import pytest

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb on this system")
needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this system")


def build_deb(folder: Path, package: str, files: dict[str, str]) -> Path:
    """Builds ``PACKAGE_1_all.deb`` in ``folder`` with the given text files."""
    tree = folder / f"{package}.tree"
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, encoding="utf-8")
    (tree / "DEBIAN").mkdir(parents=True)
    control = (
        f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: x\n"
    )
    (tree / "DEBIAN/control").write_text(control, encoding="utf-8")
    archive = folder / f"{package}_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", tree, archive], check=True, capture_output=True)
    shutil.rmtree(tree)
    return archive
