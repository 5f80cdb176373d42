"""A step as a process: it starts at once, as there are two for each run."""

import subprocess
import sys


def test_a_step_imports_no_torch():
    program = (
        "import sys, nmt_prune.experiments.execution.step; "
        "print(sorted({'torch', 'numpy', 'fairseq', 'omegaconf'} & sys.modules.keys()))"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.stdout == "[]\n", process.stderr
