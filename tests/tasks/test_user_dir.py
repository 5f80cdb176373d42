"""A checkout as --user-dir, where the package is not installed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("missing", ["pydantic", "safetensors"])
def test_what_is_missing_is_one_line_that_says_what_to_install(missing):
    program = f"import sys; sys.modules[{missing!r}] = None; import nmt_prune.tasks.translation_pruning"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == f"nmt-prune: error: --user-dir needs {missing}, which is missing; pip install {missing}\n"
