"""From records to what callers see: the V1 and V2 shapes of a cluster (msk.md 1.4.1, Appendix A and C)."""

from __future__ import annotations

from typing import Any

from penstock.model.ids import operation_arn
from penstock.model.operation import SHOWN_AS, OpenOperation
from penstock.model.spec import ClusterSpec, ClusterState, ClusterStatus
from penstock.store.records import ClusterRecord
from penstock.wire.call import Output

PROVISIONED = "PROVISIONED"


def shown_state(record: ClusterRecord, operation: OpenOperation | None) -> ClusterState:
    """The state that callers see.

    The loop computes states, and a pass comes a moment after the call that asked for a change. Until then the rows know
    better: who has just deleted or rebooted must not be told ACTIVE, or a script that waits for ACTIVE goes on too soon.
    An open operation goes before what is being healed, as it does for the loop."""
    if record.spec.removed:
        return ClusterState.DELETING
    if operation is not None and record.status.completed:
        return SHOWN_AS.get(operation.kind, ClusterState.UPDATING)
    return record.status.state


def cluster_v1(record: ClusterRecord, operation: OpenOperation | None) -> Output:
    """`ClusterInfo`: the members of V2's `provisioned` stand beside the name and the state."""
    return {**_common(record, operation), **_provisioned(record)}


def cluster_v2(record: ClusterRecord, operation: OpenOperation | None) -> Output:
    """`Cluster`: the union shape."""
    return {**_common(record, operation), "ClusterType": PROVISIONED, "Provisioned": _provisioned(record)}


def operation_arn_of(spec: ClusterSpec, operation: str) -> str:
    """ARN of an operation on this cluster."""
    return operation_arn(spec.region, spec.account, spec.name, spec.id, operation)


def _common(record: ClusterRecord, operation: OpenOperation | None) -> dict[str, Any]:
    spec, status, state = record.spec, record.status, shown_state(record, operation)
    shown: dict[str, Any] = {
        "ClusterArn": spec.arn,
        "ClusterName": spec.name,
        "CreationTime": spec.created,
        "CurrentVersion": record.current_version,
        "State": state.value,
        "Tags": dict(spec.tags),
    }
    if operation is not None:
        shown["ActiveOperationArn"] = operation_arn_of(spec, operation.id)
    # It explains the state that the loop computed; under another one it would be about the past.
    if state is status.state and (status.code or status.message):
        shown["StateInfo"] = {"Code": status.code, "Message": status.message}
    return shown


def _provisioned(record: ClusterRecord) -> dict[str, Any]:
    # Recorded on clusters that work, absent from one just created (msk.md C.1, C.3).
    action = {"CustomerActionStatus": _action(record.status)} if record.status.completed else {}
    return {**record.spec.api, **action}


def _action(status: ClusterStatus) -> str:
    """What the fullest volume asks of its owner; MSK's thresholds (msk.md 6.6)."""
    fullest = max(status.filled.values(), default=0)
    return "CRITICAL_ACTION_REQUIRED" if fullest >= 95 else "ACTION_RECOMMENDED" if fullest >= 60 else "NONE"
