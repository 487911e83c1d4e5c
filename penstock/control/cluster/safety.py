"""May this node go down now? The only door to a disruption.

After the act every partition still has at least its min ISR of in-sync replicas and the quorum keeps its majority.
What is Unknown is a no; a replica or voter whose process is not seen to work counts for nothing, although the controllers
believe in it until its session ends. Partitions with no more replicas than min ISR can never pass: they are not counted, and named."""

from __future__ import annotations

from collections.abc import Set

from attrs import frozen

from penstock.model.ids import NodeId, Role
from penstock.model.observation import ClusterView, Known, Partition, Quorum, Unknown

CAUGHT_UP_MS = 3000
"""A voter that was caught up so recently counts as alive (fetches come at least each 500 ms)."""


@frozen
class Answer:
    """Whether the node may go down; `why` is the obstacle, `notes` name what could not be counted."""

    safe: bool
    why: str = ""
    notes: tuple[str, ...] = ()


def may_go_down(node: NodeId, view: ClusterView, going: Set[NodeId]) -> Answer:
    """The proof for `node`, given that all nodes in `going` go down as well."""
    if view.running(node) is None:
        return Answer(False, f"{node} is not known to run")
    if node.role is Role.CONTROLLER:
        return _quorum_holds(node, view, going)
    return _partitions_hold(node, view, going)


def alive_voters(quorum: Quorum) -> frozenset[int]:
    """Voters that were caught up a moment ago; the leader always is."""
    return frozenset(
        voter.number
        for voter in quorum.voters
        if voter.number == quorum.leader or (voter.behind_ms is not None and voter.behind_ms <= CAUGHT_UP_MS)
    )


def working(view: ClusterView, role: Role) -> frozenset[int]:
    """Numbers of the nodes that run, are not on their way down, and answered in this look."""
    return frozenset(
        node.id.number
        for node in view.layout
        if node.id.role is role
        and (running := view.running(node.id)) is not None
        and running.stopping is None
        and not running.suspended
        and view.answers.get(node.id) == Known(True)
    )


def counted(partition: Partition) -> bool:
    """Can it be kept at its minimum while one of its replicas is down?"""
    return len(partition.replicas) > partition.min_isr


def _quorum_holds(node: NodeId, view: ClusterView, going: Set[NodeId]) -> Answer:
    match view.quorum:
        case Unknown(why):
            return Answer(False, f"the quorum is not known ({why})")
        case Known(quorum):
            leaving = {gone.number for gone in going if gone.role is Role.CONTROLLER} | {node.number}
            left = (alive_voters(quorum) & working(view, Role.CONTROLLER)) - leaving
            needed = len(quorum.voters) // 2 + 1
            if len(left) < needed:
                return Answer(
                    False, f"{len(left)} of {len(quorum.voters)} voters would be left and {needed} are needed"
                )
            return Answer(True)


def _partitions_hold(node: NodeId, view: ClusterView, going: Set[NodeId]) -> Answer:
    match view.partitions:
        case Unknown(why):
            return Answer(False, f"the partitions are not known ({why})")
        case Known(partitions):
            leaving = {gone.number for gone in going if gone.role is Role.BROKER} | {node.number}
            uncounted: list[str] = []
            there = working(view, Role.BROKER) - leaving
            for partition in partitions:
                if node.number not in partition.isr:
                    continue
                if not counted(partition):
                    uncounted.append(str(partition))
                    continue
                left = there & set(partition.isr)
                if len(left) < partition.min_isr:
                    return Answer(
                        False,
                        f"{partition} would have {len(left)} in-sync replicas and its minimum is {partition.min_isr}",
                    )
            return Answer(True, notes=_named(node, uncounted))


def _named(node: NodeId, uncounted: list[str]) -> tuple[str, ...]:
    if not uncounted:
        return ()
    shown = ", ".join(uncounted[:5]) + (f" and {len(uncounted) - 5} more" if len(uncounted) > 5 else "")
    return (f"{shown}: no more replicas than the minimum, so they are below it while {node} is down",)
