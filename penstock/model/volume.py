"""How a volume stands: of which kind it is, how full, and how much of its room is ballast. All in bytes."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

MIB, GIB = 1 << 20, 1 << 30
LARGEST_BALLAST = 256 * MIB
"""Enough for a broker to load its logs, to write its checkpoints, and to be told of a shorter retention (kafka.md 7). In a
filesystem of its own it takes nothing of the disk below."""
LARGEST_SHARED_BALLAST = 32 * MIB
"""Of a directory, where it is taken from everything else on the disk: enough to load the logs and to write the checkpoints.
More room can be made anywhere on that disk, by whoever shares it."""
LOW_DISK = 2 * GIB
"""With less free, what volumes share is about to run out: a few segments."""
SCARCE_DISK = GIB // 2


class VolumeKind(StrEnum):
    """What holds a volume to its size. Decided when the volume is made, and never changed."""

    DIRECTORY = "directory"
    """Nothing: a folder on a disk that it shares. It is measured and warned about."""
    FILESYSTEM = "filesystem"
    """A filesystem of its own: full means full for this node alone."""


@frozen
class VolumeUse:
    """How full a volume is."""

    kind: VolumeKind
    size: int
    """What it was made for or has grown to; of a filesystem, the filesystem itself. 0: a directory from before sizes were
    written down."""
    used: int | None
    """What the node cannot fill any more: its data, and what a filesystem needs for itself. None where not measured yet; a
    directory is measured once a minute."""
    disk_free: int
    """Free on the disk that the volume lies on, shared with all else there: it may be less than the volume has left."""
    ballast: int = 0
    """A file that is worth nothing, deleted where the node needs room to start. No part of `used`; in a filesystem, part of
    `size`."""
    writable: bool = True
    """False where the system refuses every write: mounted read-only, by hand or after an error of the disk."""

    def __str__(self) -> str:
        used = "an amount not measured yet" if self.used is None else in_words(self.used)
        of = in_words(self.room) if self.size else "a size never written down"
        return f"{used} of {of}" + ("" if self.full is None else f" ({self.full:.0%})")

    @property
    def room(self) -> int:
        """What there is for the node to fill, empty: the size without the ballast in it."""
        return self.size - (self.ballast if self.kind is VolumeKind.FILESYSTEM else 0)

    @property
    def full(self) -> float | None:
        """The used part of the room; past 1 where nothing holds the volume to it."""
        return None if self.used is None or not self.size else self.used / self.room

    @property
    def left(self) -> int:
        """What can still be written: a directory may take all that its disk has."""
        if self.kind is VolumeKind.DIRECTORY or self.used is None:
            return self.disk_free
        return max(0, self.room - self.used)

    @property
    def exhausted(self) -> bool:
        """Less is left than a ballast: a node that ends in such a volume has ended for want of room, or soon will."""
        return self.left < self._share

    @property
    def ballast_due(self) -> int:
        """How much ballast to lay now; 0 where there is some, or so little room that it would only be in the way."""
        if self.ballast or not self.writable:
            return 0
        if self.kind is VolumeKind.DIRECTORY:
            due = min(self._share, self.disk_free // 100) if self.disk_free >= LOW_DISK else 0
        else:
            due = self._share if self.used is not None and self.used + self._share <= self.size * 9 // 10 else 0
        return due if due >= MIB else 0

    @property
    def _share(self) -> int:
        most = LARGEST_SHARED_BALLAST if self.kind is VolumeKind.DIRECTORY else LARGEST_BALLAST
        return min(most, self.size // 100)


def in_words(count: int) -> str:
    """Bytes for people: whole MiB below one GiB, else tenths of a GiB."""
    return f"{count // MIB} MiB" if count < GIB else f"{count / GIB:.1f}".removesuffix(".0") + " GiB"
