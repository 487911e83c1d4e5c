"""A broker that runs and is not registered never registers again by itself (kafka.md 3.3): it is restarted."""

from __future__ import annotations

from datetime import datetime, timedelta

from penstock.control.cluster.draft import Draft
from penstock.model.ids import Role
from penstock.model.observation import ClusterView, Known
from penstock.model.plan import How, Stop

GRACE = timedelta(seconds=60)
"""A starting broker is not registered yet; Kafka itself gives a registration 60 s and ours waits 120 s."""


def registration(view: ClusterView, draft: Draft, now: datetime) -> None:
    """End every broker that served in this run and that the controllers do not know any more."""
    match view.brokers:
        case Known(brokers):
            for node in view.layout:
                running = view.running(node.id)
                if node.id.role is not Role.BROKER or running is None or node.id.number in brokers:
                    continue
                if draft.targeted(node.id):
                    continue
                if node.id in view.served or now - running.since > GRACE:
                    draft.act(
                        Stop(node.id, How.AT_ONCE),
                        because=f"{node.id} runs and is not registered; it serves nobody and cannot come back by itself",
                        heals=True,
                    )
                    return
        case _:
            pass
