"""The user that nodes run as, and whether a path can be reached by it."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from attrs import frozen

from penstock.compute.base import ComputeError

DEFAULT = "nobody"


@frozen
class User:
    """A user of this machine. Invariant: only root runs nodes as another user; for all others there is no User."""

    name: str
    uid: int
    gid: int

    @property
    def owner(self) -> tuple[int, int]:
        return self.uid, self.gid


def choose(run_as: str | None) -> User | None:
    """Whom nodes run as, or None where they run as the control plane itself does."""
    me = os.geteuid()
    name = run_as or (DEFAULT if me == 0 else None)
    if name is None:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ComputeError(
            f"nodes should run as the user `{name}`, which this machine does not have; "
            "create that user or name another with PENSTOCK_RUN_AS"
        ) from None
    if entry.pw_uid == me:
        return None
    if me != 0:
        raise ComputeError(
            f"nodes should run as the user `{name}`, but only root may start processes as somebody else; "
            "start Penstock as root or leave PENSTOCK_RUN_AS out"
        )
    return User(name, entry.pw_uid, entry.pw_gid)


def refused_at(path: Path, user: User) -> Path | None:
    """The first directory on the way to a path (the path itself excluded) that the user may not enter, by its mode bits."""
    for directory in reversed(path.parents):
        facts = directory.stat()
        if facts.st_uid == user.uid:
            allowed = facts.st_mode & stat.S_IXUSR
        elif facts.st_gid == user.gid:
            allowed = facts.st_mode & stat.S_IXGRP
        else:
            allowed = facts.st_mode & stat.S_IXOTH
        if not allowed:
            return directory
    return None
