"""Volumes that are smaller than wanted grow, in use where the machine can; larger ones are satisfied."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import large_enough, serves
from penstock.model.ids import Role
from penstock.model.observation import ClusterView
from penstock.model.operation import OperationKind
from penstock.model.plan import Grow
from penstock.model.volume import GIB, VolumeKind


def storage(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Grow every broker's volume to the size that the spec wants; where only a restart does that, want one."""
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
            elif view.grows_in_use or running.volume.kind is VolumeKind.DIRECTORY:
                draft.act(Grow(node), because=because)
            else:  # this machine cannot enlarge it in use; the next start does
                draft.restart(node.id, because=because)
