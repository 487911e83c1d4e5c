"""The cache folder's manners: one writer at a time, and everything in it readable by the users that nodes run as."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """One process at a time works on the path; the kernel frees the lock when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def open_to_all(*folders: Path) -> None:
    """Let every user enter and read the folders, whatever the umask says: nodes may run as another user."""
    for folder in folders:
        folder.chmod(0o755)


def publish(path: Path, content: bytes, mtime: int | None = None) -> None:
    """Put the content at the path in one step, readable by all; of two writers the last one wins, whole."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        draft.write_bytes(content)
        draft.chmod(0o644)
        if mtime is not None:
            os.utime(draft, (mtime, mtime))
        sync(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file or a folder's entries to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
