"""UpdateBrokerStorage and UpdateStorage: larger volumes for all brokers, and the throughput that is provisioned for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from penstock.api import throughput
from penstock.api.change import Change, begin
from penstock.api.rooms import Rooms
from penstock.api.throughput import Throughput
from penstock.api.validate import LARGEST_VOLUME_GIB
from penstock.model.operation import OperationKind, OperationState
from penstock.model.spec import ClusterSpec, ClusterState
from penstock.settings import Realism
from penstock.store.records import ClusterRecord
from penstock.store.transaction import Transaction
from penstock.wire.call import Call, Output
from penstock.wire.errors import BadRequest

COOL_DOWN = timedelta(hours=6)
"""After a change MSK optimizes a volume for so long at least, and takes no second one (msk.md 1.4.2, 3.6)."""


@frozen
class Asked:
    """What a call wants of the volumes, and the paths by which it named it."""

    size: int | None
    """GiB."""
    throughput: Throughput | None
    size_path: str
    throughput_path: str


def update_broker_storage(call: Call, rooms: Rooms) -> Output:
    """Larger volumes for all brokers, grown while they run where the machine can."""
    path = "targetBrokerEBSVolumeInfo"
    infos: list[Mapping[str, Any]] = call.params["TargetBrokerEBSVolumeInfo"]
    if len(infos) != 1 or str(infos[0]["KafkaBrokerNodeId"]).upper() != "ALL":
        raise BadRequest(
            f"{path}: brokers of a cluster have volumes of one size; give one item whose kafkaBrokerNodeId is ALL.",
            path,
        )
    info = infos[0]
    asked = Asked(info.get("VolumeSizeGB"), info.get("ProvisionedThroughput"), path, f"{path}.provisionedThroughput")
    return _change(call, rooms, asked)


def update_storage(call: Call, rooms: Rooms) -> Output:
    """The same by UpdateStorage, which could also turn on tiering: not built yet."""
    if call.params.get("StorageMode") not in (None, "LOCAL"):
        raise BadRequest("storageMode: tiered storage is not built yet; leave it out.", "storageMode")
    given = call.params.get("ProvisionedThroughput")
    return _change(call, rooms, Asked(call.params.get("VolumeSizeGB"), given, "volumeSizeGB", "provisionedThroughput"))


def _change(call: Call, rooms: Rooms, asked: Asked) -> Output:
    size, path = asked.size, asked.size_path
    if size is None and not asked.throughput:
        raise BadRequest(
            f"{path}: the request does not include any updates; give a larger volumeSizeGB, or provisionedThroughput.",
            path,
        )
    if size is not None and not 1 <= size <= LARGEST_VOLUME_GIB:
        raise BadRequest(f"{path}: a volume has 1 to {LARGEST_VOLUME_GIB} GiB, not {size}.", path)

    def wanted(record: ClusterRecord, tx: Transaction) -> Change:
        change = _wanted(record.spec, asked)
        if rooms.settings.realism is Realism.MSK:
            _check_cool(record.spec, tx, rooms.clock(), path)
        return change

    # Brokers may be down because their volumes are full: then this is the remedy, and waiting for ACTIVE would be for ever.
    return begin(call, rooms, wanted, also={ClusterState.HEALING} if size is not None else ())


def _wanted(spec: ClusterSpec, asked: Asked) -> Change:
    present, size, path = spec.volume_gib, asked.size or spec.volume_gib, asked.size_path
    before, after = throughput.kept(spec.api), asked.throughput or throughput.kept(spec.api)
    if size < present or (size == present and not asked.throughput):
        raise BadRequest(
            f"{path}: the volume size can only grow, and each broker has {present} GiB already; ask for more.", path
        )
    if wrong := throughput.objection(asked.throughput, spec.instance_type, size):
        member = f"{asked.throughput_path}.{wrong[0][:1].lower()}{wrong[0][1:]}"
        raise BadRequest(f"{member}: {wrong[1]}", member)
    source: dict[str, Any] = {"KafkaBrokerNodeId": "ALL"}
    target = dict(source)
    if size != present:
        source["VolumeSizeGB"], target["VolumeSizeGB"] = present, size
    if not throughput.equal(before, after):
        source["ProvisionedThroughput"], target["ProvisionedThroughput"] = dict(before), dict(after)
    if source == target:
        raise BadRequest(
            f"{asked.throughput_path}: the cluster has that size and that throughput already; there is nothing to change.",
            asked.throughput_path,
        )
    return Change(
        evolve(spec, volume_gib=size),
        OperationKind.UPDATE_BROKER_EBS_VOLUME,
        {"BrokerEBSVolumeInfo": [source]},
        {"BrokerEBSVolumeInfo": [target], "before": {"volume_gib": present}},
    )


def _check_cool(spec: ClusterSpec, tx: Transaction, now: datetime, path: str) -> None:
    """Raise BadRequest where the last change of the volumes is too young."""
    for operation in tx.operations.list(spec.id):
        done = operation.kind is OperationKind.UPDATE_BROKER_EBS_VOLUME
        if done and operation.state is OperationState.UPDATE_COMPLETE and operation.ended is not None:
            until = operation.ended + COOL_DOWN
            if now < until:
                raise BadRequest(
                    f"{path}: the storage is optimizing after its last change and takes no other one for "
                    f"{COOL_DOWN // timedelta(hours=1)} hours; call again after {until:%Y-%m-%d %H:%M}Z.",
                    path,
                )
