"""Volumes that are smaller than wanted grow, in use where the machine can; larger ones are satisfied.

A filesystem that is enlarged in use is in doubt until its broker is seen to serve from it: so one at a time, and none while
another broker does not serve. A directory is only written down as larger: those all at once."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import large_enough, serves
from penstock.model.action import Grow
from penstock.model.ids import NodeId, Role
from penstock.model.observation import ClusterView, Unknown
from penstock.model.operation import OperationKind
from penstock.model.volume import GIB, VolumeKind


def storage(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Grow every broker's volume to the size that the spec wants; where only a restart does that, want one."""
    busy = ", ".join(map(str, _doubtful(view, draft)))
    for node in view.layout:
        running = view.running(node.id)
        if node.id.role is not Role.BROKER or running is None or draft.targeted(node.id):
            continue
        if running.volume is None:
            if view.operation is not None and view.operation.kind is OperationKind.UPDATE_BROKER_EBS_VOLUME:
                why = "its volume cannot be looked at (it is not mounted, or its disk does not answer), so nobody knows its size"
                draft.wait(on=str(node.id), because=f"{why}; look at the system log, and restart the broker")
        elif not large_enough(node, view):
            present = running.volume.size // GIB if running.volume.size else "a size never written down"
            because = f"{node.resources.volume_gib} GiB are wanted and the volume of {node.id} has {present}"
            if running.volume.exhausted and not serves(node.id, view):
                # A run that is about to end in the full volume: grown under it, its end would be held against the new size.
                draft.wait(
                    on=str(node.id),
                    because=f"{because}; it does not serve, and the start after this run makes it larger",
                )
            elif running.volume.kind is VolumeKind.DIRECTORY:
                draft.act(Grow(node), because=because)
            elif not running.volume.writable:
                continue  # it cannot grow: the start that mounts it afresh does that too, or people are asked (`remount`)
            elif not view.grows_in_use:  # this machine cannot; the next start does
                draft.restart(node.id, because=because)
            elif busy and busy != str(node.id):
                draft.wait(on=str(node.id), because=f"{because}; one volume at a time, and {busy} must serve first")
            else:
                draft.act(Grow(node), because=because)
                busy = str(node.id)


def _doubtful(view: ClusterView, draft: Draft) -> tuple[NodeId, ...]:
    """Brokers that do not serve from a filesystem which can be looked at (it may be the growing that hurt it), or is just
    mounted or made; and those that cannot be seen at all."""
    return tuple(node.id for node in view.layout if node.id.role is Role.BROKER and _in_doubt(node.id, view, draft))


def _in_doubt(node: NodeId, view: ClusterView, draft: Draft) -> bool:
    volume = view.volume(node)
    if volume is None:
        unseen = isinstance(view.sighting(node), Unknown)
        return (unseen or draft.targeted(node)) and not serves(node, view)
    return volume.kind is VolumeKind.FILESYSTEM and not (volume.writable and serves(node, view))
