"""A node that ended in a full volume gets room to start in: the ballast is deleted, once. What is left then is told by `revive`."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.fullness import relieved
from penstock.model.action import Ballast
from penstock.model.observation import ClusterView, Gone, Known
from penstock.model.volume import VolumeUse, in_words


def relief(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Delete the ballast of every node that ended by itself with no room left, and gets none by its start."""
    for node in view.layout:
        match view.sighting(node.id):
            case Known(Gone(volume=VolumeUse() as volume, requested=False)) if volume.ballast and volume.exhausted:
                if not relieved(node, volume):
                    because = (
                        f"{node.id} ended and its volume is full ({in_words(volume.left)} left; it has {volume}): "
                        f"without the ballast of {in_words(volume.ballast)} it can start"
                    )
                    draft.act(Ballast(node.id, held=False), because=because, heals=True)
            case _:
                pass
