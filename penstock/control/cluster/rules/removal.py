"""Nodes that should not exist are removed: all of a deleted cluster's, with what its retired brokers left in quarantine."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.model.action import Discard, Remove
from penstock.model.observation import ClusterView, Unknown


def removal(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Remove every sighted node that is not in the layout of a cluster that should exist."""
    if view.spec.removed:
        for node in sorted({*view.sightings, *view.strays}):
            draft.act(Remove(node), because="the cluster is deleted")
        if isinstance(view.quarantined, Unknown):
            draft.wait(on="the quarantine", because=view.quarantined.why)
        for volume in view.aside:
            if volume.worthless and volume.node is not None:
                draft.act(Discard(volume.node, volume.name), because="the cluster is deleted")
        return
    for node in sorted(set(view.strays) - set(view.spec.retired)):
        draft.wait(
            on=str(node), because="it is labelled with this cluster and the cluster does not know it; left alone"
        )
