"""Brokers that are to leave: emptied first (by `rebalance`), then stopped, then written out of the cluster, then cleared away.

All of them are empty and closed to new replicas before the first is stopped: until then they can all stay. Each step needs
the proof of its own moment that nothing counts on the broker: Kafka's metadata, the broker's own word about its volume before
it is stopped, and the metadata again before it is written out, and before it is cleared away. Its volume goes to quarantine."""

from __future__ import annotations

from datetime import datetime, timedelta

from penstock.control.cluster.draft import PARTITIONS, Draft
from penstock.control.cluster.health import behind, counted_on, missing, serves, serving
from penstock.model.action import How, Remove, Retire, Start, Stop, Unregister
from penstock.model.ids import NodeId
from penstock.model.observation import Absent, Bereft, Blocked, ClusterView, Gone, Known, Running

METADATA_LAGS = timedelta(seconds=4)
"""By then metadata that was at most `STALE_MS` old when it was asked shows what was so before. Only a broker that was open to
new replicas to its end (Kafka before 4.3 knows no cordon) can have got one that nobody saw."""


def scale_in(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Take the next step with each broker that leaves, one broker at a time; clear away those that have left."""
    ended = []
    for node in view.spec.retired:
        match view.sightings.get(node):
            case Known(Absent() | Gone() | Blocked() | Bereft()):
                ended.append(node)
            case None:
                pass  # nothing is left of it
            case _:
                draft.act(Stop(node, How.AT_ONCE), because=f"{node} is no part of the cluster any more")
    if ended:
        _clear(ended[0], view, draft)  # one storage at a time
    leaving = [place.id for place in view.spec.brokers if place.leaving and view.layout]
    if leaving and view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return
    # Until the last of them is empty all of them can still stay: the first that leaves cannot be called back.
    emptied = all(_empty(node, view) for node in leaving)
    for node in leaving:
        match view.sighting(node):
            case Known(Gone(at=datetime() as at)) if not view.cordoned and now - at < METADATA_LAGS:
                until = at + METADATA_LAGS
                draft.wait(on=str(node), because="metadata may not show yet what it got while it ended", until=until)
            case Known(Absent() | Blocked() | Gone() | Bereft()) if counted_on(node, view) is False:
                draft.act(Retire(node), because=f"{node} is to leave, does not run, and holds nothing")
            case Known(Gone(requested=True)) if counted_on(node, view):
                draft.act(Start(view.node(node)), because=f"{node} got a replica while it ended")
            case Known(Running()) if emptied and not missing(view) and not draft.targeted(node):
                draft.disrupt(Stop(node, How.GRACEFUL), because=f"{node} is empty and leaves")
            case _:
                pass


def _clear(node: NodeId, view: ClusterView, draft: Draft) -> None:
    if view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return
    because = f"{node} has left the cluster"
    match view.brokers, view.partitions:
        case Known(brokers), Known(partitions):
            if held := [str(each) for each in partitions if node.number in each.replicas]:
                given = f"{', '.join(held[:5])} have a replica on it: somebody gave it one after it was empty"
                draft.wait(on=str(node), because=f"{given}. Move that to another broker; its volume is kept till then")
            elif waited := _unsure(view):
                draft.wait(on=str(node), because=f"one storage at a time: {', '.join(waited[:5])} must be whole first")
            elif node.number in brokers:
                draft.act(Unregister(node, serving(view)), because=because)
            elif not draft.rehoused:
                draft.act(Remove(node, keep=True), because=because)
        case _:
            draft.wait(on=str(node), because="it is not known whether anything counts on it still")


def _unsure(view: ClusterView) -> list[str]:
    """Brokers that are made anew, and partitions that are not whole: while there are any, nobody is sure that the volume of
    one that left is of no use."""
    afresh = [str(place.id) for place in view.spec.brokers if place.joins and not serves(place.id, view)]
    return [*afresh, *map(str, behind(view))]


def _empty(node: NodeId, view: ClusterView) -> bool:
    """By the metadata, nothing under way, closed to new replicas where it can be, and by the broker itself where it runs."""
    match view.balance:
        case Known(balance) if not balance.facts.held_by(node.number):
            if view.running(node) is None:
                return counted_on(node, view) is False
            return view.cordoned.get(node.number) is not False and view.stored.get(node.number) == 0
        case _:
            return False
