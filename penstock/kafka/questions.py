"""The requests that the control plane sends, in the library's classes, and the version of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from kafka.protocol.admin import (
    AlterPartitionReassignmentsRequest,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    DescribeClusterRequest,
    DescribeConfigsRequest,
    DescribeLogDirsRequest,
    DescribeQuorumRequest,
    DescribeTopicPartitionsRequest,
    ElectLeadersRequest,
    IncrementalAlterConfigsRequest,
    ListPartitionReassignmentsRequest,
)
from kafka.protocol.metadata import MetadataRequest

from penstock.kafka.messages import AddRaftVoterRequest, RemoveRaftVoterRequest, UnregisterBrokerRequest
from penstock.kafka.placement import kafka_id_bytes

VERSIONS: Mapping[type, int] = MappingProxyType(
    {
        MetadataRequest: 12,
        DescribeConfigsRequest: 4,
        CreateTopicsRequest: 7,
        CreatePartitionsRequest: 3,
        DeleteTopicsRequest: 6,
        DescribeTopicPartitionsRequest: 0,
        ElectLeadersRequest: 2,
        IncrementalAlterConfigsRequest: 1,
        DescribeQuorumRequest: 2,
        DescribeClusterRequest: 2,
        UnregisterBrokerRequest: 0,
        AlterPartitionReassignmentsRequest: 1,  # which can be told to keep replication factors; from Kafka 4.1 on
        ListPartitionReassignmentsRequest: 0,
        DescribeLogDirsRequest: 4,  # the first that tells the room on the volume
        AddRaftVoterRequest: 0,
        RemoveRaftVoterRequest: 0,
    }
)
"""Version of each request; every Kafka from 4.0 on speaks them, but for what is said (fenced brokers are listed from
DescribeCluster 2)."""

TOPIC, BROKER = 2, 4
"""Kinds of configured things on the wire; a controller is a BROKER there."""
EVERY_BROKER = ""
"""The name under which all brokers have their default, those to come included."""
SET, DELETE = 0, 1
"""What is done with one property."""

METADATA_TOPIC = "__cluster_metadata"

# The library carries no types for these.
_Quorum: Any = DescribeQuorumRequest.TopicData
_Altered: Any = IncrementalAlterConfigsRequest.AlterConfigsResource
_Described: Any = DescribeConfigsRequest.DescribeConfigsResource
_Topic: Any = CreateTopicsRequest.CreatableTopic
_Unregister: Any = UnregisterBrokerRequest
_Add: Any = AddRaftVoterRequest
_Remove: Any = RemoveRaftVoterRequest
_Parts: Any = DescribeTopicPartitionsRequest
_More: Any = CreatePartitionsRequest
_Deleted: Any = DeleteTopicsRequest


def nothing() -> Any:
    """Metadata of no topics: little to carry, and yet a broker's handlers and its metadata have to work for it."""
    return MetadataRequest(topics=[])


def topics() -> Any:
    """Metadata of all topics."""
    return MetadataRequest(topics=None, allow_auto_topic_creation=False)


def brokers() -> Any:
    """Every registered broker, fenced ones too."""
    return DescribeClusterRequest(include_fenced_brokers=True)


def quorum() -> Any:
    """The metadata quorum; only its leader answers without an error code."""
    partition = _Quorum.PartitionData(partition_index=0)
    return DescribeQuorumRequest(topics=[_Quorum(topic_name=METADATA_TOPIC, partitions=[partition])])


def configs(kind: int, names: Iterable[str], keys: Iterable[str] | None) -> Any:
    """Effective values of some properties (None: all) of TOPICs, or of one BROKER (which answers for itself alone)."""
    wanted = None if keys is None else list(keys)
    resources = [_Described(resource_type=kind, resource_name=name, configuration_keys=wanted) for name in names]
    return DescribeConfigsRequest(resources=resources, include_synonyms=False, include_documentation=False)


def alter_configs(kind: int, wanted: Mapping[str, Mapping[str, str | None]], *, dry: bool = False) -> Any:
    """Set properties of TOPICs, of one BROKER, or of EVERY_BROKER, by name; None takes a value away. `dry`: only check."""
    resources = [
        _Altered(
            resource_type=kind,
            resource_name=name,
            configs=[
                _Altered.AlterableConfig(name=key, config_operation=DELETE if value is None else SET, value=value)
                for key, value in values.items()
            ],
        )
        for name, values in wanted.items()
    ]
    return IncrementalAlterConfigsRequest(resources=resources, validate_only=dry)


def unregister(broker: int) -> Any:
    """Take a broker's registration away."""
    return _Unregister(broker_id=broker)


def add_voter(number: int, directory: str, listeners: Mapping[str, tuple[str, int]], timeout_ms: int) -> Any:
    """Count a controller among the voters; `listeners` by name, where the others reach it."""
    there = [_Add.Listener(name=name, host=host, port=port) for name, (host, port) in listeners.items()]
    return _Add(
        cluster_id=None,
        timeout_ms=timeout_ms,
        voter_id=number,
        voter_directory_id=_uuid(directory),
        listeners=there,
    )


def remove_voter(number: int, directory: str) -> Any:
    """Count a voter no more."""
    return _Remove(cluster_id=None, voter_id=number, voter_directory_id=_uuid(directory))


def elect_preferred(timeout_ms: int) -> Any:
    """Preferred leaders for all partitions."""
    return ElectLeadersRequest(election_type=0, topic_partitions=None, timeout_ms=timeout_ms)


def create_topic(
    name: str,
    partitions: int,
    replicas: int,
    config: Mapping[str, str],
    timeout_ms: int,
    placed: Sequence[Sequence[int]] = (),
) -> Any:
    """Create one topic; -1 stands for the cluster's default, and where partitions are `placed`, for what that says: the
    brokers of each, its leader first."""
    topic = _Topic(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        assignments=[
            _Topic.CreatableReplicaAssignment(partition_index=index, broker_ids=list(brokers))
            for index, brokers in enumerate(placed)
        ],
        configs=[_Topic.CreatableTopicConfig(name=key, value=value) for key, value in config.items()],
    )
    return CreateTopicsRequest(topics=[topic], timeout_ms=timeout_ms, validate_only=False)


def topic(name: str) -> Any:
    """Metadata of one topic, whole."""
    return MetadataRequest(topics=[MetadataRequest.MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)


def partitions_from(names: Iterable[str], start: tuple[str, int] | None, limit: int) -> Any:
    """Partitions in the order of (topic, index), from `start` on, so many at most; of all topics where `names` is empty.

    `start` need not exist; a broker answers with 2000 at most (`max.request.partition.size.limit`)."""
    cursor = None if start is None else _Parts.Cursor(topic_name=start[0], partition_index=start[1])
    wanted = [_Parts.TopicRequest(name=name) for name in names]
    return _Parts(topics=wanted, response_partition_limit=limit, cursor=cursor)


def add_partitions(name: str, total: int, timeout_ms: int) -> Any:
    """Grow a topic to so many partitions; Kafka places the new ones."""
    grown = _More.CreatePartitionsTopic(name=name, count=total, assignments=None)
    return _More(topics=[grown], timeout_ms=timeout_ms, validate_only=False)


def delete_topic(name: str, timeout_ms: int) -> Any:
    """Delete one topic and its data."""
    return _Deleted(topics=[_Deleted.DeleteTopicState(name=name)], timeout_ms=timeout_ms)


def _uuid(directory: str) -> UUID:
    return UUID(bytes=kafka_id_bytes(directory))
