"""Cluster operations as callers read them: V1 whole, V2 as summaries and whole (msk.md 2.2, C.6, C.7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.api.arns import cluster_of, operation_of
from penstock.api.rooms import Rooms
from penstock.api.views import PROVISIONED, operation_arn_of
from penstock.model.spec import ClusterSpec
from penstock.store.records import OperationRecord
from penstock.wire.call import Call, Output

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def list_cluster_operations(call: Call, rooms: Rooms) -> Output:
    """Every operation of a cluster since its creation, whole, newest first."""
    with rooms.store.read() as tx:
        spec = cluster_of(tx, call).spec
        operations, more = rooms.pages.page(tx.operations.list(spec.id), call, _newest_first)
    return {"ClusterOperationInfoList": [_v1(spec, operation) for operation in operations], "NextToken": more}


def list_cluster_operations_v2(call: Call, rooms: Rooms) -> Output:
    """The same as summaries: no steps, no source and target."""
    with rooms.store.read() as tx:
        spec = cluster_of(tx, call).spec
        operations, more = rooms.pages.page(tx.operations.list(spec.id), call, _newest_first)
    return {"ClusterOperationInfoList": [_summary(spec, operation) for operation in operations], "NextToken": more}


def describe_cluster_operation(call: Call, rooms: Rooms) -> Output:
    """One operation in V1's shape. Raises NotFound."""
    with rooms.store.read() as tx:
        record, operation = operation_of(tx, call)
    return {"ClusterOperationInfo": _v1(record.spec, operation)}


def describe_cluster_operation_v2(call: Call, rooms: Rooms) -> Output:
    """One operation in V2's shape. Raises NotFound."""
    with rooms.store.read() as tx:
        record, operation = operation_of(tx, call)
    shown = {**_summary(record.spec, operation), "Provisioned": _progress(operation), "ErrorInfo": _error(operation)}
    return {"ClusterOperationInfo": shown}


def _v1(spec: ClusterSpec, operation: OperationRecord) -> dict[str, Any]:
    return {
        "ClientRequestId": operation.client_request_id,
        "ClusterArn": spec.arn,
        "CreationTime": operation.started,
        "EndTime": operation.ended,
        "ErrorInfo": _error(operation),
        "OperationArn": operation_arn_of(spec, operation.id),
        "OperationState": operation.state.value,
        "OperationType": operation.kind.value,
        **_progress(operation),
    }


def _summary(spec: ClusterSpec, operation: OperationRecord) -> dict[str, Any]:
    return {
        "ClusterArn": spec.arn,
        "ClusterType": PROVISIONED,
        "StartTime": operation.started,
        "EndTime": operation.ended,
        "OperationArn": operation_arn_of(spec, operation.id),
        "OperationState": operation.state.value,
        "OperationType": operation.kind.value,
    }


def _progress(operation: OperationRecord) -> dict[str, Any]:
    steps = [{"StepName": step.name, "StepInfo": {"StepStatus": str(step)}} for step in operation.steps]
    return {
        "OperationSteps": steps or None,
        "SourceClusterInfo": _members(operation.source),
        "TargetClusterInfo": _members(operation.target),
    }


def _members(info: Mapping[str, Any]) -> dict[str, Any]:
    """What callers see of a source or target: botocore's members. Names with a small first letter are the loop's own, so
    that a reboot shows empty objects as MSK does (msk.md 2.2)."""
    return {member: value for member, value in info.items() if member[:1].isupper()}


def _error(operation: OperationRecord) -> dict[str, Any] | None:
    if not operation.error_code and not operation.error_string:
        return None
    return {"ErrorCode": operation.error_code, "ErrorString": operation.error_string}


def _newest_first(operation: OperationRecord) -> tuple[int, str]:
    """What readers look for comes first; MSK's own order is that of the random ids (msk.md 1.1)."""
    return (_EPOCH - operation.started) // timedelta(microseconds=1), operation.id
