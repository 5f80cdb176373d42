"""What a cluster's scheduler asks of a training: to save and to end, by a signal."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from nmt_prune.errors import PruneError
from nmt_prune.processes import die_with_parent

SECONDS_BETWEEN_REQUESTS = 1.0


class Requeued(Exception):
    """The scheduler will start the step again."""


class Stopped(PruneError):
    """A scheduler has stopped a training, which goes on when its step is started again."""


@dataclass
class Requests:
    """Signals that have come to a step, and go to its training.

    Attributes:
        came: the signals.
        together: whether several processes train; their parent, fairseq's own, passes nothing on to them.
    """

    came: list[signal.Signals] = field(default_factory=list)
    together: bool = False

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
                    self._ask(process)

    def _ask(self, process: "subprocess.Popen[bytes]") -> None:
        if not self.together:
            process.send_signal(self.came[-1])
            return
        for child in _children(process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGUSR1)  # SIGTERM would end them at once

    def answer(self) -> None:
        """Says why the training has ended after it saved, or has it started again.

        Raises:
            Requeued: SIGUSR1 came, which SLURM sends before the time of a job is over, and SLURM has queued it again.
            Stopped: another signal came, after which the scheduler itself decides what becomes of the job.
        """
        if not self.came:
            raise Stopped("stopped by a signal when it had saved")
        job = os.environ.get("SLURM_JOB_ID")
        # At the end of the time SIGTERM follows.
        if signal.SIGUSR1 not in self.came or job is None:
            raise Stopped(f"stopped by {self.came[-1].name} when it had saved")
        try:
            answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
        except FileNotFoundError:
            raise Stopped("stopped by SIGUSR1 when it had saved; no scontrol queues the job again") from None
        if answer.returncode:
            reason = " ".join(answer.stderr.split())
            raise Stopped(f"stopped by SIGUSR1 when it had saved; job {job} is not queued again: {reason}")
        raise Requeued


def _children(process: int) -> list[int]:
    """The processes that a process has started; none where it has ended, or not on Linux."""
    with suppress(FileNotFoundError):
        return [
            int(child)
            for thread in Path(f"/proc/{process}/task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
    return []


def begin_deaf() -> None:
    """Begins a training that takes no harm from a signal which comes before it listens, and ends with its parent.

    The processes that it starts begin as it does.
    """
    die_with_parent()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@contextmanager
def listening(elsewhere: bool, together: bool = False) -> Iterator[Requests]:
    """Collects the signals of a scheduler.

    Args:
        elsewhere: whether there is a scheduler; on the user's own machine signals end the step as ever.
        together: see :class:`Requests`.
    """
    requests = Requests(together=together)
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
