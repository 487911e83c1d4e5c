"""Brokers that run and do not serve: waited for while they advance, restarted where they cannot come to serve.

A broker that has lost its registration never registers again by itself (kafka.md 3.3). One that has just started reads its
logs first; ending it would make it begin at the first log again, so it is left alone as long as it gets on."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import serves, stalled
from penstock.model.action import How, Stop
from penstock.model.ids import NodeId, Role
from penstock.model.observation import ClusterView, Known


def registration(view: ClusterView, draft: Draft, now: datetime) -> None:
    """End the first broker that served in this run and is registered no more, or that gets no further towards serving."""
    if not isinstance(view.brokers, Known):
        return
    there = [
        node.id
        for node in view.layout
        if node.id.role is Role.BROKER and view.running(node.id) is not None and not draft.targeted(node.id)
    ]
    for node in there:
        if (end := _futile(node, node.number in view.brokers.value, view, now)) is not None:
            how, because = end
            draft.act(Stop(node, how), because=because, heals=True)
            break
    for node in there:
        if (told := view.recovering.get(node)) is not None and not draft.targeted(node):
            draft.wait(on=str(node), because=f"it recovers its log: {told}", heals=True)


def _futile(node: NodeId, registered: bool, view: ClusterView, now: datetime) -> tuple[How, str] | None:
    """How to end a broker that does not come to serve by itself, and why; None where it serves, or advances."""
    if node in view.served and not registered:
        return How.AT_ONCE, f"{node} runs and is not registered; it serves nobody and cannot come back by itself"
    still = stalled(node, view, now) if not serves(node, view) else None
    if still is None:
        return None
    state = "is not let in by the controllers" if registered else "is not registered"
    at = f" with its logs ({told})" if (told := view.recovering.get(node)) else ""
    return How.AS_FUTILE, f"{node} runs, {state}, and has come no further{at} for {still.total_seconds():.0f} s"
