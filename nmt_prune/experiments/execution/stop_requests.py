"""What a cluster's scheduler asks of a training: to save and to end, by a signal."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from nmt_prune.errors import PruneError
from nmt_prune.processes import die_with_parent

SECONDS_BETWEEN_REQUESTS = 1.0


class Requeued(Exception):
    """The scheduler will start the step again."""


@dataclass
class Requests:
    """Signals that have come to a step, and go to its training.

    Attributes:
        came: the signals.
    """

    came: list[signal.Signals] = field(default_factory=list)

    def wait(self, process: "subprocess.Popen[bytes]") -> int:
        """Waits for a training, which is told again and again: until its first update it does not listen.

        Returns:
            Its exit status.
        """
        while True:
            try:
                return process.wait(SECONDS_BETWEEN_REQUESTS)
            except subprocess.TimeoutExpired:
                if self.came:
                    process.send_signal(self.came[-1])

    def answer(self) -> None:
        """Says why the training has ended after it saved, or has it started again.

        Raises:
            Requeued: SIGUSR1 came, which SLURM sends before the time of a job is over, and SLURM has queued it again.
            PruneError: another signal came, after which the scheduler itself decides what becomes of the job.
        """
        if not self.came:
            raise PruneError("stopped by a signal when it had saved")
        job = os.environ.get("SLURM_JOB_ID")
        # At the end of the time SIGTERM follows.
        if signal.SIGUSR1 not in self.came or job is None:
            raise PruneError(f"stopped by {self.came[-1].name} when it had saved")
        try:
            answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
        except FileNotFoundError:
            raise PruneError("stopped by SIGUSR1 when it had saved; no scontrol queues the job again") from None
        if answer.returncode:
            reason = " ".join(answer.stderr.split())
            raise PruneError(f"stopped by SIGUSR1 when it had saved; job {job} is not queued again: {reason}")
        raise Requeued


def begin_deaf() -> None:
    """Begins a training that takes no harm from a signal which comes before it listens, and ends with its parent."""
    die_with_parent()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@contextmanager
def listening(elsewhere: bool) -> Iterator[Requests]:
    """Collects the signals of a scheduler.

    Args:
        elsewhere: whether there is a scheduler; on the user's own machine signals end the step as ever.
    """
    requests = Requests()
    if not elsewhere:
        yield requests
        return

    def note(number: int, frame: FrameType | None) -> None:
        requests.came.append(signal.Signals(number))

    before = {one: signal.signal(one, note) for one in (signal.SIGUSR1, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
