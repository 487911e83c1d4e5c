"""Clusters: create, describe, list, delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from penstock.api.arns import cluster_of
from penstock.api.change import check_version
from penstock.api.configurations import check_use
from penstock.api.defaults import chosen, complete, default_key
from penstock.api.request import CreateRequest, from_v1, from_v2
from penstock.api.rooms import Rooms
from penstock.api.validate import validate, validate_zones
from penstock.api.views import PROVISIONED, cluster_v1, cluster_v2, shown_state
from penstock.kafka.placement import new_kafka_id, new_nodes
from penstock.model.ids import cluster_arn, new_cluster_id
from penstock.model.spec import ClientBroker, ClusterSpec, ClusterState, ClusterStatus, Subnet
from penstock.store.errors import NameTaken
from penstock.store.records import ClusterRecord
from penstock.store.transaction import Transaction
from penstock.wire.call import Call, Output
from penstock.wire.errors import BadRequest, Conflict


def create_cluster(call: Call, rooms: Rooms) -> Output:
    """A new provisioned cluster, described flatly. Raises BadRequest, and Conflict where the name is taken."""
    return _created(_create(from_v1(call, rooms), rooms))


def create_cluster_v2(call: Call, rooms: Rooms) -> Output:
    """A new cluster of either type; only provisioned ones are built. Raises BadRequest and Conflict."""
    return {**_created(_create(from_v2(call, rooms), rooms)), "ClusterType": PROVISIONED}


def describe_cluster(call: Call, rooms: Rooms) -> Output:
    """One cluster in V1's shape. Raises NotFound."""
    with rooms.store.read() as tx:
        record = cluster_of(tx, call)
        return {"ClusterInfo": cluster_v1(record, tx.operations.current(record.spec.id))}


def describe_cluster_v2(call: Call, rooms: Rooms) -> Output:
    """One cluster in V2's shape. Raises NotFound."""
    with rooms.store.read() as tx:
        record = cluster_of(tx, call)
        return {"ClusterInfo": cluster_v2(record, tx.operations.current(record.spec.id))}


def list_clusters(call: Call, rooms: Rooms) -> Output:
    """The clusters of this account and region in V1's shape, oldest first; `clusterNameFilter` is a prefix."""
    with rooms.store.read() as tx:
        records, more = rooms.pages.page(_listed(tx, call), call, _place)
        shown = [cluster_v1(record, tx.operations.current(record.spec.id)) for record in records]
    return {"ClusterInfoList": shown, "NextToken": more}


def list_clusters_v2(call: Call, rooms: Rooms) -> Output:
    """The same in V2's shape, of one cluster type where `clusterTypeFilter` says so."""
    wanted = call.params.get("ClusterTypeFilter")
    if wanted not in (None, PROVISIONED, "SERVERLESS"):
        raise BadRequest(
            f"clusterTypeFilter: {wanted!r} is neither PROVISIONED nor SERVERLESS.",
            invalid_parameter="clusterTypeFilter",
        )
    with rooms.store.read() as tx:
        every = [] if wanted == "SERVERLESS" else _listed(tx, call)
        records, more = rooms.pages.page(every, call, _place)
        shown = [cluster_v2(record, tx.operations.current(record.spec.id)) for record in records]
    return {"ClusterInfoList": shown, "NextToken": more}


def delete_cluster(call: Call, rooms: Rooms) -> Output:
    """Ask for the end of a cluster, whatever its state. A second call changes nothing and answers the same.

    `currentVersion` is checked where it is given, but not on a cluster that is on its way out already: the first call
    has changed it, and a client that repeats a lost call must not fail. Raises NotFound and BadRequest."""
    with rooms.store.write() as tx:
        record = cluster_of(tx, call)
        if not record.spec.removed:
            check_version(call, record)
            tx.clusters.put_spec(evolve(record.spec, removed=True))
            tx.queue.wake(record.spec.id)
    return {"ClusterArn": record.spec.arn, "State": ClusterState.DELETING.value}


def _create(request: CreateRequest, rooms: Rooms) -> ClusterRecord:
    validate(request)
    account, region = request.caller.account, request.caller.region
    now = rooms.clock()
    # One transaction: a create that is refused leaves no zone written down for a subnet that nobody uses.
    with rooms.store.write() as tx:
        ids = request.get("BrokerNodeGroupInfo.ClientSubnets")
        zones = tx.subnets.zone_of(account, region, ids)
        subnets = tuple(Subnet(subnet, zones[subnet]) for subnet in ids)
        validate_zones(request, subnets)
        spec = _desired(request, subnets, tx.subnets.built_in(account, region).security_group, now)
        check_use(tx, spec, request.wire_path("ConfigurationInfo"))
        try:
            record = tx.clusters.insert(spec, ClusterStatus(since=now))
        except NameTaken as taken:
            raise Conflict(
                f"clusterName: a cluster named {request.name} exists already in {region}, and names are unique there; "
                f"choose another name, or delete that cluster and wait until it is gone.",
                invalid_parameter="clusterName",
            ) from taken
        tx.queue.wake(spec.id)
    return record


def _desired(request: CreateRequest, subnets: tuple[Subnet, ...], security_group: str, now: datetime) -> ClusterSpec:
    account, region = request.caller.account, request.caller.region
    api = complete(request.provisioned, default_key(account, region), subnets, security_group)
    group = api["BrokerNodeGroupInfo"]
    cluster = new_cluster_id()
    return ClusterSpec(
        id=cluster,
        arn=cluster_arn(region, account, request.name, cluster),
        name=request.name,
        account=account,
        region=region,
        kafka_id=new_kafka_id(),
        kafka_version=api["CurrentBrokerSoftwareInfo"]["KafkaVersion"],
        client_broker=ClientBroker(api["EncryptionInfo"]["EncryptionInTransit"]["ClientBroker"]),
        instance_type=group["InstanceType"],
        volume_gib=group["StorageInfo"]["EbsStorageInfo"]["VolumeSize"],
        subnets=subnets,
        nodes=new_nodes(cluster, subnets, api["NumberOfBrokerNodes"]),
        created=now,
        api=api,
        tags=dict(request.tags),
        configuration=chosen(request.get("ConfigurationInfo")),
    )


def _created(record: ClusterRecord) -> dict[str, str]:
    return {
        "ClusterArn": record.spec.arn,
        "ClusterName": record.spec.name,
        "State": shown_state(record, None).value,
    }


def _listed(tx: Transaction, call: Call) -> Sequence[ClusterRecord]:
    prefix = call.params.get("ClusterNameFilter") or ""
    return tx.clusters.list(call.caller.account, call.caller.region, prefix)


def _place(record: ClusterRecord) -> tuple[str, str]:
    """Oldest first, as the store lists; two of one moment by id."""
    return record.spec.created.isoformat(timespec="microseconds"), record.spec.id
