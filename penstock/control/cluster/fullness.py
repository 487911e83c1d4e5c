"""How full volumes are, in the words that rules, the status and events share. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from penstock.model.node import NodeSpec
from penstock.model.observation import ClusterView
from penstock.model.volume import GIB, LOW_DISK, SCARCE_DISK, VolumeKind, VolumeUse, in_words

LEVELS = (60, 85, 90, 95)
"""Percent of a volume. From the first on MSK recommends action, from the last on it is critical (msk.md 6.6)."""
WARNED = 85
"""From this level on events, `status` and `explain` say so too (kafka.md 7)."""
SLACK = 2
"""A level is left only so many percent below it: a volume on the edge is told of once."""
DISK = "disk"
"""Stands for the disk that all volumes of the cluster share: 85 where it is low, 95 where it is scarce."""


def levels(view: ClusterView) -> Mapping[str, int]:
    """The level of every volume that has reached one. What cannot be told now is as it was."""
    before = view.status.filled
    uses = {node.id.name: view.volume(node.id) for node in view.layout}
    after = {name: _level(use, before.get(name, 0)) for name, use in uses.items()}
    free = min((use.disk_free for use in uses.values() if use is not None), default=None)
    after[DISK] = before.get(DISK, 0) if free is None else _of_disk(free, before.get(DISK, 0))
    return {name: level for name, level in after.items() if level}


def _level(use: VolumeUse | None, before: int) -> int:
    if use is None or use.full is None:
        return before
    percent = 100 * use.full
    return max((each for each in LEVELS if percent >= each - (SLACK if each <= before else 0)), default=0)


def _of_disk(free: int, before: int) -> int:
    bounds = ((WARNED, LOW_DISK), (LEVELS[-1], SCARCE_DISK))
    return max((level for level, least in bounds if free < least * (5 if level <= before else 4) // 4), default=0)


def crossed(view: ClusterView, after: Mapping[str, int]) -> Iterator[str]:
    """A clause for each volume that came past another level that is warned of, and for each that has room again."""
    before = view.status.filled
    uses = {node.id.name: (node.id, use) for node in view.layout if (use := view.volume(node.id)) is not None}
    for name, (node, use) in uses.items():
        was, now = before.get(name, 0), after.get(name, 0)
        if now > was and now >= WARNED:
            yield f"the volume of {node} has reached {now} %: {use}"
        elif now < WARNED <= was:
            yield f"the volume of {node} has room again: {use}"
    was, now = before.get(DISK, 0), after.get(DISK, 0)
    free = in_words(min((use.disk_free for _, use in uses.values()), default=0))
    if uses and now > was:
        yield f"the disk that volumes lie on has {free} left"
    elif uses and now < WARNED <= was:
        yield f"the disk that volumes lie on has room again: {free}"


def warning(use: VolumeUse) -> tuple[str, str] | None:
    """What is wrong with a volume and what to do about it, a clause each; None where nothing is."""
    if not use.writable:
        return "is read-only", "look at the system log, and mount it for writing again"
    if use.full is not None and 100 * use.full >= WARNED:
        return (
            f"is nearly full, {use}",
            "give brokers larger volumes (UpdateBrokerStorage), or topics a shorter retention",
        )
    return None


def relieved(node: NodeSpec, volume: VolumeUse) -> bool:
    """Does the next start make it larger?"""
    return volume.kind is VolumeKind.FILESYSTEM and volume.size < node.resources.volume_gib * GIB


def stifled(volume: VolumeUse) -> str:
    """Why a node whose volume is full does not start, and what to do: a clause."""
    if volume.kind is VolumeKind.FILESYSTEM:
        what, fix = (
            "its volume is full",
            "give brokers larger volumes (UpdateBrokerStorage, which needs no broker that answers)",
        )
    else:
        what, fix = "the disk that its volume lies on is full", "free some space there"
    return f"{what} ({in_words(volume.left)} left; it has {volume}) and the ballast is used up: {fix}"
