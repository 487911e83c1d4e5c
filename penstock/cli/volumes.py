"""Volumes in words and as JSON: of which kind they are and how full."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.model.ids import NodeId
from penstock.model.observation import Known, Observed, Running, Sighting, VolumeKind, VolumeUse

GIB = 1 << 30
MIB = 1 << 20
KINDS = {
    VolumeKind.DIRECTORY: "a directory, which nothing holds to its size",
    VolumeKind.FILESYSTEM: "a filesystem of its size",
}


def use(seen: Observed[Sighting] | None) -> VolumeUse | None:
    """Of a node that runs; None where it does not, or it cannot be told."""
    match seen:
        case Known(Running(volume=volume)):
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
    }


def sentences(nodes: Iterable[tuple[NodeId, VolumeUse | None]]) -> list[str]:
    """One for each kind: whose volumes are so, and how full."""
    known = [(node, volume) for node, volume in nodes if volume is not None]
    return [
        f"Each of these volumes is {words}: "
        + "; ".join(f"{node} has {filled(v)}" for node, v in known if v.kind is kind)
        + "."
        for kind, words in KINDS.items()
        if any(volume.kind is kind for _, volume in known)
    ]


def filled(volume: VolumeUse) -> str:
    used = "an amount not measured yet" if volume.used is None else size(volume.used)
    share = "" if volume.full is None else f" ({volume.full:.0%})"
    return f"{used} of {size(volume.size)}{share}"


def size(count: int) -> str:
    """Bytes for people: whole MiB below one GiB, else tenths of a GiB."""
    return f"{count // MIB} MiB" if count < GIB else f"{count / GIB:.1f}".removesuffix(".0") + " GiB"
