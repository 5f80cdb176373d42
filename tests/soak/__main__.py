"""Strikes small sweeps with faults: ``python -m tests.soak --kills 200``; see the README beside this file."""

import argparse
import logging
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from rich.console import Console

from tests.benchmarks.reporting import RESULTS
from tests.soak.disk import own_disk
from tests.soak.findings import Findings
from tests.soak.soak import Soak


def main() -> int:
    """Returns the exit status: 1 if anything was lost or differs, 130 if it was stopped."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Strikes small sweeps with faults.")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="SIGKILLs; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the random choices; default: %(default)s")
    parser.add_argument("--minutes", type=float, default=600, metavar="M", help="no sweep begins after these")
    parser.add_argument("--each", type=int, default=35, metavar="N", help="most in one sweep; default: %(default)s")
    parser.add_argument(
        "--pairs", type=int, default=5, metavar="N", help="trainings of two processes, one of which dies"
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS / "soak.json", metavar="FILE", help="JSON file; default: %(default)s"
    )
    arguments = parser.parse_args()
    logging.disable(logging.INFO)  # fairseq has everybody log
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    findings, status = Findings(arguments.out, arguments.seed, arguments.kills), 0
    with tempfile.TemporaryDirectory(prefix="soak-") as name, own_disk(folder := Path(name)) as disk_is_own:
        chance, most = random.Random(arguments.seed), (arguments.minutes, arguments.each, arguments.pairs)
        soak = Soak(folder, findings, chance, *most, disk_is_own)
        try:
            soak.run()
        except KeyboardInterrupt:
            print("stopped; the table is of what was done", file=sys.stderr)
            status = 130
    findings.write()
    console = Console(width=120)
    console.print(findings.table())
    for line in findings.wrong:
        console.print(line, markup=False)
    console.print(arguments.out)
    return status or int(bool(findings.wrong))


if __name__ == "__main__":
    sys.exit(main())
