"""Leaders go back to the first replica of their partition once every broker serves that can: housekeeping, not healing."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import astray, awaited, serving
from penstock.model.action import Lead
from penstock.model.observation import ClusterView, Known


def leaders(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Elect preferred leaders where the preferred replica is in sync and does not lead."""
    match view.partitions:
        case Known() if not awaited(view) and not draft.going:
            if elsewhere := astray(view):
                draft.act(
                    Lead(serving(view)[0]), because=f"{len(elsewhere)} partitions are not led by their first replica"
                )
        case _:
            pass
