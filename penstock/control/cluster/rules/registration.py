"""Brokers that run and do not serve: waited for while they advance, restarted where they cannot come to serve.

A broker that has lost its registration never registers again by itself (kafka.md 3.3). One that has just started reads its
logs first; ending it would make it begin at the first log again, so it is left alone as long as it gets on."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import serves, stalled
from penstock.model.ids import Role
from penstock.model.observation import ClusterView, Known
from penstock.model.plan import How, Stop


def registration(view: ClusterView, draft: Draft, now: datetime) -> None:
    """End the first broker that served in this run and is registered no more, or that gets no further towards serving."""
    if not isinstance(view.brokers, Known):
        return
    ended = False
    for node in view.layout:
        if node.id.role is not Role.BROKER or view.running(node.id) is None or draft.targeted(node.id):
            continue
        here = node.id.number in view.brokers.value
        if node.id in view.served and not here and not ended:
            because = f"{node.id} runs and is not registered; it serves nobody and cannot come back by itself"
            draft.act(Stop(node.id, How.AT_ONCE), because=because, heals=True)
            ended = True
        elif not serves(node.id, view) and (still := stalled(node.id, view, now)) is not None and not ended:
            state = "is not let in by the controllers" if here else "is not registered"
            at = f" with its logs ({told})" if (told := view.recovering.get(node.id)) else ""
            because = f"{node.id} runs, {state}, and has come no further{at} for {still.total_seconds():.0f} s"
            draft.act(Stop(node.id, How.AS_FUTILE), because=because, heals=True)
            ended = True
        elif (told := view.recovering.get(node.id)) is not None:
            draft.wait(on=str(node.id), because=f"it recovers its log: {told}", heals=True)
