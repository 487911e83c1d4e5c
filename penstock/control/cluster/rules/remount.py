"""A node whose volume became read-only is to be restarted, since a start mounts it for writing again; once, then people are asked."""

from __future__ import annotations

from datetime import datetime, timedelta

from penstock.control.cluster.draft import Draft
from penstock.model.observation import ClusterView
from penstock.model.volume import VolumeKind

TRIED = timedelta(minutes=10)
"""A run this young began with a mount that was meant to help."""


def remount(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Want a restart of every node whose volume takes no writes. It need not be soon: Kafka itself notices only when it writes,
    and ends then, which is as good."""
    for node in view.layout:
        running = view.running(node.id)
        if running is None or running.volume is None or running.volume.writable or draft.targeted(node.id):
            continue
        if running.volume.kind is VolumeKind.DIRECTORY:
            why = (
                "the disk that its volume lies on is read-only: look at the system log, and mount it for writing again"
            )
            draft.wait(on=str(node.id), because=why, heals=True)
        elif now - running.since < TRIED:
            why = "its volume is read-only again soon after a start that mounted it afresh: look at the disk and the system log"
            draft.wait(on=str(node.id), because=why, heals=True)
        else:
            draft.restart(node.id, because=f"the volume of {node.id} has become read-only; a start mounts it afresh")
