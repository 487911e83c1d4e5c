"""The Kafka versions on offer, and which upgrades they allow."""

from __future__ import annotations

from penstock.api.arns import cluster_of
from penstock.api.rooms import Rooms
from penstock.wire.call import Call, Output


def list_kafka_versions(call: Call, rooms: Rooms) -> Output:
    """Every version on offer, oldest first."""
    order = {version: place for place, version in enumerate(rooms.versions)}
    rows, more = rooms.pages.page(rooms.versions.values(), call, lambda row: (order[row.version],))
    return {"KafkaVersions": [{"Version": row.version, "Status": row.status} for row in rows], "NextToken": more}


def get_compatible_kafka_versions(call: Call, rooms: Rooms) -> Output:
    """For each version, or for that of one cluster, the versions that an update may go to. Raises NotFound."""
    sources = tuple(rooms.versions)
    if call.params.get("ClusterArn") is not None:
        with rooms.store.read() as tx:
            sources = (cluster_of(tx, call).spec.kafka_version,)
    return {"CompatibleKafkaVersions": [_compatible(source, rooms) for source in sources]}


def _compatible(source: str, rooms: Rooms) -> dict[str, str | list[str]]:
    # A cluster may outlive the row of its version; then there is nothing left that it could go to.
    row = rooms.versions.get(source)
    return {"SourceVersion": source, "TargetVersions": list(row.upgrades_to) if row else []}
