"""Leaders go back to the first replica of their partition once every broker serves: housekeeping, not healing."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import missing
from penstock.model.ids import Role
from penstock.model.observation import ClusterView, Known
from penstock.model.plan import Lead


def leaders(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Elect preferred leaders where the preferred replica is in sync and does not lead."""
    match view.partitions:
        case Known(partitions) if not missing(view) and not draft.going:
            astray = [p for p in partitions if p.replicas and p.leader != p.replicas[0] and p.replicas[0] in p.isr]
            if astray:
                asked = next(node.id for node in view.layout if node.id.role is Role.BROKER)
                draft.act(Lead(asked), because=f"{len(astray)} partitions are not led by their first replica")
        case _:
            pass
