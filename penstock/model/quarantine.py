"""What lies in quarantine: volumes that were put aside, why, and when one of them goes by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import PurePath

from attrs import frozen

from penstock.model.ids import ClusterId, NodeId


class Aside(StrEnum):
    """Why a volume was put aside, as its place's name says and its label bears out."""

    RETIRED = "retired"
    """Its broker left the cluster after it was proved that nothing counts on it; the volume is proved to be that broker's."""
    UNPROVED = "unproved"
    """Its broker left the cluster likewise; that this is that broker's volume, nothing says."""
    FOREIGN = "foreign"
    """It lay in the place of a node that it does not belong to."""
    UNLABELLED = "unlabelled"
    """Nothing in it says whose it is."""
    CHANGED = "changed"
    """It was put aside as retired, and its label does not say so any more, or cannot be read."""
    STRANGE = "strange"
    """Its name is none that a quarantine gives."""
    REMOVED = "removed"
    """Its removal was begun, for good, and cut off: what is left is no volume any more."""

    @property
    def words(self) -> str:
        """A clause about the volume."""
        return _WORDS[self]


_WORDS = {
    Aside.RETIRED: "its broker left the cluster, empty",
    Aside.UNPROVED: "its broker left the cluster, and that the volume is that broker's is not proved",
    Aside.FOREIGN: "it lay in the place of a node that it does not belong to",
    Aside.UNLABELLED: "nothing in it says whose it is",
    Aside.CHANGED: "its broker left the cluster, and its label does not bear that out",
    Aside.STRANGE: "its name says nothing about it",
    Aside.REMOVED: "its removal was cut off",
}


@frozen
class Quarantined:
    """A volume in quarantine: in no node's place, and in nobody's use."""

    path: str
    why: Aside
    node: NodeId | None = None
    """In whose place it lay; None where its name does not say."""
    at: datetime | None = None
    """When it was put aside, by the clock of that day and as its name says."""
    occupied: int | None = None
    """Bytes that it takes on the disk; None where nobody measured, or it cannot be measured."""

    @property
    def name(self) -> str:
        """Unique in its quarantine."""
        return PurePath(self.path).name

    @property
    def cluster(self) -> ClusterId | None:
        return None if self.node is None else self.node.cluster

    @property
    def worthless(self) -> bool:
        """It is proved that nobody can want anything in it. All others are for a person to judge."""
        return self.node is not None and self.why in (Aside.RETIRED, Aside.REMOVED)

    def goes(self, keep: timedelta | None, born: datetime | None, now: datetime) -> datetime | None:
        """From when on it may go by itself; None: never, a person removes it.

        `keep`: for how long a retired volume stays, None for ever. `born`: when its cluster was made, None where there is no
        such cluster any more. A date before that, or after `now`, is of a clock that was wrong, and proves no age."""
        if not self.worthless or self.at is None or born is None or not born <= self.at <= now:
            return None
        if self.why is Aside.REMOVED:
            return self.at
        return None if keep is None else self.at + keep
