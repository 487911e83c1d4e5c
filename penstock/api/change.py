"""How every change of a running cluster begins: one transaction checks that it may, writes what should be, opens the
operation and wakes the loop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from attrs import frozen

from penstock.api.arns import cluster_of
from penstock.api.rooms import Rooms
from penstock.api.views import operation_arn_of, shown_state
from penstock.model.operation import OperationKind
from penstock.model.spec import ClusterSpec, ClusterState
from penstock.store.errors import OperationInProgress
from penstock.store.records import ClusterRecord
from penstock.store.transaction import Transaction
from penstock.wire.call import Call, Output
from penstock.wire.errors import BadRequest


@frozen
class Change:
    """What a call wants of a cluster.

    `source` and `target` are `MutableClusterInfo` members under botocore's names, those that change and no other. Members
    with a small first letter are the loop's own and never shown: `before` holds the fields of the spec to go back to."""

    spec: ClusterSpec
    kind: OperationKind
    source: Mapping[str, Any]
    target: Mapping[str, Any]


Wanted = Callable[[ClusterRecord, Transaction], Change]


def begin(call: Call, rooms: Rooms, wanted: Wanted, also: Collection[ClusterState] = ()) -> Output:
    """Open the operation that `wanted` describes. Needs ACTIVE, or one of `also`, and the current version where the call has one.

    Raises NotFound, and BadRequest for a busy cluster, a stale version and whatever `wanted` refuses."""
    with rooms.store.write() as tx:
        record = cluster_of(tx, call)
        check_version(call, record)
        state = shown_state(record, tx.operations.current(record.spec.id))
        if state is not ClusterState.ACTIVE and state not in also:
            raise _busy(record.spec.name, f"it is {state}", _FIXES.get(state, _WAIT))
        change = wanted(record, tx)
        try:
            operation = tx.operations.open(
                change.kind,
                record.spec.id,
                source=change.source,
                target=change.target,
                client_request_id=call.request_id,
                now=rooms.clock(),
            )
        except OperationInProgress as busy:
            raise _busy(record.spec.name, "another operation runs on it") from busy
        tx.clusters.put_spec(change.spec)
        tx.queue.wake(record.spec.id)
    return {"ClusterArn": change.spec.arn, "ClusterOperationArn": operation_arn_of(change.spec, operation)}


def same(path: str, what: str) -> BadRequest:
    """Why a change that would change nothing is refused, as MSK refuses it: Terraform and scripts go by the code and the member."""
    return BadRequest(
        f"{path}: the value is identical to the current value: the cluster has {what} already; there is nothing to change.",
        path,
    )


def check_version(call: Call, record: ClusterRecord) -> None:
    """Raise BadRequest where the call was made for another version of the cluster than the current one."""
    given = call.params.get("CurrentVersion")
    if given is not None and given != record.current_version:
        raise BadRequest(
            f"currentVersion: {given!r} is not the current version of the cluster, which is {record.current_version}: "
            f"it has changed since you read it. Describe it again, and repeat the call if you still want it.",
            invalid_parameter="currentVersion",
        )


_WAIT = "Wait, then call again."
_FIXES: Mapping[ClusterState, str] = MappingProxyType(
    {
        ClusterState.FAILED: "It will not become ACTIVE any more: delete it, and create another.",
        ClusterState.DELETING: "It is on its way out: create another.",
    }
)
"""What to do where waiting is no use."""


def _busy(name: str, why: str, fix: str = _WAIT) -> BadRequest:
    return BadRequest(
        f"The cluster {name} cannot be changed now: {why}, and a change needs ACTIVE. {fix}",
        invalid_parameter="clusterArn",
    )
