"""Every operation that is built: (service, operation) -> the function that does it. What is missing here the wire answers
with "not built yet"."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from types import MappingProxyType

import structlog

from penstock.api import (
    ceilings,
    clusters,
    configurations,
    connectivity,
    nodes,
    operations,
    storage,
    tags,
    topics,
    updates,
    versions,
)
from penstock.api.rooms import Operation, Rooms
from penstock.settings import Realism, Settings
from penstock.store.errors import StoreError
from penstock.wire.call import Call, Handler, Output
from penstock.wire.errors import ServiceUnavailable

log = structlog.get_logger(__name__)

OPERATIONS: Mapping[tuple[str, str], Operation] = MappingProxyType(
    {
        ("kafka", "CreateCluster"): clusters.create_cluster,
        ("kafka", "CreateClusterV2"): clusters.create_cluster_v2,
        ("kafka", "DescribeCluster"): clusters.describe_cluster,
        ("kafka", "DescribeClusterV2"): clusters.describe_cluster_v2,
        ("kafka", "ListClusters"): clusters.list_clusters,
        ("kafka", "ListClustersV2"): clusters.list_clusters_v2,
        ("kafka", "DeleteCluster"): clusters.delete_cluster,
        ("kafka", "GetBootstrapBrokers"): nodes.get_bootstrap_brokers,
        ("kafka", "ListNodes"): nodes.list_nodes,
        ("kafka", "ListKafkaVersions"): versions.list_kafka_versions,
        ("kafka", "GetCompatibleKafkaVersions"): versions.get_compatible_kafka_versions,
        ("kafka", "RebootBroker"): updates.reboot_broker,
        ("kafka", "UpdateBrokerCount"): updates.update_broker_count,
        ("kafka", "UpdateBrokerStorage"): storage.update_broker_storage,
        ("kafka", "UpdateBrokerType"): updates.update_broker_type,
        ("kafka", "UpdateClusterConfiguration"): updates.update_cluster_configuration,
        ("kafka", "UpdateConnectivity"): connectivity.update_connectivity,
        ("kafka", "UpdateMonitoring"): updates.update_monitoring,
        ("kafka", "UpdateRebalancing"): updates.update_rebalancing,
        ("kafka", "UpdateStorage"): storage.update_storage,
        ("kafka", "ListClusterOperations"): operations.list_cluster_operations,
        ("kafka", "ListClusterOperationsV2"): operations.list_cluster_operations_v2,
        ("kafka", "DescribeClusterOperation"): operations.describe_cluster_operation,
        ("kafka", "DescribeClusterOperationV2"): operations.describe_cluster_operation_v2,
        ("kafka", "CreateTopic"): topics.create_topic,
        ("kafka", "DescribeTopic"): topics.describe_topic,
        ("kafka", "DescribeTopicPartitions"): topics.describe_topic_partitions,
        ("kafka", "ListTopics"): topics.list_topics,
        ("kafka", "UpdateTopic"): topics.update_topic,
        ("kafka", "DeleteTopic"): topics.delete_topic,
        ("kafka", "CreateConfiguration"): configurations.create_configuration,
        ("kafka", "UpdateConfiguration"): configurations.update_configuration,
        ("kafka", "DescribeConfiguration"): configurations.describe_configuration,
        ("kafka", "DescribeConfigurationRevision"): configurations.describe_configuration_revision,
        ("kafka", "ListConfigurations"): configurations.list_configurations,
        ("kafka", "ListConfigurationRevisions"): configurations.list_configuration_revisions,
        ("kafka", "DeleteConfiguration"): configurations.delete_configuration,
        ("kafka", "TagResource"): tags.tag_resource,
        ("kafka", "UntagResource"): tags.untag_resource,
        ("kafka", "ListTagsForResource"): tags.list_tags_for_resource,
    }
)

SLOW = frozenset(
    {"CreateTopic", "DescribeTopic", "DescribeTopicPartitions", "ListTopics", "UpdateTopic", "DeleteTopic"}
)
"""Operations that wait for something outside: the gateway gives them threads of their own."""


def slow(settings: Settings) -> Collection[str]:
    """The same under these settings."""
    return SLOW | ceilings.ASKING if settings.realism is Realism.MSK else SLOW


def handlers(rooms: Rooms) -> Mapping[tuple[str, str], Handler]:
    """The same table as the gateway takes it: every operation with its rooms."""
    return {name: partial(_answered, operation, rooms) for name, operation in OPERATIONS.items()}


def _answered(operation: Operation, rooms: Rooms, call: Call) -> Output:
    """The operation; what the store cannot do now (a full disk, a locked file) becomes an error that clients retry."""
    try:
        return operation(call, rooms)
    except StoreError as error:
        log.warning("the store refused", operation=call.operation, request=call.request_id, why=str(error))
        raise ServiceUnavailable(str(error)) from error
