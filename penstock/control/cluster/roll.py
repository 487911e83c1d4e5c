"""The whole roll before anything of it is done: which nodes, why, in which order, how many at once, and how long it takes.

Brokers come first, zone by zone, then controllers one by one, the leader of the quorum last. The brokers of a zone go
together as far as every partition keeps its minimum without them. What is said here is how it goes where nothing else
happens; whether a batch may really go is asked again at the door (`Draft.disrupt`), with what is so at that moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from penstock.control.cluster.health import lost, up
from penstock.control.cluster.safety import counted
from penstock.model.ids import NodeId, Role
from penstock.model.node import NodeSpec
from penstock.model.observation import ClusterView, Known, Partition
from penstock.model.operation import OperationKind
from penstock.model.plan import Batch, Restart, Roll
from penstock.model.spec import Pace

STOPS: Mapping[Role, float] = {Role.BROKER: 1.5, Role.CONTROLLER: 0.5}
"""Seconds of a clean stop: a broker gives its leaderships away first (kafka.md 3.3)."""
STARTS: Mapping[Role, float] = {Role.BROKER: 4.0, Role.CONTROLLER: 3.0}
"""Seconds from a node's start until it serves, where this cluster has not shown it yet (kafka.md 3.3, secured cluster)."""
SETTLES = 2.0
"""Seconds until every replica is in sync and led at home again, where this cluster has not shown it yet."""
SESSION = 3.0
"""Several dead brokers are not unregistered: each waits for the session of its last run to end (decision 0015)."""
ALONE = "alone: it tries the new configuration"
ZONE_IN_PARTS = "part of its zone: together they would take a partition below its minimum"


def planned(view: ClusterView, restarts: Sequence[Restart], *, tried: bool = False) -> Roll:
    """The roll of these nodes, as it goes where all else serves and is in sync by then. `tried`: as one broker goes ahead of
    the others for a new configuration, also where nobody has asked for one."""
    wanted = {restart.node: restart for restart in restarts}
    partitions = view.partitions.value if isinstance(view.partitions, Known) else None
    away = {node.number for node in lost(view) if node.role is Role.BROKER}
    pace = view.pace or view.status.pace
    batches: list[Batch] = []
    for zone, nodes in zones(view, wanted).items():
        left = list(nodes)
        if not batches and (tried or untried(view)):
            batches.append(_batch(zone, left[:1], wanted, pace, ALONE if len(left) > 1 else ""))
            left = left[1:]
        rest = len(left)
        while left:
            group = together(left, partitions, away)
            batches.append(_batch(zone, group, wanted, pace, "" if len(group) == rest else ZONE_IN_PARTS))
            left = [node for node in left if node not in group]
    batches += [_batch(node.zone, [node.id], wanted, pace, "") for node in controllers(view, wanted)]
    return Roll(tuple(batches), exposed(wanted, partitions or ()))


def zones(view: ClusterView, wanted: Iterable[NodeId]) -> Mapping[str, Sequence[NodeId]]:
    """The brokers among them by zone, in the order of the layout: a zone that was begun comes first."""
    among, found = set(wanted), dict[str, list[NodeId]]()
    for node in view.layout:
        if node.id.role is Role.BROKER:
            found.setdefault(node.zone, []).extend([node.id] if node.id in among else [])
    return {zone: nodes for zone, nodes in found.items() if nodes}


def controllers(view: ClusterView, wanted: Iterable[NodeId]) -> Sequence[NodeSpec]:
    """The controllers among them: followers first, so that the quorum changes its leader once at most."""
    leader = view.quorum.value.leader if isinstance(view.quorum, Known) else -1
    among = set(wanted)
    mine = [node for node in view.layout if node.id.role is Role.CONTROLLER and node.id in among]
    return sorted(mine, key=lambda node: node.id.number == leader)


def together(
    nodes: Sequence[NodeId], partitions: Sequence[Partition] | None, away: Set[int] = frozenset()
) -> Sequence[NodeId]:
    """The first of them, and each further one without which every partition still has its minimum; `away` are lost."""
    group = [nodes[0]]
    for node in nodes[1:] if partitions is not None else ():
        numbers = {other.number for other in (*group, node)}
        touched = [p for p in partitions or () if node.number in p.replicas and counted(p)]
        if all(len(set(p.replicas) - numbers - away) >= p.min_isr for p in touched):
            group.append(node)
    return group


def exposed(wanted: Iterable[NodeId], partitions: Iterable[Partition]) -> tuple[str, ...]:
    """Partitions that go below their minimum while one of these nodes is down, whatever the order."""
    going = {node.number for node in wanted if node.role is Role.BROKER}
    return tuple(str(p) for p in partitions if not counted(p) and going & set(p.replicas))


def untried(view: ClusterView) -> bool:
    """Is a configuration of the user's to be rolled out that no broker has come up with yet?"""
    operation = view.operation
    if operation is None or operation.kind is not OperationKind.UPDATE_CLUSTER_CONFIGURATION:
        return False
    return not any(node.id.role is Role.BROKER and up(node.id, view) is not None for node in view.layout)


def _batch(zone: str, nodes: Sequence[NodeId], wanted: Mapping[NodeId, Restart], pace: Pace, note: str) -> Batch:
    """With its time: the slowest start of them, a stop before it, and the settling after it."""
    role = nodes[0].role
    same = [seconds for name, seconds in pace.starts.items() if name.startswith(f"{role}-")]
    known = max(same) if same else STARTS[role]
    starts = max(pace.starts.get(node.name, known) for node in nodes)
    session = SESSION if len(nodes) > 1 else 0.0
    settles = (SETTLES if pace.settling is None else pace.settling) if role is Role.BROKER else 0.0
    seconds = round(STOPS[role] + session + starts + settles, 1)
    return Batch(zone, tuple(wanted[node] for node in nodes), seconds, note)
