"""A volume that has no ballast and room for it gets some: after it has grown, after a retention, or from before there was any."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import missing
from penstock.model.action import Ballast
from penstock.model.observation import ClusterView
from penstock.model.volume import in_words


def ballast(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Lay it where all is well: it is for another day."""
    if view.depth < 2 or missing(view):
        return
    for node in view.layout:
        running = view.running(node.id)
        if running is None or running.volume is None or draft.targeted(node.id):
            continue
        if due := running.volume.ballast_due:
            because = f"the volume of {node.id} has room for a ballast of {in_words(due)}"
            draft.act(Ballast(node.id, held=True), because=because)
