"""Volumes that are smaller than wanted grow, in use where the machine can; larger ones are satisfied."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import GIB, large_enough
from penstock.model.ids import Role
from penstock.model.observation import ClusterView, VolumeKind
from penstock.model.plan import Grow


def storage(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Grow every broker's volume to the size that the spec wants; where only a restart does that, want one."""
    for node in view.layout:
        running = view.running(node.id)
        if node.id.role is not Role.BROKER or running is None or running.volume is None or draft.targeted(node.id):
            continue
        if not large_enough(node, view):
            present = running.volume.size // GIB
            because = f"{node.resources.volume_gib} GiB are wanted and the volume of {node.id} has {present}"
            if view.grows_in_use or running.volume.kind is VolumeKind.DIRECTORY:
                draft.act(Grow(node), because=because)
            else:  # this machine cannot enlarge it in use; the next start does
                draft.restart(node.id, because=because)
