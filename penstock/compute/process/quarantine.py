"""The quarantine of a home: volumes that were taken out of their places, whole, each under a name that says when, whose and why.

Invariant: a name that ends in `-retired` was given to a volume that was proved to be the retired node's own. A removal first
takes the name away (`-removed`): what is half deleted never passes for a volume, and the next removal finishes it."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen

from penstock.compute.base import ComputeError
from penstock.compute.process import filesystem
from penstock.compute.process.files import delete, make_directory, sync_directory, told
from penstock.compute.process.gauge import occupied
from penstock.compute.process.home import Home, Place
from penstock.compute.process.label import read
from penstock.model.ids import ClusterId, NodeId, Role
from penstock.model.quarantine import Aside, Quarantined

_WHEN = "%Y%m%dT%H%M%S.%fZ"
_GONE = f"-{Aside.REMOVED}"
_NAME = re.compile(
    rf"(?P<when>\d{{8}}T\d{{6}}\.\d{{6}}Z)-(?P<cluster>[A-Za-z0-9][A-Za-z0-9._-]*)-(?P<role>{'|'.join(Role)})-(?P<number>\d{{1,9}})"
    rf"-(?P<why>[a-z]+)(?P<gone>{_GONE})?"
)


@frozen
class Quarantine:
    """Of one home; its folder need not exist."""

    home: Home

    def take(self, place: Place, why: Aside) -> Path:
        """Whatever lies in a node's place lies here afterwards, unmounted; its new place."""
        filesystem.unmount(place.disk)
        with told(f"moving the volume in the place of {place.id} to quarantine"):
            make_directory(self.home.quarantine, 0o700)
            name = f"{datetime.now(UTC).strftime(_WHEN)}-{place.id.cluster}-{place.id.name}-{why}"
            moved = self.home.quarantine / name
            place.volume.rename(moved)
            sync_directory(self.home.quarantine)
            return moved

    def look(self, cluster: ClusterId | None = None, *, measured: bool = False) -> list[Quarantined]:
        """What lies here, of one cluster or all of it, oldest first. Only looks. `measured`: and walks each, for its bytes."""
        with told("looking into the quarantine"):
            try:
                paths = sorted(self.home.quarantine.iterdir())
            except FileNotFoundError:
                return []
        found = [seen for path in paths if cluster in (None, (seen := _seen(path)).cluster)]
        return [evolve(each, occupied=_weight(Path(each.path))) for each in found] if measured else found

    def discard(self, name: str) -> None:
        """Delete one, whatever it is; nothing where there is none of the name. One at a time, whoever asks.

        Raises ComputeError, also where something is mounted in it that cannot be unmounted or is not the volume's own."""
        path = self.home.quarantine / name
        if path.parent != self.home.quarantine or path.name != name or name in ("", ".", ".."):
            raise ComputeError(f"`{name}` is no name in quarantine; `penstock quarantine` lists them")
        with told(f"deleting {path}"), self._alone():
            if path.is_dir() and not path.is_symlink():
                path = self._unnamed(path)
            delete(path)

    def _unnamed(self, path: Path) -> Path:
        """Nothing is mounted in it, and its name says that it is being deleted."""
        filesystem.unmount(path / "disk")
        if inner := filesystem.mounts_below(path):
            raise ComputeError(f"{path} was not deleted: {inner[0]} is mounted in it; unmount that first")
        if path.name.endswith(_GONE):
            return path
        gone = path.rename(path.with_name(f"{path.name}{_GONE}"))
        sync_directory(self.home.quarantine)
        return gone

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process and no other thread deletes anything here."""
        if not self.home.quarantine.is_dir():
            yield
            return
        handle = os.open(self.home.quarantine, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _seen(path: Path) -> Quarantined:
    said = _NAME.fullmatch(path.name)
    if said is None or path.is_symlink():
        return Quarantined(str(path), Aside.STRANGE)
    node = NodeId(ClusterId(said["cluster"]), Role(said["role"]), int(said["number"]))
    try:
        at = datetime.strptime(said["when"], _WHEN).replace(tzinfo=UTC)
        why = Aside(said["why"])
    except ValueError:
        return Quarantined(str(path), Aside.STRANGE)
    if said["gone"]:
        why = Aside.REMOVED
    elif why is Aside.RETIRED and not _belongs(path, node):
        why = Aside.CHANGED
    elif why not in (Aside.RETIRED, Aside.UNPROVED, Aside.FOREIGN, Aside.UNLABELLED):
        return Quarantined(str(path), Aside.STRANGE)
    return Quarantined(str(path), why, node, at)


def _belongs(path: Path, node: NodeId) -> bool:
    try:
        label = read(path)
    except ComputeError:
        return False  # a disk that cannot be read proves nothing
    return label is not None and (label.cluster, label.node) == (node.cluster, node.name)


def _weight(path: Path) -> int | None:
    try:
        return occupied(path)
    except OSError:
        return None
