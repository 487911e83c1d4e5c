"""What retired brokers left in quarantine goes after its time, one volume at a time, while the cluster wants for nothing.

Only what is proved to be worthless; and not while anything is amiss: an old volume may be what somebody looks for then."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import PARTITIONS, Draft
from penstock.control.cluster.health import below_full, whole
from penstock.model.action import Discard
from penstock.model.observation import ClusterView
from penstock.model.quarantine import Quarantined
from penstock.model.spec import ClusterState


def quarantine(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Delete the oldest that is due."""
    due = [volume for volume in view.aside if _due(volume, view, now)]
    quiet = view.status.state is ClusterState.ACTIVE and view.operation is None
    if not due or view.spec.removed or not quiet or not whole(view):
        return
    if view.depth < PARTITIONS:
        draft.look(PARTITIONS)
    elif below_full(view) == () and due[0].node is not None:
        draft.act(Discard(due[0].node, due[0].name), because=f"{due[0].node} left the cluster on {due[0].at:%Y-%m-%d}")


def _due(volume: Quarantined, view: ClusterView, now: datetime) -> bool:
    goes = volume.goes(view.keep_quarantined, view.spec.created, now)
    return goes is not None and goes <= now
