"""Nodes that ended are started again, on their old storage and at their old address.

A broker that starts while its old registration is alive is refused until the session ends (kafka.md 3.3). Where it is
proved dead, alone in that, and every partition of its has another live in-sync replica, it is unregistered first."""

from __future__ import annotations

from datetime import datetime, timedelta

from penstock.control.cluster.draft import PARTITIONS, Draft
from penstock.control.cluster.fullness import relieved, stifled
from penstock.control.cluster.health import left_alone, missing, serving
from penstock.model.action import Start, Unregister
from penstock.model.ids import Role
from penstock.model.node import NodeSpec
from penstock.model.observation import ClusterView, Gone, Known, Unknown

LONGEST_PAUSE = timedelta(seconds=60)
SESSION = timedelta(seconds=4)
"""A registration outlives its broker so long at most (`broker.session.timeout.ms`, and a heartbeat); after that a start
needs no unregistering, so one that fails holds up nobody for longer."""


def pause(short_runs: int) -> timedelta:
    """How long a node rests that ended soon after its start so many times in a row: 0, 0, 2, 4, 8 … 60 s."""
    if short_runs < 2:
        return timedelta()
    return min(timedelta(seconds=2 ** min(short_runs - 1, 6)), LONGEST_PAUSE)


def revive(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Start again every node that should run and is known to be gone."""
    gone = [(node, seen.value) for node in view.layout if isinstance(seen := view.sighting(node.id), Known)]
    dead = [(node, sighting) for node, sighting in gone if isinstance(sighting, Gone)]
    for node, sighting in dead:
        if sighting.requested and view.spec.place(node.id).leaving:
            continue  # it was stopped to leave: `scale_in` has it
        if left_alone(node.id, view):
            continue
        rest, why = _rest(node, sighting)
        # Where nobody saw the end there is nothing to count a pause from.
        due = sighting.at + rest if sighting.at else now
        if rest and due > now and not sighting.requested:
            draft.wait(
                on=str(node.id),
                because=why,
                until=due,
                heals=True,
            )
            continue
        because = f"{node.id} was stopped by us" if sighting.requested else f"{node.id} ended with {sighting.status}"
        recent = sighting.at is not None and now - sighting.at < SESSION
        if recent and _unregister_first(node, len(dead), view, draft):
            draft.act(Unregister(node.id, serving(view)), because=because, heals=True)
        draft.act(Start(node), because=because, heals=True)


def _rest(node: NodeSpec, gone: Gone) -> tuple[timedelta, str]:
    """How long it rests, and why. In a volume that stays full a start is in vain; in one that the start enlarges it is the remedy."""
    volume = gone.volume
    if gone.short_runs and volume is not None and volume.exhausted:
        if relieved(node, volume):
            return timedelta(), ""
        if not volume.ballast:
            return LONGEST_PAUSE, stifled(volume)
    return pause(gone.short_runs), f"it ended soon after its start {gone.short_runs} times in a row ({gone.status})"


def _unregister_first(node: NodeSpec, dead: int, view: ClusterView, draft: Draft) -> bool:
    """The rules of UnregisterBroker: one broker at a time, proved dead, every partition of its held by another live broker.

    So a batch of several waits for its sessions to end (decision 0024)."""
    if node.id.role is not Role.BROKER or dead != 1 or draft.going or not view.status.completed:
        return False
    if view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return False
    match view.brokers, view.partitions:
        case Known(brokers), Known(partitions):
            away = [other for other in missing(view) if other.role is Role.BROKER]
            if node.id.number not in brokers or away != [node.id]:
                return False
            live = {number for number, broker in brokers.items() if not broker.fenced and number != node.id.number}
            return all(live & set(p.isr) for p in partitions if node.id.number in p.replicas)
        case (Unknown(), _) | (_, Unknown()):
            return False
        case _:
            return False
