"""``python -m tests.benchmarks.resident MODULE ARGUMENTS``: runs a module; the last line on stderr says what it took.

A program of its own, without torch: unlike getrusage's peak, VmHWM knows nothing of the parent process.
"""

import json
import re
import runpy
import sys
import time
from pathlib import Path


def main() -> None:
    module, sys.argv = sys.argv[1], sys.argv[1:]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        match = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        assert match
        print(json.dumps({"bytes": int(match[1]) * 1024, "seconds": time.process_time()}), file=sys.stderr)


if __name__ == "__main__":
    main()
