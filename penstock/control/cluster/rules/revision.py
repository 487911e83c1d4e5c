"""Nodes that run an older revision than the desired one are to be restarted: `revive` starts them in the new one."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.rules.configuration import named
from penstock.kafka.configuration import of_role
from penstock.model.ids import NodeId
from penstock.model.observation import ClusterView
from penstock.model.operation import OperationKind


def revision(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Want a restart of every node whose run is of another revision."""
    for node in view.layout:
        if (running := view.running(node.id)) and running.revision != node.revision:
            draft.restart(node.id, because=_reason(node.id, view))


def _reason(node: NodeId, view: ClusterView) -> str:
    operation = view.operation
    if (
        operation is not None
        and operation.kind is OperationKind.REBOOT_NODE
        and operation.target.get("node") == node.name
    ):
        return f"RebootBroker was called for {node}"
    changed = dict.fromkeys(operation.restart or (), "") if operation is not None else {}
    if read := of_role(changed, node.role):
        return f"{node} needs a restart for {named(read)}"
    return f"{node} is to run a newer revision"
