"""Brokers that are to leave: emptied first (by `rebalance`), then stopped, then written out of the cluster, then cleared away.

Each step needs the proof of its own moment that nothing counts on the broker: Kafka's metadata, the broker's own word about
its volume before it is stopped, and the metadata again before it is written out. Its volume goes to quarantine."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import PARTITIONS, Draft
from penstock.control.cluster.health import behind, counted_on, missing, serves, serving
from penstock.model.ids import NodeId
from penstock.model.observation import Absent, Bereft, Blocked, ClusterView, Gone, Known
from penstock.model.plan import How, Remove, Retire, Start, Stop, Unregister


def scale_in(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Take the next step with each broker that leaves, one broker at a time; clear away those that have left."""
    ended = []
    for node in view.spec.retired:
        match view.sightings.get(node):
            case Known(Gone() | Blocked() | Bereft()):
                ended.append(node)
            case None | Known(Absent()):
                pass
            case _:
                draft.act(Stop(node, How.AT_ONCE), because=f"{node} is no part of the cluster any more")
    if ended:
        _clear(ended[0], view, draft)  # one storage at a time
    leaving = [place.id for place in view.spec.brokers if place.leaving and view.layout]
    if leaving and view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return
    for node in leaving:
        match view.sighting(node):
            case Known(Absent() | Blocked() | Gone() | Bereft()) if counted_on(node, view) is False:
                draft.act(Retire(node), because=f"{node} is to leave, does not run, and holds nothing")
            case Known(Gone(requested=True)) if counted_on(node, view):
                draft.act(Start(view.node(node)), because=f"{node} got a replica while it ended")
            case _ if _empty(node, view) and not missing(view) and not draft.targeted(node):
                draft.disrupt(Stop(node, How.GRACEFUL), because=f"{node} is empty and leaves")
            case _:
                pass


def _clear(node: NodeId, view: ClusterView, draft: Draft) -> None:
    if view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return
    # Its volume is of use to nobody, as far as anybody knows; and while another one is made anew, nobody is that sure.
    afresh = [str(place.id) for place in view.spec.brokers if place.joins and not serves(place.id, view)]
    if waited := [*afresh, *map(str, behind(view))]:
        draft.wait(on=str(node), because=f"one storage at a time: {', '.join(waited[:5])} must be whole first")
    if waited or draft.rehoused:
        return
    because = f"{node} has left the cluster"
    if isinstance(view.brokers, Known) and node.number in view.brokers.value:
        draft.act(Unregister(node, serving(view)), because=because)
    draft.act(Remove(node, keep=True), because=because)


def _empty(node: NodeId, view: ClusterView) -> bool:
    """By the metadata, nothing under way, and by the broker itself."""
    match view.balance:
        case Known(balance):
            return not balance.facts.held_by(node.number) and view.stored.get(node.number) == 0
        case _:
            return False
