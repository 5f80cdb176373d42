"""A web server on the loopback that serves a folder and misbehaves as told."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path

_BLOCK = 1 << 14
_LONGEST = 30  # seconds that an answer is held back, where what it waits for never happens


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer.

    Attributes:
        status: HTTP status; an error has no body.
        headers: sent besides the usual ones.
        close_after: bytes of the body after which the connection is closed.
        stall_after: bytes of the body after which nothing comes any more.
        hold_after: bytes of the body after which the rest waits for ``Mirror.go_on``.
        pause: seconds between two blocks of 16 KiB.
        no_ranges: serve the whole file whatever is asked for.
        no_length: do not say how long the body is.
        range_from: position that the answer claims to begin at.
        body: served in the place of the file.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    close_after: int | None = None
    stall_after: int | None = None
    hold_after: int | None = None
    pause: float = 0.0
    no_ranges: bool = False
    no_length: bool = False
    range_from: int | None = None
    body: bytes | None = None


@dataclass
class Request:
    """What was asked for, and how many bytes of a body went out."""

    path: str
    range: str | None
    began: float
    served: int = 0


class Mirror:
    """The server; ``requests`` tells what happened.

    Args:
        folder: what it serves.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[Request] = []
        self.faults: dict[str, Iterator[Fault]] = {}
        self.closing, self.go_on = threading.Event(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def misbehave(self, path: str, *faults: Fault, for_ever: bool = False) -> None:
        """Has the next answers for ``path`` one fault each; then, unless it is ``for_ever``, all is well."""
        self.faults[path] = repeat(faults[0]) if for_ever else iter(faults)

    def served(self) -> int:
        """Bytes of all bodies."""
        return sum(request.served for request in self.requests)

    @contextmanager
    def running(self) -> Iterator["Mirror"]:
        """Serves while the context lasts."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()


def _handler(mirror: Mirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            request = Request(self.path, self.headers.get("Range"), time.monotonic())
            mirror.requests.append(request)
            fault = next(mirror.faults.get(self.path, iter(())), Fault())
            file = mirror.folder / self.path.lstrip("/")
            if fault.status != 200 or not (file.is_file() or fault.body is not None):
                self._head(fault.status if fault.status != 200 else 404, 0, fault)
                return
            content = fault.body if fault.body is not None else file.read_bytes()
            try:
                for block in self._answer(content, request.range, fault):
                    request.served += len(block)  # first: who has it all may ask at once what was served
                    self.wfile.write(block)
                    time.sleep(fault.pause)
            except OSError:
                self.close_connection = True

        def _answer(self, content: bytes, wanted: str | None, fault: Fault) -> Iterable[bytes]:
            first = 0 if wanted is None or fault.no_ranges else int(wanted.removeprefix("bytes=").removesuffix("-"))
            if first and first >= len(content):
                self._head(416, 0, fault)
                return
            body = content[first:]
            if first:
                begin = first if fault.range_from is None else fault.range_from
                content_range = f"bytes {begin}-{len(content) - 1}/{len(content)}"
                self._head(206, len(body), fault, {"Content-Range": content_range})
            else:
                self._head(200, len(body), fault)
            cuts = [cut for cut in (fault.close_after, fault.stall_after) if cut is not None]
            body = body[: min(cuts, default=len(body))]
            for start in range(0, len(body), _BLOCK):
                if fault.hold_after is not None and start >= fault.hold_after:
                    mirror.go_on.wait(_LONGEST)
                yield body[start : start + _BLOCK]
            if fault.stall_after is not None:
                self.wfile.flush()
                mirror.closing.wait()

        def _head(self, status: int, length: int, fault: Fault, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            if not fault.no_length:
                self.send_header("Content-Length", str(length))
            for name, value in {**(headers or {}), **fault.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.close_connection = fault != Fault() or status >= 400

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler
