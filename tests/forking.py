"""``python -m MODULE ARGUMENTS``, where the code under test starts it: a fork of the process, which starts at once."""

import fcntl
import io
import multiprocessing
import os
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.programs import become

began: list[Callable[[Sequence[str]], None]] = []
"""Called with the module and its arguments by every program that begins."""

kept: set[int] = set()
"""Open files that the programs share, beside those that a process would hand on."""


class ForkingPopen(subprocess.Popen):  # type: ignore[type-arg]
    """``subprocess.Popen`` but for how Python is started; anything else is started as ever."""

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *rest: Any) -> None:
        if isinstance(args, str) or list(args[:2]) != [sys.executable, "-m"]:
            super()._execute_child(args, executable, preexec_fn, *rest)  # type: ignore[misc]
            return
        _, _, folder, environment, _, _, _, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *others = rest
        start_new_session = others[5]

        def prepare() -> None:
            if start_new_session:
                os.setsid()
            if folder is not None:
                os.chdir(folder)
            if preexec_fn is not None:
                preexec_fn()

        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            for end in (p2cwrite, c2pread, errread):
                if end >= 0:
                    os.close(end)
            os._exit(_begin([str(word) for word in args[2:]], (p2cread, c2pwrite, errwrite), environment, prepare))
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


def _begin(command: list[str], streams: Sequence[int], environment: Any, prepare: Callable[[], None]) -> int:
    typed, *outputs = streams
    try:
        if typed >= 0:
            os.dup2(typed, 0)
            sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
        outputs = [os.dup(output if output >= 0 else number) for number, output in enumerate(outputs, start=1)]
        _close_files_of_the_parent({*outputs, *kept})
        for call in began:
            call(command)
        status = become(command, environment, outputs, prepare)
        for worker in multiprocessing.active_children():  # else they hold the outputs open for seconds
            worker.terminate()
        return status
    except BaseException:
        traceback.print_exc()
        return 1


def _close_files_of_the_parent(but: set[int]) -> None:
    """Its locks and logs, which a process of its own would not have open; a lock would outlive who holds it."""
    for path in list(Path("/proc/self/fd").iterdir()):
        number = int(path.name)
        with suppress(OSError):
            is_written = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
            if number > 2 and number not in but and is_written and stat.S_ISREG(os.fstat(number).st_mode):
                os.close(number)
