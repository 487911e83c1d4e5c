"""The stock AWS CLI through a cluster's whole life."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from oracle.aws_cli import Aws, on_this_machine
from oracle.load import check, loaded, make_topic
from oracle.plane import NEWEST, Cluster, Plane, until


@pytest.fixture
def aws(plane: Plane) -> Aws:
    if not on_this_machine():
        pytest.skip("the AWS CLI is not on the PATH")
    return Aws(plane)


def members(aws: Aws) -> dict[str, Any]:
    """What both versions of the create take."""
    return {
        "BrokerNodeGroupInfo": {"InstanceType": "kafka.m5.large", "ClientSubnets": list(aws.plane.subnets)},
        "KafkaVersion": NEWEST,
        "NumberOfBrokerNodes": 3,
        "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "TLS_PLAINTEXT", "InCluster": True}},
    }


def configure(aws: Aws, file: Path) -> str:
    """A configuration with two revisions; its ARN."""
    file.write_text("log.retention.hours = 24\n")
    made = aws("create-configuration", name="tuned", server_properties=f"fileb://{file}", kafka_versions=[NEWEST])
    file.write_text("# two days\nlog.retention.hours = 48\nmessage.max.bytes = 2000000\n")
    aws("update-configuration", arn=made["Arn"], server_properties=f"fileb://{file}", description="longer")
    kept = aws("describe-configuration-revision", arn=made["Arn"], revision=2)
    assert base64.b64decode(kept["ServerProperties"]) == file.read_bytes()
    revisions = aws("list-configuration-revisions", arn=made["Arn"])["Revisions"]
    assert sorted(each["Revision"] for each in revisions) == [1, 2]
    (listed,) = aws("list-configurations")["Configurations"]
    assert listed["LatestRevision"]["Revision"] == 2
    return str(made["Arn"])


def check_topics(aws: Aws, arn: str) -> None:
    """A topic's life, without a Kafka client."""
    topic = {"cluster_arn": arn, "topic_name": "invoices"}
    configs = base64.b64encode(json.dumps({"retention.ms": "3600000"}).encode()).decode()
    aws("create-topic", **topic, partition_count=3, replication_factor=3, configs=configs)
    assert "invoices" in [each["TopicName"] for each in aws("list-topics", cluster_arn=arn)["Topics"]]
    assert json.loads(base64.b64decode(aws("describe-topic", **topic)["Configs"])) == {"retention.ms": "3600000"}
    aws("update-topic", **topic, partition_count=6)
    partitions = aws("describe-topic-partitions", **topic)["Partitions"]
    assert [each["Partition"] for each in partitions] == list(range(6))
    aws("delete-topic", **topic)


def test_a_whole_life(aws: Aws, tmp_path: Path) -> None:
    assert NEWEST in [each["Version"] for each in aws("list-kafka-versions")["KafkaVersions"]]
    configuration = configure(aws, tmp_path / "tuned.properties")
    using = {"Arn": configuration, "Revision": 1}
    provisioned = {**members(aws), "ConfigurationInfo": using}
    made = aws("create-cluster-v2", cluster_name="orders", provisioned=provisioned, tags={"team": "orders"})
    assert (made["State"], made["ClusterType"]) == ("CREATING", "PROVISIONED")
    arn = made["ClusterArn"]
    assert "ConflictException" in aws.refused("get-bootstrap-brokers", cluster_arn=arn)
    cluster = Cluster(aws.plane, "orders", arn)
    until(lambda: aws("describe-cluster-v2", cluster_arn=arn)["ClusterInfo"]["State"] == "ACTIVE", "ACTIVE", poll=0.5)

    nodes = aws("list-nodes", cluster_arn=arn)["NodeInfoList"]
    assert [node["BrokerNodeInfo"]["BrokerId"] for node in nodes if "BrokerNodeInfo" in node] == [1, 2, 3]
    brokers = aws("get-bootstrap-brokers", cluster_arn=arn)
    assert brokers["BootstrapBrokerString"].count(":9092") == 3
    assert brokers["BootstrapBrokerStringTls"].count(":9094") == 3
    (listed,) = aws("list-clusters", cluster_name_filter="ord")["ClusterInfoList"]
    assert listed["ClusterArn"] == arn
    check_topics(aws, arn)

    aws("tag-resource", resource_arn=arn, tags={"stage": "test"})
    assert aws("list-tags-for-resource", resource_arn=arn)["Tags"] == {"team": "orders", "stage": "test"}
    aws("untag-resource", resource_arn=arn, tag_keys=["team"])
    assert aws("describe-cluster", cluster_arn=arn)["ClusterInfo"]["Tags"] == {"stage": "test"}

    config = cluster.client("tls")
    make_topic(config, "orders", 3)
    # Without a group: its fifty partitions would join and be moved here, too, as they are in the stories of scaling.
    with loaded(config, "orders", 3, followed=False) as load:
        done = aws.update("update-broker-type", arn, target_instance_type="kafka.m5.xlarge")
        assert done["OperationState"] == "UPDATE_COMPLETE", done
        load.advance()
        rebooted = aws.end(aws("reboot-broker", cluster_arn=arn, broker_ids=["2"])["ClusterOperationArn"])
        assert (rebooted["OperationType"], rebooted["OperationState"]) == ("REBOOT_NODE", "REBOOT_COMPLETE")
        load.advance()
        grown = aws.update("update-broker-count", arn, target_number_of_broker_nodes=6)
        assert grown["OperationState"] == "UPDATE_COMPLETE", grown
        load.advance()
    check(config, "orders", 3, [load])
    assert aws("get-bootstrap-brokers", cluster_arn=arn) == brokers

    volumes = [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": 120}]
    for call, asked, source, target in (
        (
            "update-cluster-configuration",
            {"configuration_info": {**using, "Revision": 2}},
            {"ConfigurationInfo": using},
            {"ConfigurationInfo": {**using, "Revision": 2}},
        ),
        (
            "update-monitoring",
            {"enhanced_monitoring": "PER_BROKER"},
            {"EnhancedMonitoring": "DEFAULT"},
            {"EnhancedMonitoring": "PER_BROKER"},
        ),
        (
            "update-broker-storage",
            {"target_broker_ebs_volume_info": volumes},
            {"BrokerEBSVolumeInfo": [{**volumes[0], "VolumeSizeGB": 100}]},
            {"BrokerEBSVolumeInfo": volumes},
        ),
    ):
        done = aws.update(call, arn, **asked)
        assert done["OperationState"] == "UPDATE_COMPLETE", done
        assert (done["SourceClusterInfo"], done["TargetClusterInfo"]) == (source, target)
    provisioned_now = aws("describe-cluster-v2", cluster_arn=arn)["ClusterInfo"]["Provisioned"]
    assert provisioned_now["NumberOfBrokerNodes"] == 6
    assert provisioned_now["EnhancedMonitoring"] == "PER_BROKER"
    assert provisioned_now["BrokerNodeGroupInfo"]["InstanceType"] == "kafka.m5.xlarge"
    assert provisioned_now["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]["VolumeSize"] == 120
    assert provisioned_now["CurrentBrokerSoftwareInfo"]["ConfigurationRevision"] == 2

    operations = aws("list-cluster-operations", cluster_arn=arn)["ClusterOperationInfoList"]
    summaries = aws("list-cluster-operations-v2", cluster_arn=arn)["ClusterOperationInfoList"]
    assert len(operations) == len(summaries) == 6
    whole = aws("describe-cluster-operation-v2", cluster_operation_arn=summaries[0]["OperationArn"])
    assert whole["ClusterOperationInfo"]["OperationType"] == "UPDATE_BROKER_EBS_VOLUME"

    stale = aws.refused("update-storage", cluster_arn=arn, current_version=listed["CurrentVersion"], volume_size_gb=130)
    assert "BadRequestException" in stale
    assert "is not the current version" in stale
    assert "in use by one or more clusters: orders (revision 2)" in aws.refused(
        "delete-configuration", arn=configuration
    )

    # The older create; and a delete of what is not even up.
    short = aws("create-cluster", cluster_name="short", **{snake(name): each for name, each in members(aws).items()})
    assert short["State"] == "CREATING"
    for each in (short["ClusterArn"], arn):
        assert aws("delete-cluster", cluster_arn=each)["State"] == "DELETING"
    for each in (Cluster(aws.plane, "short", short["ClusterArn"]), cluster):
        each.gone()
    assert "NotFoundException" in aws.refused("describe-cluster", cluster_arn=arn)
    assert aws("delete-configuration", arn=configuration)["State"] == "DELETING"
    assert aws("list-clusters-v2")["ClusterInfoList"] == []


def snake(member: str) -> str:
    """`KafkaVersion` as the CLI's option is spelled: kafka_version."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in member).lstrip("_")
