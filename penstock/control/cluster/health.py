"""What a view says about a node's health, in the words that several rules share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from penstock.control.cluster.safety import alive_voters
from penstock.model.ids import NodeId, Role
from penstock.model.node import NodeSpec
from penstock.model.observation import Bereft, ClusterView, Known, Partition, Running
from penstock.model.rebalance import Key
from penstock.model.volume import GIB

IDLE = timedelta(seconds=3)
"""A process that neither answers nor uses CPU time for so long does no work: a JVM always uses some."""
STOP_PATIENCE = timedelta(seconds=120)
"""A controlled shutdown is a matter of seconds while controllers live; without them it never ends (kafka.md 3.3)."""
DEAF = timedelta(seconds=60)
"""A process that served in this run and has not answered for so long does no useful work, whatever it computes."""


STARTS_WITHIN = timedelta(seconds=15)
"""For so long a node that starts is looked at often."""
REGISTERS = timedelta(seconds=60)
"""A starting broker is registered by then, or gets no further; Kafka itself gives a registration 60 s and ours waits 120 s."""
ADVANCES = timedelta(minutes=10)
"""A registered broker that reads its logs, or has read them, comes one segment or one step further within that time: a
large segment on a slow disk takes minutes, and nothing is said of it meanwhile."""


def serves(node: NodeId, view: ClusterView) -> bool:
    """It runs, answers, and the cluster itself counts on it: an unfenced broker, a voter that keeps up.

    The cluster's word alone is not enough: it believes in a dead or frozen run until the session ends."""
    running = view.running(node)
    if running is None or running.suspended or view.answers.get(node) == Known(False):
        return False
    match node.role, view.brokers, view.quorum:
        case Role.BROKER, Known(brokers), _:
            seen = brokers.get(node.number)
            return seen is not None and not seen.fenced
        case Role.CONTROLLER, _, Known(quorum):
            return node.number in alive_voters(quorum)
        case _:
            return False


def serving(view: ClusterView) -> tuple[NodeId, ...]:
    """Brokers of the layout that serve: whoever of them is asked or told something stands for all."""
    return tuple(node.id for node in view.layout if node.id.role is Role.BROKER and serves(node.id, view))


def missing(view: ClusterView) -> tuple[NodeId, ...]:
    """Nodes of the layout that do not serve, as far as this look could tell."""
    return tuple(node.id for node in view.layout if not serves(node.id, view))


def whole(view: ClusterView) -> bool:
    """Every node of the layout serves, by a look at quorum and brokers."""
    return bool(view.layout) and view.depth >= 2 and not missing(view)


def late(view: ClusterView) -> str:
    """What is told where nothing else says why a change does not come to its end: a clause."""
    return f"{', '.join(map(str, missing(view))) or 'the cluster'} did not come to serve"


def going(view: ClusterView) -> frozenset[NodeId]:
    """Nodes that were asked to stop and are still there: each passes for one that serves until it has ended."""
    runs = ((node.id, view.running(node.id)) for node in view.layout)
    return frozenset(node for node, run in runs if run is not None and run.stopping is not None)


def lost(view: ClusterView) -> tuple[NodeId, ...]:
    """Nodes that cannot run because their volume is gone: nothing brings them back by itself, so nobody waits for them."""
    return tuple(
        node.id
        for node in view.layout
        if isinstance(seen := view.sighting(node.id), Known)
        and isinstance(seen.value, Bereft)
        and seen.value.incarnation == node.incarnation
    )


def awaited(view: ClusterView) -> tuple[NodeId, ...]:
    """Nodes that do not serve and can come back by themselves."""
    away = lost(view)
    return tuple(node for node in missing(view) if node not in away)


def lagging(view: ClusterView) -> tuple[Partition, ...]:
    """Partitions with a replica that is out of sync though its broker serves: it can catch up."""
    return _out_of_sync(view, {})


def behind(view: ClusterView) -> tuple[Partition, ...]:
    """The same without replicas that a move brings, where moves were seen: nothing is lost there."""
    facts = view.balance.value.facts.partitions if isinstance(view.balance, Known) else ()
    return _out_of_sync(view, {each.key: each.adding for each in facts})


def _out_of_sync(view: ClusterView, coming: Mapping[Key, Sequence[int]]) -> tuple[Partition, ...]:
    there = {node.number for node in serving(view)}
    return tuple(
        p for p in _partitions(view) if there & set(p.replicas) - {*p.isr, *coming.get((p.topic, p.index), ())}
    )


def astray(view: ClusterView) -> tuple[Partition, ...]:
    """Partitions that another replica leads than the first, though that is in sync and its broker serves."""
    there = {node.number for node in serving(view)}
    return tuple(
        p for p in _partitions(view) if p.replicas and p.leader != p.replicas[0] and p.replicas[0] in there & set(p.isr)
    )


def _partitions(view: ClusterView) -> tuple[Partition, ...]:
    return view.partitions.value if isinstance(view.partitions, Known) else ()


def stalled(node: NodeId, view: ClusterView, now: datetime) -> timedelta | None:
    """For how long the starting broker has come no closer to serving, where that is too long; None while it advances.

    Its registration and what it says of its logs are its progress, never time alone and never mere words."""
    running = view.running(node)
    if running is None or running.stopping is not None or node in view.served:
        return None
    here = isinstance(view.brokers, Known) and node.number in view.brokers.value
    still = now - max(running.since, view.advanced.get(node, running.since))
    return still if still > (ADVANCES if here or node in view.recovering else REGISTERS) else None


def frozen(node: NodeId, view: ClusterView, now: datetime) -> str | None:
    """Why it is proved that the running node does no work; None where it is not proved."""
    running = view.running(node)
    if running is None:
        return None
    if running.stopping is not None and running.signalled and now - running.stopping >= STOP_PATIENCE:
        return f"{node} was asked to stop {(now - running.stopping).total_seconds():.0f} s ago and is still there"
    if view.answers.get(node) != Known(False):
        return None
    if node in view.recovering and not running.suspended:
        return None  # its disk may let it wait; `stalled` tells whether it gets on
    idle, silent = view.idle_since.get(node), view.silent_since.get(node)
    if idle is not None and now - idle >= IDLE:
        how = "is suspended" if running.suspended else "uses no CPU time"
        return f"{node} does not answer and {how} for {(now - idle).total_seconds():.0f} s"
    if silent is not None and now - silent >= DEAF:
        return f"{node} has not answered for {(now - silent).total_seconds():.0f} s"
    return None


def untold_stops(view: ClusterView) -> tuple[NodeId, ...]:
    """Nodes whose stop was written down and perhaps not sent: the control plane ended in between."""
    runs = ((node.id, view.running(node.id)) for node in view.layout)
    return tuple(node for node, running in runs if running is not None and not running.signalled)


def starting(view: ClusterView, now: datetime) -> bool:
    """Has a node of a cluster in use just been started? A new cluster's own nodes leave no core to spare for looking."""
    runs = (view.running(node) for node in missing(view))
    return view.status.completed and any(run is not None and now - run.since < STARTS_WITHIN for run in runs)


def suspect(node: NodeId, view: ClusterView, now: datetime) -> bool:
    """It served in this run, does not answer now, and nothing is proved yet."""
    return (
        view.running(node) is not None
        and view.answers.get(node) == Known(False)
        and node in view.silent_since
        and frozen(node, view, now) is None
    )


def up(node: NodeId, view: ClusterView) -> Running | None:
    """The node's process where it runs in the revision that is wanted."""
    running = view.running(node)
    return running if running is not None and running.revision == view.node(node).revision else None


def large_enough(node: NodeSpec, view: ClusterView) -> bool:
    """Its volume has the size that is wanted; a larger one is as good."""
    running = view.running(node.id)
    return running is not None and running.volume is not None and running.volume.size >= node.resources.volume_gib * GIB


def below_full(view: ClusterView) -> tuple[str, ...] | None:
    """Partitions whose ISR is not full; None where partitions were not seen."""
    match view.partitions:
        case Known(partitions):
            return tuple(str(p) for p in partitions if len(p.isr) < len(p.replicas))
        case _:
            return None


def counted_on(node: NodeId, view: ClusterView) -> bool | None:
    """Does some partition have a replica on the broker? None where that is not known."""
    match view.partitions:
        case Known(partitions):
            return any(node.number in partition.replicas for partition in partitions)
        case _:
            return None


def left_alone(node: NodeId, view: ClusterView) -> bool:
    """It is to leave and holds nothing: it needs no start."""
    return view.spec.place(node).leaving and counted_on(node, view) is False
