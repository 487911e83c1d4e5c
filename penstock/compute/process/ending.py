"""Ending processes of nodes, and proving that none is left."""

from __future__ import annotations

import fcntl
import os
import time
from signal import Signals

from penstock.compute.base import ComputeError
from penstock.compute.process import process
from penstock.compute.process.files import told
from penstock.compute.process.home import Place
from penstock.compute.process.run import Run, Witness

DIE_SECONDS = 10.0
"""A process that SIGKILL does not end within so long hangs in the kernel (a dead disk, mostly)."""
KEEPER_SECONDS = 1.0
"""A keeper whose node has ended has so long to write that down before it is ended too."""


def kill(witness: Witness, place: Place, run: Run) -> None:
    """The node's process and its keeper are gone afterwards. Raises ComputeError where the kernel holds on to it."""
    process.send(run.process, Signals.SIGKILL)
    if not process.wait(run.process, DIE_SECONDS):
        raise ComputeError(
            f"{place.id} (pid {run.process.pid}) did not end within {DIE_SECONDS:.0f} s of SIGKILL: it hangs in the kernel, "
            "mostly on a disk that does not answer; mend the disk or restart the machine"
        )
    release(witness, place)


def release(witness: Witness, place: Place) -> None:
    """The keeper of a node that has ended is gone afterwards; one that does not go by itself is ended."""
    try:
        keeper = witness.keeper(place)
    except (OSError, ValueError, KeyError, TypeError):
        return  # without a record there is none to wait for; the lock decides
    if keeper is not None and not process.wait(keeper, KEEPER_SECONDS):
        process.send(keeper, Signals.SIGKILL)
        process.wait(keeper, KEEPER_SECONDS)


def prove_unused(place: Place) -> None:
    """Nobody holds the node's lock. Raises ComputeError."""
    path = place.directory / "lock"
    until = time.monotonic() + KEEPER_SECONDS
    with told(f"looking whether {place.id} is still in use"):
        if not path.exists():
            return
        with path.open("rb") as file:
            while not _locked(file.fileno()):
                if time.monotonic() > until:
                    break
                time.sleep(0.01)
            else:
                return
        holders = ", ".join(process.program(pid) for pid in process.users_of(path) if pid != os.getpid())
    raise ComputeError(
        f"{place.id} was not removed: {holders or 'a process that cannot be seen'} still holds its lock and may use the volume; "
        "end that process"
    )


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
