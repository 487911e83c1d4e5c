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
        {"NumberOfBrokerNodes": 6},
    )
    shown = kafka.describe_cluster(ClusterArn=cluster)["ClusterInfo"]
    assert (shown["State"], shown["NumberOfBrokerNodes"]) == ("UPDATING", 3)
    spec = loop.spec(cluster)
    assert [place.id.number for place in spec.brokers] == [1, 2, 3, 4, 5, 6]
    assert [place.subnet for place in spec.brokers[3:]] == [place.subnet for place in spec.brokers[:3]]
    assert len(spec.controllers) == 3
    assert len({place.directory for place in spec.nodes}) == 9
