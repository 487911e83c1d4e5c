"""Volumes: the directories that hold what nodes must not lose, each labelled with its owner and incarnation."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from attrs import frozen

from penstock.compute.base import ComputeError
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
from penstock.compute.process.user import User
from penstock.model.ids import ClusterId
from penstock.model.node import Applies, NodeSpec

LABEL = "volume.json"


@frozen
class Label:
    """Whose volume it is. Equal labels or it is a stranger's."""

    cluster: str
    node: str
    incarnation: str


class Foreign(ComputeError):
    """In the node's place lay a volume that is not its own. It lies in quarantine now and the place is empty."""


class Missing(ComputeError):
    """The volume that the node ran on is not in its place."""


def missing(place: Place, incarnation: str) -> str:
    """What to say about it."""
    return (
        f"the volume {place.volume} that {place.id} ran on (incarnation {incarnation}) is not there: put it back from where it "
        "went (the quarantine of this home, or a backup)"
    )


@frozen
class Volumes:
    """The volumes of a home.

    Invariant: a volume comes into its place by one rename, complete, formatted and labelled, and leaves it by one; so
    whatever lies there is whole. What has no label or another one is never used and never deleted, only moved away."""

    home: Home
    user: User | None = None

    def ensure(self, place: Place, node: NodeSpec, ran_on: str | None) -> None:
        """The node's own volume lies in its place afterwards: the one that was there, or a fresh one where there was none.

        `ran_on` is the incarnation that the node last started on. Raises Foreign where another volume lay there, and
        Missing where the node's own one is not there: an empty one under the same identity would pass for the full one."""
        label = Label(node.id.cluster, node.id.name, node.incarnation)
        if place.volume.exists():
            found = self.label(place.volume)
            if found != label:
                moved = self.put_away(place, "unlabelled" if found is None else "foreign")
                owner = (
                    "nobody (it has no readable label)"
                    if found is None
                    else f"{found.node} of {found.cluster}, incarnation {found.incarnation}"
                )
                raise Foreign(
                    f"the volume in the place of {node.id} belongs to {owner}, not to incarnation {node.incarnation} of this node; "
                    f"it was not "
                    f"used and lies in {moved}: put the right volume into {place.volume}"
                )
            with told(f"taking over the volume of {node.id}"):
                if self.user is not None and place.data.stat().st_uid != self.user.uid:
                    give(place.data, self.user.owner)
            return
        if ran_on == node.incarnation:
            raise Missing(missing(place, node.incarnation))
        with told(f"making the volume of {node.id} in {place.volume}"):
            self._make(place, node, label)

    def _make(self, place: Place, node: NodeSpec, label: Label) -> None:
        self._sweep(place)
        make_directory(place.volume.parent, PASSABLE)
        fresh = place.volume.with_name(f".{place.volume.name}.new-{token_hex(4)}")
        owner = self.user.owner if self.user else None
        try:
            make_directory(fresh, PASSABLE)
            make_directory(fresh / "data", 0o750, owner)
            for file in node.files:
                if file.applies is Applies.FORMAT:
                    path = inside(fresh / "data", file.path)
                    make_directory(path.parent, 0o750, owner)
                    content = expand_bytes(file.content, place.files, place.data)
                    write(path, content, 0o600 if file.secret else 0o640, owner, durable=True)
            if owner is not None:
                give(fresh / "data", owner)
            write(
                fresh / LABEL,
                json.dumps({"cluster": label.cluster, "node": label.node, "incarnation": label.incarnation}).encode(),
                durable=True,
            )
            fresh.rename(place.volume)
        except BaseException:
            delete(fresh)
            raise
        sync_directory(place.volume.parent)

    def label(self, volume: Path) -> Label | None:
        """Whose volume it is; None where it has no label that can be understood. Raises ComputeError where it cannot be read."""
        with told(f"reading the label of {volume}"):
            try:
                record = json.loads((volume / LABEL).read_bytes())
                return Label(record["cluster"], record["node"], record["incarnation"])
            except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
                return None

    def remove(self, place: Place, incarnation: str | None) -> Path | None:
        """The node's volume is gone afterwards; one that is not its own lies in quarantine, and that place is returned.

        `incarnation` is None where the node's own records do not say it: then cluster and node decide."""
        self._sweep(place)
        if not os.path.lexists(place.volume):
            delete_if_empty(place.volume.parent)
            return None
        found = self.label(place.volume)
        own = found is not None and (found.cluster, found.node) == (place.id.cluster, place.id.name)
        if found is None or not own or incarnation not in (None, found.incarnation):
            moved = self.put_away(place, "unlabelled" if found is None else "foreign")
            delete_if_empty(place.volume.parent)
            return moved
        with told(f"deleting the volume of {place.id}"):
            # Out of its place first: a deletion that is cut off must not leave a half-empty volume with a good label.
            place.volume.rename(place.volume.with_name(f".{place.volume.name}.gone-{token_hex(4)}"))
            self._sweep(place)
            delete_if_empty(place.volume.parent)
        return None

    def quarantined(self, cluster: ClusterId) -> list[str]:
        """Where volumes from places of the cluster lie in quarantine, oldest first."""
        with told("looking into the quarantine"):
            if not self.home.quarantine.is_dir():
                return []
            found = (
                path for path in self.home.quarantine.iterdir() if path.name.partition("-")[2].startswith(f"{cluster}-")
            )
            return [str(path) for path in sorted(found)]

    def put_away(self, place: Place, reason: str) -> Path:
        """Move whatever lies in the place to quarantine; the new place."""
        with told(f"moving the volume in the place of {place.id} to quarantine"):
            make_directory(self.home.quarantine, 0o700)
            when = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
            moved = self.home.quarantine / f"{when}-{place.id.cluster}-{place.id.name}-{reason}"
            place.volume.rename(moved)
            sync_directory(self.home.quarantine)
            return moved

    def _sweep(self, place: Place) -> None:
        """Delete what a cut-off making or deleting of this node's volume left."""
        with told(f"clearing leftovers beside the volume of {place.id}"):
            for pattern in (f".{place.volume.name}.new-*", f".{place.volume.name}.gone-*"):
                for left in place.volume.parent.glob(pattern):
                    delete(left)
