"""Nodes that lost their volume: each gets a fresh one under a new storage identity, where others have its data.

One storage at a time, and only with proof. A controller's vote was in its volume: while the others hold all metadata
without it, the quorum forgets the lost volume first, and counts the new one once that has caught up. An empty volume never
votes (a majority of fresh ones would forget the cluster)."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import PARTITIONS, Draft
from penstock.control.cluster.health import awaited, behind, serves, serving
from penstock.control.cluster.safety import CAUGHT_UP_MS
from penstock.kafka.listeners import CONTROLLER
from penstock.kafka.placement import next_directory
from penstock.model.action import AddVoter, Rehouse, RemoveVoter, Start
from penstock.model.ids import Role
from penstock.model.node import NodeSpec
from penstock.model.observation import Bereft, ClusterView, Known, Quorum, Running, Unknown, Voter


def replace(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Take the next bereft node one step on: its vote away, a new identity, a start, and its vote again."""
    for node in view.layout:
        match view.sighting(node.id):
            case Known(Bereft(incarnation, why)) if incarnation != node.incarnation:
                draft.act(Start(node), because=f"{node.id} has a new storage identity", heals=True)
            case Known(Bereft(_, why)):
                _replace(node, why, view, draft)
            case Known(Running(stopping=None)) if node.id.role is Role.CONTROLLER:
                _count(node, view, draft)
            case _:
                pass


def _replace(node: NodeSpec, why: str, view: ClusterView, draft: Draft) -> None:
    broker = node.id.role is Role.BROKER
    obstacle = _broker_obstacle(node, view, draft) if broker else _controller_obstacle(node, view, draft)
    if obstacle is not None:
        draft.wait(on=str(node.id), because=f"{why}. It gets no fresh one because {obstacle}", heals=True)
        return
    voter = None if broker else _voter(node, view)
    if voter is not None:
        draft.act(
            RemoveVoter(node.id, voter.directory),
            because=f"{why}; the other controllers serve and hold all metadata",
            heals=True,
        )
    else:
        others = "brokers have all its data" if broker else "controllers hold all metadata and do not count it"
        draft.act(Rehouse(node.id, next_directory(node.incarnation)), because=f"{why}; other {others}", heals=True)


def _count(node: NodeSpec, view: ClusterView, draft: Draft) -> None:
    """A controller that runs should vote, with the volume that it runs on."""
    if not isinstance(view.quorum, Known):
        return
    voter = _voter(node, view)
    if voter is not None and (voter.directory == node.incarnation or not view.spec.place(node.id).joins):
        return
    if voter is not None:
        # It was not agreed on when its vote was taken away, and a new leader does not know of it.
        obstacle = _controller_obstacle(node, view, draft)
        if obstacle is None:
            lost = f"{node.id} runs on a new volume, and the quorum counts the lost one still"
            draft.act(RemoveVoter(node.id, voter.directory), because=lost, heals=True)
        else:
            draft.wait(on=str(node.id), because=f"the quorum counts its lost volume still; {obstacle}", heals=True)
    elif any(_caught_up(observer, node) for observer in view.quorum.value.observers):
        endpoint = {CONTROLLER: (node.address, node.ports[CONTROLLER])}
        draft.act(AddVoter(node.id, node.incarnation, endpoint), because=f"{node.id} has all metadata", heals=True)
    else:
        draft.wait(on=str(node.id), because="it gets its vote when it has caught up with the metadata", heals=True)


def _caught_up(observer: Voter, node: NodeSpec) -> bool:
    mine = observer.number == node.id.number and observer.directory == node.incarnation
    return mine and observer.behind_ms is not None and observer.behind_ms <= CAUGHT_UP_MS


def _voter(node: NodeSpec, view: ClusterView) -> Voter | None:
    """The node as the quorum counts it, on whichever volume."""
    voters = view.quorum.value.voters if isinstance(view.quorum, Known) else ()
    return next((voter for voter in voters if voter.number == node.id.number), None)


def _controller_obstacle(node: NodeSpec, view: ClusterView, draft: Draft) -> str | None:
    """Why it is not proved that the other controllers hold all metadata; None where it is, and it may go on without it."""
    if view.depth < 2:
        draft.look(2)
        return "the quorum must be looked at first"
    match view.quorum:
        case Unknown(why):
            return f"its vote was in it, and the quorum is not known ({why})"
        case Known(quorum):
            return _unproved(node, quorum, view, draft)


def _unproved(node: NodeSpec, quorum: Quorum, view: ClusterView, draft: Draft) -> str | None:
    others = [other.id for other in view.layout if other.id.role is Role.CONTROLLER and other.id != node.id]
    voters = {voter.number for voter in quorum.voters} - {node.id.number}
    if waited := [str(other) for other in others if not serves(other, view)]:
        return f"its vote was in it, and {', '.join(waited)} must serve first"
    if voters != {other.number for other in others} or quorum.leader not in voters:
        return f"the quorum is of {sorted(voters)} and led by {quorum.leader}: others than the controllers that serve"
    if len(others) < len(quorum.voters) // 2 + 1:
        return "its vote was in it, and the others are no majority"
    counted = _voter(node, view)
    if counted is not None and counted.directory != node.incarnation and not view.spec.place(node.id).joins:
        return f"the quorum counts it on another volume ({counted.directory})"
    if draft.rehoused:
        return "one storage at a time gets a new identity"
    if draft.going:
        return "another node is on its way down"
    return None


def _broker_obstacle(node: NodeSpec, view: ClusterView, draft: Draft) -> str | None:
    """Why the broker may not have a fresh volume now; None where it may."""
    if view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return "the partitions must be looked at first"
    whole = {broker.number for broker in serving(view)}
    # Those that lost theirs too are not waited for, else two of them would wait for each other.
    if waited := [str(other) for other in awaited(view) if other.role is Role.BROKER]:
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
            # Perhaps the volume before this one: it is whole again when nothing lags.
            lagging = list(map(str, behind(view)))
            return f"one storage at a time: {', '.join(lagging[:5])} must catch up first" if lagging else None
