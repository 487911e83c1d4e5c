"""Volumes in words and as JSON: of which kind they are and how full."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.control.cluster.fullness import warning
from penstock.model.ids import NodeId
from penstock.model.observation import Gone, Known, Observed, Running, Sighting
from penstock.model.volume import LOW_DISK, VolumeKind, VolumeUse, in_words

KINDS = {
    VolumeKind.DIRECTORY: "a directory, which nothing holds to its size",
    VolumeKind.FILESYSTEM: "a filesystem of its size",
}


def use(seen: Observed[Sighting] | None) -> VolumeUse | None:
    """Of a node that runs or ran; None where it cannot be told."""
    match seen:
        case Known(Running(volume=volume)) | Known(Gone(volume=volume)):
            return volume
        case _:
            return None


def as_value(volume: VolumeUse | None) -> dict[str, Any] | None:
    """For `--json`: kind, and bytes."""
    if volume is None:
        return None
    return {
        "kind": volume.kind.value,
        "size": volume.size,
        "used": volume.used,
        "disk_free": volume.disk_free,
        "ballast": volume.ballast,
        "writable": volume.writable,
    }


def sentences(nodes: Iterable[tuple[NodeId, VolumeUse | None]]) -> list[str]:
    """One for each kind: whose volumes are so, and how full."""
    known = [(node, volume) for node, volume in nodes if volume is not None]
    return [
        f"Each of these volumes is {words}: "
        + "; ".join(f"{node} has {v}" for node, v in known if v.kind is kind)
        + "."
        for kind, words in KINDS.items()
        if any(volume.kind is kind for _, volume in known)
    ]


def warnings(nodes: Iterable[tuple[NodeId, VolumeUse | None]]) -> list[str]:
    """What is wrong with volumes, and what to do: a sentence for each, and one for the disk that they share."""
    known = [(node, volume) for node, volume in nodes if volume is not None]
    said = [f"The volume of {node} {wrong[0]}: {wrong[1]}." for node, volume in known if (wrong := warning(volume))]
    free = min((volume.disk_free for _, volume in known), default=LOW_DISK)
    return said + (
        [f"The disk that volumes lie on has {in_words(free)} left: make room there."] if free < LOW_DISK else []
    )
