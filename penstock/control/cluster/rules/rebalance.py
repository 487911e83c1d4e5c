"""Partitions take their share of the brokers that have joined: few at a time, planned anew from what is in every pass."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import PARTITIONS, Draft
from penstock.control.cluster.health import missing
from penstock.control.cluster.rebalance.step import next_moves
from penstock.model.ids import Role
from penstock.model.observation import ClusterView, Known, Unknown
from penstock.model.plan import Cordon, Reassign
from penstock.model.rebalance import Aims, Limits


def rebalance(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Order the next moves of the open operation, if it is one that moves partitions.

    One that only adds brokers opens them: a broker may come under the number of one that was closed and left."""
    if view.operation is None or not view.operation.scales:
        return
    if view.depth < 2:
        draft.look(2)
        return
    if missing(view):
        return
    if view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return
    for node in view.layout:
        closed = view.cordoned.get(node.id.number)
        if node.id.role is Role.BROKER and closed is not None and closed is not view.spec.place(node.id).leaving:
            draft.act(Cordon(node.id, not closed), because=f"{node.id} {'stays' if closed else 'is to leave'}")
    if not view.operation.moves:
        return
    if view.operation.work.setback is not None and not any(place.leaving for place in view.spec.brokers):
        return
    match view.balance:
        case Unknown(why):
            draft.wait(on="the rebalance", because=f"it is not known where replicas are: {why}")
        case Known(facts):
            step = next_moves(facts, Limits(), Aims())
            asked = next(node.id for node in view.layout if node.id.role is Role.BROKER)
            if step.moves:
                draft.act(Reassign(asked, step.moves), because=f"partitions take their share: {step.progress}")
            elif not step.settled or any(facts.held_by(number) for number in facts.leaving):
                draft.wait(on="the rebalance", because="; ".join([str(step.progress), *step.waits]))
