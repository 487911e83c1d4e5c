"""The lock of a home: whoever holds it is the home's control plane. The embedded form of a lease.

The kernel lets go of it when its holder dies, whatever the holder died of; so there is nothing to expire."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

from penstock.pki.private_file import write_private

_PATIENCE_SECONDS = 0.2


def _frozen(rows: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    return tuple(rows)


@frozen
class Holder:
    """What the control plane in charge says of itself. `listen` is the real `address:port`, also where port 0 was asked."""

    pid: int
    listen: str
    tls: bool = False
    insecure: bool = False
    """It lets in who does not sign."""
    settings: tuple[Mapping[str, Any], ...] = field(default=(), converter=_frozen)
    """Those that it was started with: `name`, `value` (fit for showing) and `source` of each."""

    @property
    def endpoint(self) -> str:
        """The listener as a URL."""
        return f"http{'s' if self.tls else ''}://{self.listen}"


class HomeLock:
    """A lock on `path`, and beside it (`path` + `.json`) what its holder says.

    Invariant: one holder at most; it ends with `release` or with the process. Children do not inherit it over exec."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = path.with_name(path.name + ".json")
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False where another process has it (or another HomeLock in this one). Raises OSError."""
        if self._descriptor is not None:
            return True
        descriptor = self._open()
        # Somebody who only looks (holder()) has it for an instant: that is no reason to give up.
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                os.close(descriptor)
                return False
            time.sleep(0.01)
        self._descriptor = descriptor
        self._said.unlink(missing_ok=True)  # the word of one who is gone
        return True

    def say(self, holder: Holder) -> None:
        """Write down where the holder listens, for others to find. Raises RuntimeError without the lock."""
        if self._descriptor is None:
            raise RuntimeError("Only the holder of a home may speak for it: acquire the lock first.")
        write_private(self._said, json.dumps(asdict(holder)).encode())

    def held(self) -> bool:
        """Whether somebody has the lock now, this object included."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def holder(self) -> Holder | None:
        """What the present holder says of itself; None where nobody holds the home, or the holder does not listen yet."""
        if not self.held():
            return None
        try:
            return Holder(**json.loads(self._said.read_bytes()))
        except FileNotFoundError:
            return None

    def release(self) -> None:
        """Let go. Nothing happens where the lock is not held."""
        if self._descriptor is not None:
            self._said.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
