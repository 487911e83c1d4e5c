"""The trial of a volume: some bytes are written to its disk and read back, before a node starts that failed by itself.

A disk that fails is told at once, with what to do, in place of a node that starts, reads for a while and halts, for ever. A
full volume and a read-only one are no fault of the disk: others deal with those."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from penstock.compute.base import ComputeError
from penstock.compute.process.home import Place
from penstock.model.observation import Gone, Known, Observed, Sighting

NAME = "probe"
SIZE = 64 << 10
"""Bytes: several blocks of any disk."""
FAULTS = (errno.EIO, errno.EUCLEAN, errno.ENXIO, errno.ENODEV)
"""The disk's own errors: it fails, what lies on it is damaged, it is not there any more."""


def due(seen: Observed[Sighting]) -> bool:
    """After a run that ended by itself and with an error of its own: a signal says nothing of the disk."""
    match seen:
        case Known(Gone(requested=False, clean=False, status=status)):
            return status.startswith("exit status")
        case _:
            return False


def probe(place: Place) -> None:
    """Raises ComputeError where the disk of the node's volume fails. The volume is mounted."""
    path = place.data.parent / NAME
    try:
        kept = _written_and_read(path)
    except OSError as error:
        if error.errno not in FAULTS:
            return
        raise ComputeError(_sentence(place, f"{os.strerror(error.errno)} when {path} was written and read")) from error
    if not kept:
        raise ComputeError(_sentence(place, f"{path} was read back otherwise than it was written"))


def _written_and_read(path: Path) -> bool:
    """Does the disk give back what it got? Raises OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        content = os.urandom(SIZE)
        written = os.pwrite(handle, content, 0)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)  # else it is memory that gives it back
        return os.pread(handle, SIZE, 0) == content[:written]
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)


def _sentence(place: Place, fault: str) -> str:
    return (
        f"the disk of the volume of {place.id} fails: {fault}; look at the system log, then mend the disk, or move {place.volume} "
        "away: the node gets a fresh volume where others have its data"
    )
