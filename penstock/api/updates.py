"""Changes that go on in the background: the call writes what should be, opens an operation and wakes the loop."""

from __future__ import annotations

from attrs import evolve

from penstock.api.arns import cluster_of
from penstock.api.rooms import Rooms
from penstock.api.views import operation_arn_of, shown_state
from penstock.model.operation import OpenOperation, OperationKind
from penstock.model.spec import ClusterState, NodePlace
from penstock.store.errors import OperationInProgress
from penstock.store.records import ClusterRecord
from penstock.wire.call import Call, Output
from penstock.wire.errors import BadRequest


def reboot_broker(call: Call, rooms: Rooms) -> Output:
    """Restart one broker, once the safety gate lets it go down. Needs ACTIVE; takes no `currentVersion` (msk.md 1.1).

    Raises NotFound, and BadRequest for another number of brokers than one, an unknown broker, and a busy cluster."""
    with rooms.store.write() as tx:
        record = cluster_of(tx, call)
        spec = record.spec
        broker = _broker(call, record)
        _check_active(record, tx.operations.current(spec.id))
        try:
            operation = tx.operations.open(
                OperationKind.REBOOT_NODE,
                spec.id,
                source={},
                target={"node": broker.id.name, "number": broker.id.number},
                client_request_id=call.request_id,
                now=rooms.clock(),
            )
        except OperationInProgress as busy:
            raise _busy(spec.name, "another operation runs on it") from busy
        tx.clusters.put_spec(spec.with_place(evolve(broker, restarts=broker.restarts + 1)))
        tx.queue.wake(spec.id)
    return {"ClusterArn": spec.arn, "ClusterOperationArn": operation_arn_of(spec, operation)}


def _broker(call: Call, record: ClusterRecord) -> NodePlace:
    asked: list[str] = call.params["BrokerIds"]
    if len(asked) != 1:
        raise BadRequest(
            f"brokerIds: name exactly one broker, {len(asked)} came; reboot several with one call after another.",
            invalid_parameter="brokerIds",
        )
    for place in record.spec.brokers:
        if asked == [str(place.id.number)]:
            return place
    known = ", ".join(str(place.id.number) for place in record.spec.brokers)
    raise BadRequest(
        f"brokerIds: the cluster {record.spec.name} has no broker {asked[0]!r}; it has {known}.",
        invalid_parameter="brokerIds",
    )


def _check_active(record: ClusterRecord, operation: OpenOperation | None) -> None:
    state = shown_state(record, operation)
    if state is not ClusterState.ACTIVE:
        raise _busy(record.spec.name, f"it is {state}")


def _busy(name: str, why: str) -> BadRequest:
    return BadRequest(
        f"The cluster {name} cannot be changed now: {why}, and a change needs ACTIVE. Wait, then call again.",
        invalid_parameter="clusterArn",
    )
