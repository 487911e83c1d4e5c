"""Nodes that run an older revision than the desired one are restarted, one after another, through the safety gate."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import missing
from penstock.model.ids import NodeId
from penstock.model.observation import ClusterView
from penstock.model.operation import OperationKind
from penstock.model.plan import How, Stop


def revision(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Stop the next outdated node gracefully; `revive` starts it in its new revision."""
    outdated = [
        node.id for node in view.layout if (running := view.running(node.id)) and running.revision != node.revision
    ]
    if not outdated:
        return
    if view.depth < 2:
        draft.look(2)
        return
    absent = [node for node in missing(view) if node not in outdated]
    for node in outdated:
        if absent:
            draft.wait(on=str(node), because=f"{', '.join(map(str, absent))} must serve first")
        elif view.running(node) is not None and not draft.targeted(node):
            draft.disrupt(Stop(node, How.GRACEFUL), because=_reason(node, view))


def _reason(node: NodeId, view: ClusterView) -> str:
    operation = view.operation
    if (
        operation is not None
        and operation.kind is OperationKind.REBOOT_NODE
        and operation.target.get("node") == node.name
    ):
        return f"RebootBroker was called for {node}"
    return f"{node} is to run a newer revision"
