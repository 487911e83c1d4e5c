"""Room kept back on the home's disk for the day on which it is full: to start and to clean up even then.

A control plane that runs needs none of it: its database has room of its own (`dialect.make_room`)."""

from __future__ import annotations

import os
from pathlib import Path

RESERVE_FILE = "reserve"
RESERVE_BYTES = 4 << 20
"""Enough to open the store, and to write down what a removal goes by."""


class Reserve:
    """A file of zeros that is let go while a control plane starts, or a home is purged."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size

    def hold(self) -> bool:
        """Take the room, where there is that much; says whether it is held."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, self._size)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)
        return True

    def let_go(self) -> bool:
        """Give the room back to the disk; False where there was none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
