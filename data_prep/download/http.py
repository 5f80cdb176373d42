"""One file over HTTP: resumed where it stopped, and tried again as long as that helps."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import requests
import urllib3
from requests import Response

from nmt_prune.errors import PruneError

# Small enough that a kill, or a connection that breaks, loses next to nothing.
_BLOCK = 1 << 16
_RANGE = re.compile(r"bytes (?P<first>\d+)-\d+/(?P<total>\d+|\*)")
_PASSING_STATUS = {408, 425, 429}
_jitter = random.Random()


@dataclass(frozen=True)
class Patience:
    """How long a download waits, in seconds.

    Attributes:
        connect: for a connection.
        read: for the next bytes.
        attempts: failures in a row, without a byte more than ever before, after which an address is given up.
        pause: after the first failure; it doubles with each further one.
        longest_pause: the most that it grows to, or that a server's Retry-After is granted.
    """

    connect: float = 20.0
    read: float = 60.0
    attempts: int = 5
    pause: float = 1.0
    longest_pause: float = 120.0


class Unavailable(Exception):
    """An address does not give the file; the message is the reason."""


class Stopped(Exception):
    """The download was told to stop."""


class _Passing(Exception):
    """A failure that may be gone at the next attempt, after ``pause`` seconds if the server says so."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Transfer:
    """The download of one file.

    Args:
        part: what has been received so far; a killed transfer goes on at its end.
        size: bytes of the whole file.
        patience: how long to wait for what.
        moved: called with the bytes that ``part`` holds.
        say: called with a line before each wait.
        stop: ends the transfer, when it is set, at the next block.
    """

    def __init__(
        self,
        part: Path,
        size: int,
        patience: Patience,
        *,
        moved: Callable[[int], None],
        say: Callable[[str], None],
        stop: Event,
    ) -> None:
        self._part, self._size, self._patience = part, size, patience
        self._moved, self._say, self._stop = moved, say, stop
        self._session = requests.Session()
        # An archive is wanted as it is stored: servers that label .tgz with a content encoding must not unpack it.
        self._session.headers.update({"User-Agent": "nmt-prune", "Accept-Encoding": "identity"})

    def held(self) -> int:
        """Bytes received so far."""
        return self._part.stat().st_size if self._part.exists() else 0

    def take_from(self, address: str) -> None:
        """Receives what is missing, in as many attempts as it takes; a server may send more than the file should have.

        Raises:
            Unavailable: the address does not give the file, or not after many attempts.
            PruneError: the part cannot be written.
            Stopped: ``stop`` was set.
        """
        failures, furthest = 0, self.held()
        self._moved(furthest)
        while self.held() < self._size:
            try:
                self._attempt(address)
            except _Passing as failure:
                # Measured against the furthest ever: a server without ranges begins anew, which is no progress.
                failures = 1 if self.held() > furthest else failures + 1
                furthest = max(furthest, self.held())
                if failures >= self._patience.attempts:
                    raise Unavailable(f"{failure}, {failures} times") from None
                self._wait(failures, failure)

    def _wait(self, failures: int, failure: _Passing) -> None:
        pause = self._patience.pause * 2 ** (failures - 1) * _jitter.uniform(0.5, 1.0)
        pause = min(max(pause, failure.pause), self._patience.longest_pause)
        self._say(f"{failure}; trying again in {pause:.1f} s")
        if self._stop.wait(pause):
            raise Stopped

    def _attempt(self, address: str) -> None:
        offset = self.held()
        try:
            response = self._session.get(
                address,
                headers={"Range": f"bytes={offset}-"} if offset else {},
                stream=True,
                timeout=(self._patience.connect, self._patience.read),
            )
        except requests.exceptions.SSLError as error:
            raise Unavailable(innermost_reason(error)) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _Passing(innermost_reason(error)) from error
        except OSError as error:
            raise Unavailable(innermost_reason(error)) from error
        with response:
            first = self._first_byte(response, offset)
            try:
                self._receive(response, first)
            except urllib3.exceptions.HTTPError as error:
                raise _Passing(f"{self._broke_off()} ({innermost_reason(error)})") from error

    def _first_byte(self, response: Response, offset: int) -> int:
        """Position of the first byte that the server is going to send."""
        status, total = response.status_code, str(self._size)
        if status == 200:
            total, offset = response.headers.get("Content-Length", total), 0
        elif status == 206:
            answer = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if answer is None or int(answer["first"]) != offset:
                raise Unavailable("answers with another range than was asked for")
            total = total if answer["total"] == "*" else answer["total"]
        elif status == 416:
            raise Unavailable(f"its file has at most {offset} bytes, not {self._size}")
        elif status in _PASSING_STATUS or status >= 500:
            raise _Passing(f"HTTP {status} {response.reason}", _retry_after(response))
        else:
            raise Unavailable(f"HTTP {status} {response.reason}")
        if total != str(self._size):
            raise Unavailable(f"its file has {total} bytes, not {self._size}")
        return offset

    def _receive(self, response: Response, held: int) -> None:
        try:
            with self._part.open("ab" if held else "wb") as file:
                for block in response.raw.stream(_BLOCK, decode_content=False):
                    if self._stop.is_set():
                        raise Stopped
                    file.write(block)
                    file.flush()
                    held += len(block)
                    self._moved(held)
                    if held > self._size:
                        return
        except OSError as error:
            raise PruneError(
                f"{self._part} cannot be written: {error.strerror}; free some space ({self._size - held} bytes are"
                " missing) or choose another --cache, and repeat the command"
            ) from error
        if held < self._size:
            raise _Passing(self._broke_off())

    def _broke_off(self) -> str:
        return f"broke off after {self.held()} of {self._size} bytes"


def _retry_after(response: Response) -> float:
    try:
        return urllib3.Retry().get_retry_after(response.raw) or 0.0
    except urllib3.exceptions.InvalidHeader:
        return 0.0


def innermost_reason(error: BaseException) -> str:
    """What the innermost cause of an error says: the outer layers repeat it with object names around it."""
    while error.__context__ is not None:
        error = error.__context__
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
