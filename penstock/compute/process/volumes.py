"""Volumes: what nodes must not lose, each labelled with its owner, incarnation, kind and size."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from secrets import token_hex

from attrs import evolve, field, frozen

from penstock.compute.base import ComputeError
from penstock.compute.process import filesystem
from penstock.compute.process.errands import Errands
from penstock.compute.process.files import (
    delete,
    delete_if_empty,
    expand_bytes,
    give,
    inside,
    make_directory,
    sync_directory,
    told,
    write,
)
from penstock.compute.process.home import PASSABLE, Home, Place
from penstock.compute.process.label import LABEL, Label, read
from penstock.compute.process.quarantine import Quarantine
from penstock.compute.process.user import User
from penstock.model.node import Applies, NodeSpec
from penstock.model.quarantine import Aside
from penstock.model.volume import GIB, VolumeKind


class Foreign(ComputeError):
    """In the node's place lay a volume that is not its own. It lies in quarantine now and the place is empty."""


class Missing(ComputeError):
    """The volume that the node ran on is not in its place."""


def _stranger(label: Label | None) -> Aside:
    return Aside.UNLABELLED if label is None else Aside.FOREIGN


def missing(place: Place, incarnation: str) -> str:
    """What to say about it."""
    return (
        f"the volume {place.volume} that {place.id} ran on (incarnation {incarnation}) is not there: put it back from where it "
        "went (the quarantine of this home, or a backup)"
    )


def there(place: Place) -> bool:
    """Does a volume lie in the place? The shell of a filesystem without its image is none."""
    return os.path.lexists(place.volume) and (not os.path.lexists(place.disk) or os.path.lexists(place.image))


def chosen(kind: VolumeKind | None) -> tuple[VolumeKind, str | None]:
    """What new volumes are on this machine (None: a filesystem where it can, growth in use included), and a note on it."""
    if kind is VolumeKind.DIRECTORY:
        return (
            kind,
            "new volumes are directories that are watched; PENSTOCK_VOLUMES=auto makes filesystems where it can",
        )
    if obstacle := filesystem.why_not():
        return VolumeKind.DIRECTORY, f"new volumes cannot be filesystems of their size: {obstacle}"
    if obstacle := filesystem.why_not_in_use():
        if kind is None:
            return VolumeKind.DIRECTORY, f"new volumes are directories that are watched: {obstacle}"
        return kind, f"volumes grow at the next start of their node: {obstacle}"
    return VolumeKind.FILESYSTEM, None


@frozen
class Volumes:
    """The volumes of a home. `kind` is what new ones are; None: a filesystem where this machine can, else a directory.

    Invariant: a volume comes into its place by one rename, complete, formatted and labelled, and leaves it by one; so
    whatever lies there is whole. What has no label or another one is never used and never deleted, only moved away.
    A filesystem carries its label inside too: an empty mount point or another image is not taken for it."""

    home: Home
    user: User | None = None
    kind: VolumeKind | None = VolumeKind.DIRECTORY
    errands: Errands = field(factory=Errands, eq=False)

    @property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.home)

    def ensure(self, place: Place, node: NodeSpec, ran_on: str | None) -> None:
        """The node's own volume lies in its place afterwards: the one that was there, or a fresh one where there was none.

        `ran_on` is the incarnation that the node last started on. Raises Foreign where another volume lay there, and
        Missing where the node's own one is not there: an empty one under the same identity would pass for the full one."""
        label = Label(node.id.cluster, node.id.name, node.incarnation)
        if place.volume.exists():
            found = read(place.volume)
            if found is None or found != label:
                raise self._foreign(place, node, found)
            self._open(place, node, found)
            with told(f"taking over the volume of {node.id}"):
                if self.user is not None and place.data.stat().st_uid != self.user.uid:
                    give(place.data, self.user.owner)
            return
        if ran_on == node.incarnation:
            raise Missing(missing(place, node.incarnation))
        label = evolve(label, kind=self._wanted(node), gib=node.resources.volume_gib)
        with told(f"making the volume of {node.id} in {place.volume}"):
            self._make(place, node, label)
        self._open(place, node, label)

    def grow(self, place: Place, node: NodeSpec, in_use: bool) -> None:
        """As large as the node should have it, or larger. A filesystem that is not in use grows at the next start.

        Raises Missing, and ComputeError where another volume lies in the place: it stays there, untouched."""
        if not there(place):
            raise Missing(missing(place, node.incarnation))
        found = read(place.volume)
        if found is None or found != Label(node.id.cluster, node.id.name, node.incarnation):
            raise ComputeError(
                f"the volume in {place.volume} is not incarnation {node.incarnation} of {node.id}, so it was not made larger; "
                "the next start of the node puts it aside"
            )
        size = node.resources.volume_gib * GIB
        with told(f"looking at the size of the volume of {node.id}"):
            smaller = in_use and found.kind is VolumeKind.FILESYSTEM and filesystem.room(place.disk)[0] < size
        if smaller:
            if obstacle := filesystem.why_not_in_use():
                raise ComputeError(
                    f"the volume of {node.id} was not made larger: {obstacle}; restart the node, the start makes it larger"
                )
            self.errands.run(place.image, partial(filesystem.fit, place.image, place.disk, size))
        self._note_size(place, node, found)

    def _wanted(self, node: NodeSpec) -> VolumeKind:
        """What a new volume will be."""
        if self.kind is VolumeKind.FILESYSTEM and (obstacle := filesystem.why_not()):
            raise ComputeError(
                f"the volume of {node.id} should be a filesystem, and {obstacle}; "
                "mend that, or let it be a directory with PENSTOCK_VOLUMES=auto"
            )
        return chosen(self.kind)[0]

    def _make(self, place: Place, node: NodeSpec, label: Label) -> None:
        self._sweep(place)
        make_directory(place.volume.parent, PASSABLE)
        fresh = place.volume.with_name(f".{place.volume.name}.new-{token_hex(4)}")
        real = label.kind is VolumeKind.FILESYSTEM
        try:
            make_directory(fresh, PASSABLE)
            if real:
                # The filesystem is born with its content, unmounted: being cut off leaves files and nothing else.
                content = fresh / "content"
                self._fill(content, place, node, place.disk / "data", label)
                filesystem.make(fresh / place.image.name, node.resources.volume_gib * GIB, content)
                delete(content)
                make_directory(fresh / place.disk.name, PASSABLE)
                write(fresh / LABEL, label.content, durable=True)
            else:
                self._fill(fresh, place, node, place.volume / "data", label)
            fresh.rename(place.volume)
        except BaseException:
            delete(fresh)
            raise
        sync_directory(place.volume.parent)

    def _fill(self, root: Path, place: Place, node: NodeSpec, volume: Path, label: Label) -> None:
        """Data as the node finds them at its first start, and the label last. `volume` is where the data will be then."""
        owner = self.user.owner if self.user else None
        make_directory(root, PASSABLE)
        make_directory(root / "data", 0o750, owner)
        for file in node.files:
            if file.applies is Applies.FORMAT:
                path = inside(root / "data", file.path)
                make_directory(path.parent, 0o750, owner)
                content = expand_bytes(file.content, place.files, volume)
                write(path, content, 0o600 if file.secret else 0o640, owner, durable=True)
        if owner is not None:
            give(root / "data", owner)
        write(root / LABEL, label.content, durable=True)

    def _open(self, place: Place, node: NodeSpec, label: Label) -> None:
        """The data are in place and as large as wanted. Raises Missing and Foreign as `ensure` does."""
        if label.kind is VolumeKind.FILESYSTEM:
            if not there(place):
                raise Missing(missing(place, node.incarnation))
            size = node.resources.volume_gib * GIB
            self.errands.run(place.image, partial(filesystem.fit_at_rest, place.image, place.disk, size))
            filesystem.mount(place.image, place.disk)
            inner = read(place.disk)
            if inner is None or inner != label:
                raise self._foreign(place, node, inner)
        self._note_size(place, node, label)

    def _note_size(self, place: Place, node: NodeSpec, label: Label) -> None:
        """A size that was wanted once is never taken back: equal or smaller changes nothing."""
        if label.gib is None or label.gib < node.resources.volume_gib:
            with told(f"writing down the size of the volume of {node.id}"):
                write(place.volume / LABEL, evolve(label, gib=node.resources.volume_gib).content, durable=True)

    def _foreign(self, place: Place, node: NodeSpec, found: Label | None) -> Foreign:
        """It is in quarantine afterwards."""
        moved = self.quarantine.take(place, _stranger(found))
        owner = (
            "nobody (it has no readable label)"
            if found is None
            else f"{found.node} of {found.cluster}, incarnation {found.incarnation}"
        )
        return Foreign(
            f"the volume in the place of {node.id} belongs to {owner}, not to incarnation {node.incarnation} of this node; "
            f"it was not used and lies in {moved}: put the right volume into {place.volume}"
        )

    def remove(self, place: Place, incarnation: str | None, *, keep: bool = False) -> Path | None:
        """The node's volume is gone afterwards; one that is not its own lies in quarantine, with `keep` (the node has left
        its cluster, empty) any does, and that place is returned.

        `incarnation` is None where the node's own records do not say it: then cluster and node decide."""
        self._sweep(place)
        if not os.path.lexists(place.volume):
            delete_if_empty(place.volume.parent)
            return None
        found = read(place.volume)
        own = found is not None and (found.cluster, found.node) == (place.id.cluster, place.id.name)
        if found is None or not own or incarnation not in (None, found.incarnation):
            moved = self.quarantine.take(place, _stranger(found))
            delete_if_empty(place.volume.parent)
            return moved
        if keep:
            proved = incarnation is not None and self._holds(place, found)
            moved = self.quarantine.take(place, Aside.RETIRED if proved else Aside.UNPROVED)
            delete_if_empty(place.volume.parent)
            return moved
        filesystem.unmount(place.disk)
        with told(f"deleting the volume of {place.id}"):
            # Out of its place first: a deletion that is cut off must not leave a half-empty volume with a good label.
            place.volume.rename(place.volume.with_name(f".{place.volume.name}.gone-{token_hex(4)}"))
            self._sweep(place)
            delete_if_empty(place.volume.parent)
        return None

    def _holds(self, place: Place, label: Label) -> bool:
        """Is the filesystem in it the one that the label outside speaks of? Not proved where it is not mounted."""
        if label.kind is VolumeKind.DIRECTORY:
            return True
        return filesystem.mounted(place.disk) and read(place.disk) == label

    def _sweep(self, place: Place) -> None:
        """Delete what a cut-off making or deleting of this node's volume left."""
        with told(f"clearing leftovers beside the volume of {place.id}"):
            for pattern in (f".{place.volume.name}.new-*", f".{place.volume.name}.gone-*"):
                for left in place.volume.parent.glob(pattern):
                    filesystem.unmount(left / place.disk.name)
                    delete(left)
