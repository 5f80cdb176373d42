"""Reading fairseq's log while it is being written."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nmt_prune.files import refusal
from nmt_prune.processes import STOPPED, with_reason

_TAIL = 32 * 1024
_UPDATES = re.compile(r"num_updates[= ](\d+)|Loaded checkpoint .* @ (\d+) updates")
_BLEU = re.compile(r"\| bleu (\d+(?:\.\d+)?)")
_UPS, _WPS = (re.compile(rf"\b{name}[= ]([\d.]+(?:e[+-]?\d+)?)") for name in ("ups", "wps"))
_ERROR = re.compile(r"error|exception|killed|interrupt|no such|not found|cannot", re.IGNORECASE)
_LOGGED = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ \| (INFO|WARNING) \|")
_CHAIN = re.compile(r"^(The above exception was|During handling of the above)")


@dataclass(frozen=True)
class LogState:
    """How far a training is, or a search or a distillation in its place.

    Attributes:
        update: update number last logged; None before the first.
        bleu: last validation BLEU; None before the first validation.
        updates_per_second: as fairseq logged it last.
        words_per_second: likewise, target tokens.
        last_line: what was said last, such as the progress of what knows no updates.
    """

    update: int | None = None
    bleu: float | None = None
    updates_per_second: float | None = None
    words_per_second: float | None = None
    last_line: str = ""


def read_state(log: Path) -> LogState:
    """Reads the state off the end of a training's log, once for as long as nothing is added."""
    try:
        found = log.stat()
    except FileNotFoundError:
        return LogState()
    return _read_state(log, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=2048)
def _read_state(log: Path, size: int, written: int) -> LogState:
    text = read_tail(log)
    updates, bleus = _UPDATES.findall(text), _BLEU.findall(text)
    return LogState(
        update=int(updates[-1][0] or updates[-1][1]) if updates else None,
        bleu=float(bleus[-1]) if bleus else None,
        updates_per_second=_last_speed(_UPS, text),
        words_per_second=_last_speed(_WPS, text),
        last_line=next((line.strip() for line in reversed(text.splitlines()) if line.strip()), ""),
    )


def _last_speed(pattern: re.Pattern[str], text: str) -> float | None:
    """None where it was rounded to 0, too."""
    found = pattern.findall(text)
    return (float(found[-1]) or None) if found else None


def read_tail(log: Path, start: int = 0) -> str:
    """The last 32 KiB of a log; nothing before the byte ``start``."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - _TAIL))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def last_error(log: Path, start: int = 0) -> str:
    """The last line that speaks of an error, or else the last line; nothing before the byte ``start``."""
    lines = [line.strip() for line in read_tail(log, start).splitlines() if line.strip()]
    errors = [index for index, line in enumerate(lines) if _ERROR.search(line) and not _CHAIN.search(line)]
    if refused := refusal(lines[index] for index in errors):
        return refused  # what follows comes of it
    if not lines:
        return "it wrote nothing"
    return with_reason(lines, errors[-1] if errors else len(lines) - 1)


def dying_words(log: Path) -> str | None:
    """The error that a log ends with; None if what it ends with is none, Ctrl-C, or comes of a stop on request."""
    lines = [line.strip() for line in read_tail(log).splitlines() if line.strip()]
    if not lines or lines[-1].startswith("KeyboardInterrupt"):
        return None
    if lines[-1].endswith(f"exit code {STOPPED}"):
        return None  # of processes that train together, as torch says it
    is_error = bool(_ERROR.search(lines[-1])) and not _LOGGED.match(lines[-1])
    return last_error(log) if is_error else None
