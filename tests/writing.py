"""``nmt_prune.files`` in a process of its own."""

import subprocess
import sys


def run(code: str, *arguments: object, **options) -> subprocess.CompletedProcess:
    """Runs code in a process of its own; ``path`` is its first argument."""
    start = "import sys; from pathlib import Path; from nmt_prune.files import *; path = Path(sys.argv[1])\n"
    return subprocess.run([sys.executable, "-c", start + code, *map(str, arguments)], timeout=60, **options)
