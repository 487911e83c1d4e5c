"""Nodes that never ran here are started, all at once: a controller's wait for its peers is Kafka's own business.

Those that join a cluster in use start in the background: what a JVM computes at its start would hold up producers."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import left_alone, serves
from penstock.model.action import Foreground, Start
from penstock.model.observation import Absent, Blocked, ClusterView, Known, Running, Unknown


def bootstrap(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Start every node of the layout that was never started; what cannot run where it should is said.

    A block is looked at again with every sighting, so it lifts by itself."""
    for node in view.layout:
        match view.sighting(node.id):
            case Known(Absent() | Blocked()) if left_alone(node.id, view):
                pass
            case Known(Absent()):
                joins = view.status.completed and not view.spec.place(node.id).served
                draft.act(Start(node, joins), because=f"{node.id} was never started", heals=view.status.completed)
            case Known(Running(background=True)) if serves(node.id, view):
                draft.act(Foreground(node.id), because=f"{node.id} serves")
            case Known(Blocked(why, fix)):
                draft.wait(on=str(node.id), because=f"{why} {fix}", heals=True)
                if not view.status.completed:
                    draft.stuck(f"{node.id} cannot run: {why} {fix}")
            case Unknown(why):
                draft.wait(on=str(node.id), because=why)
            case _:
                pass
