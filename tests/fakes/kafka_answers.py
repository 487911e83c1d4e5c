"""What nodes answer, as the library's response objects: clusters, quorums, topics and settings that tests describe in short."""

from __future__ import annotations

from uuid import UUID

from kafka.protocol.admin import (
    DescribeClusterResponse,
    DescribeConfigsResponse,
    DescribeQuorumResponse,
    IncrementalAlterConfigsResponse,
)
from kafka.protocol.metadata import MetadataResponse

from penstock.kafka.messages import UnregisterBrokerResponse
from penstock.kafka.placement import kafka_id_bytes

DIRECTORY = "JEXY6aqzQY-32P5TStzaFg"


def described(*brokers):
    seen = [
        DescribeClusterResponse.DescribeClusterBroker(
            broker_id=number, host="h", port=1, rack=None, is_fenced=fenced, version=2
        )
        for number, fenced in brokers
    ]
    return DescribeClusterResponse(
        error_code=0, error_message=None, cluster_id="c", controller_id=1, brokers=seen, version=2
    )


def quorum_of(leader=10001, error=0, observers=((1, 100), (2, 100))):
    """A quorum of three whose leader's clock shows 1000; observers as (number, ms behind; None: never seen)."""
    topic = DescribeQuorumResponse.TopicData

    def state(number, behind):
        return topic.PartitionData.ReplicaState(
            replica_id=number,
            replica_directory_id=UUID(bytes=kafka_id_bytes(DIRECTORY)),
            log_end_offset=42,
            last_fetch_timestamp=-1,
            last_caught_up_timestamp=-1 if behind is None else 10_000 - behind,
            version=2,
        )

    part = topic.PartitionData(
        partition_index=0,
        error_code=error,
        error_message=None,
        leader_id=leader,
        leader_epoch=7,
        high_watermark=42,
        current_voters=[state(leader, 0), state(10002, 250), state(10003, None)],
        observers=[state(*observer) for observer in observers],
        version=2,
    )
    found = topic(topic_name="__cluster_metadata", partitions=[part], version=2)
    return DescribeQuorumResponse(error_code=0, error_message=None, topics=[found], nodes=[], version=2)


NOT_LEADER = quorum_of(error=6)


def metadata(*topics):
    """Topics as (name, error code, partitions as (leader, replicas, isr))."""
    kind = MetadataResponse.MetadataResponseTopic
    found = [
        kind(
            error_code=error,
            name=name,
            topic_id=UUID(bytes=kafka_id_bytes(DIRECTORY)),
            is_internal=False,
            partitions=[
                kind.MetadataResponsePartition(
                    error_code=0 if leader >= 0 else 5,
                    partition_index=index,
                    leader_id=leader,
                    leader_epoch=1,
                    replica_nodes=list(replicas),
                    isr_nodes=list(isr),
                    offline_replicas=[],
                    version=12,
                )
                for index, (leader, replicas, isr) in enumerate(partitions)
            ],
            version=12,
        )
        for name, error, partitions in topics
    ]
    return MetadataResponse(brokers=[], cluster_id="c", controller_id=1, topics=found, version=12)


def configured(request):
    """Every topic answers with a min ISR of 2, but for the one that is gone."""
    kind = DescribeConfigsResponse.DescribeConfigsResult
    results = []
    for resource in request.resources:
        gone = resource.resource_name == "gone"
        value = kind.DescribeConfigsResourceResult(
            name="min.insync.replicas", value="2", read_only=False, config_source=5, is_sensitive=False, version=4
        )
        results.append(
            kind(
                error_code=3 if gone else 0,
                error_message=None,
                resource_type=2,
                resource_name=resource.resource_name,
                configs=[] if gone else [value],
                version=4,
            )
        )
    return DescribeConfigsResponse(results=results, version=4)


def unregistered(code):
    return UnregisterBrokerResponse(throttle_time_ms=0, error_code=code, error_message="why" if code else "", version=0)


def altered(code):
    kind = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse
    result = kind(error_code=code, error_message=None, resource_type=4, resource_name="10001", version=1)
    return IncrementalAlterConfigsResponse(responses=[result], version=1)
