"""UpdateBrokerCount: what may be asked, and what is written down."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def ask(kafka, cluster, count):
    version = kafka.describe_cluster(ClusterArn=cluster)["ClusterInfo"]["CurrentVersion"]
    return kafka.update_broker_count(ClusterArn=cluster, CurrentVersion=version, TargetNumberOfBrokerNodes=count)


@pytest.mark.parametrize(
    ("count", "words"),
    [(3, "already"), (2, "one of each stays"), (4, "multiple"), (63, "up to 60")],
)
def test_a_count_that_cannot_be(kafka, cluster, count: int, words: str) -> None:
    with pytest.raises(ClientError) as error:
        ask(kafka, cluster, count)
    answer = error.value.response
    assert (answer["Error"]["Code"], answer["InvalidParameter"]) == ("BadRequestException", "targetNumberOfBrokerNodes")
    assert words in answer["Message"]


def test_new_brokers_stand_in_the_zones_in_turn(kafka, cluster, loop) -> None:
    operation = ask(kafka, cluster, 6)["ClusterOperationArn"]
    info = kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"]
    assert info["OperationType"] == "INCREASE_BROKER_COUNT"
    assert (info["SourceClusterInfo"], info["TargetClusterInfo"]) == (
        {"NumberOfBrokerNodes": 3},
        {"NumberOfBrokerNodes": 6, "BrokerCountUpdateInfo": {"CreatedBrokerIds": [4.0, 5.0, 6.0]}},
    )
    shown = kafka.describe_cluster(ClusterArn=cluster)["ClusterInfo"]
    assert (shown["State"], shown["NumberOfBrokerNodes"]) == ("UPDATING", 3)
    spec = loop.spec(cluster)
    assert [place.id.number for place in spec.brokers] == [1, 2, 3, 4, 5, 6]
    assert [place.subnet for place in spec.brokers[3:]] == [place.subnet for place in spec.brokers[:3]]
    assert len(spec.controllers) == 3
    assert len({place.directory for place in spec.nodes}) == 9


@pytest.fixture
def six(kafka, wish, loop):
    """A function that makes an ACTIVE cluster of six brokers with such a configuration."""

    def made(properties):
        arn = kafka.create_configuration(Name="wide", ServerProperties=properties)["Arn"]
        cluster = kafka.create_cluster(
            **wish(NumberOfBrokerNodes=6, ConfigurationInfo={"Arn": arn, "Revision": 1}),
        )["ClusterArn"]
        loop.serve(cluster)
        return cluster

    return made


def test_the_newest_broker_of_each_zone_leaves(kafka, six, loop) -> None:
    cluster = six(b"default.replication.factor=3\nmin.insync.replicas=3")
    operation = ask(kafka, cluster, 3)["ClusterOperationArn"]
    info = kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"]
    assert info["OperationType"] == "DECREASE_BROKER_COUNT"
    assert (info["SourceClusterInfo"], info["TargetClusterInfo"]) == (
        {"NumberOfBrokerNodes": 6},
        {"NumberOfBrokerNodes": 3, "BrokerCountUpdateInfo": {"DeletedBrokerIds": [4.0, 5.0, 6.0]}},
    )
    leaving = [place.id.number for place in loop.spec(cluster).nodes if place.leaving]
    assert leaving == [4, 5, 6]


@pytest.mark.parametrize(
    "key",
    [
        "default.replication.factor",
        "min.insync.replicas",
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
    ],
)
def test_brokers_that_the_configuration_needs_stay(kafka, six, loop, key: str) -> None:
    cluster = six(f"{key}=6".encode())
    before = loop.spec(cluster)
    with pytest.raises(ClientError) as error:
        ask(kafka, cluster, 3)
    answer = error.value.response
    assert (answer["Error"]["Code"], answer["InvalidParameter"]) == ("BadRequestException", "targetNumberOfBrokerNodes")
    for words in ("revision 1 of the configuration wide", f"{key}: 6 copies", "the cluster has 3", "UpdateCluster"):
        assert words in answer["Message"]
    assert answer["Message"].startswith("targetNumberOfBrokerNodes: 3 brokers cannot run its configuration: ")
    assert loop.spec(cluster) == before
    assert ask(kafka, cluster, 9)["ClusterOperationArn"]
