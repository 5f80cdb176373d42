"""A disk that can be filled: a small tmpfs that only this process and its children see, and that ends with them."""

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 64 << 20  # bytes
_NEW_MOUNTS, _RECURSIVE, _PRIVATE, _DETACH = 0x00020000, 0x4000, 1 << 18, 2


@contextmanager
def own_disk(folder: Path) -> Iterator[bool]:
    """Mounts it on a folder, before any child is started; yields False where that is not allowed (only root may)."""
    libc = ctypes.CDLL(None)
    is_own = not os.geteuid() and not libc.unshare(_NEW_MOUNTS)
    is_own = is_own and not libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None)
    is_own = is_own and not libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={SIZE}".encode())
    try:
        yield is_own
    finally:
        if is_own:
            libc.umount2(os.fsencode(folder), _DETACH)


@contextmanager
def full(folder: Path, left: int) -> Iterator[None]:
    """While it lasts, the disk of a folder has so many bytes left, to a page."""
    ballast = folder / ".ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(folder).free - left))
    try:
        yield
    finally:
        ballast.unlink()
