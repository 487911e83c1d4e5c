"""Nodes that lost their volume: a broker gets a fresh one under a new storage identity, where others have its data.

One storage at a time, and only with proof. A controller's votes are in its volume: it is never given an empty one by
itself (a majority of fresh ones would forget the cluster)."""

from __future__ import annotations

from collections.abc import Callable, Set
from datetime import datetime

from penstock.control.cluster.draft import PARTITIONS, Draft
from penstock.control.cluster.health import serves
from penstock.kafka.placement import next_directory
from penstock.model.ids import Role
from penstock.model.node import NodeSpec
from penstock.model.observation import Bereft, ClusterView, Known, Partition, Unknown
from penstock.model.plan import Rehouse, Start


def replace(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Give the next bereft broker a new identity, and start it once that is written down."""
    for node in view.layout:
        match view.sighting(node.id):
            case Known(Bereft(incarnation, why)) if incarnation != node.incarnation:
                draft.act(Start(node), because=f"{node.id} has a new storage identity", heals=True)
            case Known(Bereft(_, why)):
                obstacle = _obstacle(node, view, draft)
                if obstacle is None:
                    directory = next_directory(node.incarnation)
                    draft.act(
                        Rehouse(node.id, directory), because=f"{why}; other brokers have all its data", heals=True
                    )
                else:
                    draft.wait(on=str(node.id), because=f"{why}. It gets no fresh one because {obstacle}", heals=True)
            case _:
                pass


def _obstacle(node: NodeSpec, view: ClusterView, draft: Draft) -> str | None:
    """Why the node may not have a fresh volume now; None where it may."""
    if node.id.role is Role.CONTROLLER:
        return "a controller's votes are in its volume"
    if view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return "the partitions must be looked at first"
    brokers = [other for other in view.layout if other.id.role is Role.BROKER]
    whole = {other.id.number for other in brokers if serves(other.id, view)}
    if waited := [str(other.id) for other in brokers if other.id.number not in whole and not _bereft(other, view)]:
        return f"{', '.join(waited)} must serve first"
    if draft.rehoused:
        return "one storage at a time gets a new identity"
    match view.partitions:
        case Unknown(why):
            return f"the partitions are not known ({why})"
        case Known(partitions):
            alone = [str(p) for p in partitions if node.id.number in p.replicas and not whole & set(p.isr)]
            if alone:
                return f"no broker that serves has {', '.join(alone[:5])} in sync"
            coming = _coming(view)
            # Perhaps the volume before this one: it is whole again when nothing lags.
            lagging = [str(p) for p in partitions if whole & set(p.replicas) - set(p.isr) - coming(p)]
            return f"one storage at a time: {', '.join(lagging[:5])} must catch up first" if lagging else None


def _coming(view: ClusterView) -> Callable[[Partition], Set[int]]:
    """Replicas that a partition gets by a move, where that is known: they are not in sync yet and nothing is lost."""
    facts = view.balance.value.partitions if isinstance(view.balance, Known) else ()
    adding = {partition.key: frozenset(partition.adding) for partition in facts}
    return lambda partition: adding.get((partition.topic, partition.index), frozenset())


def _bereft(node: NodeSpec, view: ClusterView) -> bool:
    """It waits for a new storage identity itself: two of them must not wait for each other."""
    match view.sighting(node.id):
        case Known(Bereft(incarnation, _)):
            return incarnation == node.incarnation
        case _:
            return False
