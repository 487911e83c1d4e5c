"""Ballast: a file beside a node's data that is worth nothing, deleted when the node cannot start for want of room.

It lies on what the volume is made of (the filesystem's own root, or the folder), is root's, and goes wherever the volume goes.
A cut-off laying leaves a shorter file or an empty one, which counts as what it takes."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.compute.process import filesystem
from penstock.compute.process.home import Place

NAME = "ballast"
BLOCK = 512
"""Bytes in a unit of st_blocks (stat(2))."""


def where(place: Place) -> Path | None:
    """The file's place; None where the volume's filesystem is not mounted: below the mount point it would lie elsewhere."""
    if not place.disk.exists():
        return place.volume / NAME
    return place.disk / NAME if filesystem.mounted(place.disk) else None


def weight(place: Place) -> int:
    """Bytes that it takes; 0 where there is none. Raises OSError."""
    path = where(place)
    try:
        return 0 if path is None else path.stat().st_blocks * BLOCK
    except FileNotFoundError:
        return 0


def lay(place: Place, size: int) -> None:
    """So many bytes of the volume are taken. Raises OSError, and leaves nothing then."""
    path = where(place)
    if path is None or not size:
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError:
        drop(place)
        raise
    finally:
        os.close(handle)


def drop(place: Place) -> None:
    """Nothing is taken any more. Raises OSError."""
    path = where(place)
    if path is not None:
        path.unlink(missing_ok=True)
