"""What is refused when a cluster is asked for: every wrong member, by its name and with the rule."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from wishes import ABSENT, GROUP, put, v2

from penstock.kafka.versions import catalogue

STORAGE = f"{GROUP}.StorageInfo.EbsStorageInfo"
VPC = f"{GROUP}.ConnectivityInfo.VpcConnectivity.ClientAuthentication"
BROKER_LOGS = "LoggingInfo.BrokerLogs"


def wire(path):
    return ".".join(part[0].lower() + part[1:] for part in path.split("."))


WRONG = [
    # member, value, words of the rule; a fourth item where the error names a member inside
    ("ClusterName", "", ""),
    ("ClusterName", "-orders", "begins with a letter"),
    ("ClusterName", "or_ders", "letters, digits and hyphens"),
    ("ClusterName", "orders\n", "letters, digits and hyphens"),
    ("ClusterName", "o" * 65, "1 to 64"),
    ("ClusterName", ABSENT, "required"),
    ("KafkaVersion", "4.3.x", "Did you mean 4.3.x.kraft?"),
    ("KafkaVersion", "2.8.1", f"offered are {', '.join(catalogue())}."),
    ("KafkaVersion", ABSENT, "required"),
    ("NumberOfBrokerNodes", 4, "multiple of the number of subnets"),
    ("NumberOfBrokerNodes", 63, "1 to 60"),
    ("NumberOfBrokerNodes", 0, "at least 1"),
    ("NumberOfBrokerNodes", "3", "whole number"),
    ("NumberOfBrokerNodes", ABSENT, "required"),
    (GROUP, ABSENT, "required"),
    (f"{GROUP}.BrokerAZDistribution", "RANDOM", "DEFAULT"),
    (f"{GROUP}.InstanceType", "kafka.m5.huge", "kafka.m5.large, kafka.m5.xlarge"),
    (f"{GROUP}.InstanceType", "express.m7g.large", "not built yet"),
    (f"{GROUP}.InstanceType", ABSENT, "required"),
    (f"{GROUP}.ClientSubnets", ["subnet-0a1"], "2 or 3 subnets"),
    (f"{GROUP}.ClientSubnets", [], "2 or 3 subnets"),
    (f"{GROUP}.ClientSubnets", ["subnet-1", "subnet-2", "subnet-3", "subnet-4"], "2 or 3 subnets"),
    (f"{GROUP}.ClientSubnets", ["subnet-1", "subnet-2", "subnet-1"], "named twice"),
    (f"{GROUP}.ClientSubnets", ["subnet-1", "subnet-2", "vpc-3"], "not the id of a subnet"),
    (f"{GROUP}.ClientSubnets", ABSENT, "required"),
    (f"{GROUP}.SecurityGroups", ["group-1"], "not the id of a security group"),
    (f"{GROUP}.SecurityGroups", ["sg-1", "sg-1"], "named twice"),
    (f"{GROUP}.ZoneIds", ["use1-az3", "use1-az2", "use1-az1"], "use1-az1, use1-az2, use1-az3"),
    (f"{STORAGE}.VolumeSize", 0, "at least 1"),
    (f"{STORAGE}.VolumeSize", 16385, "1 to 16384 GiB"),
    (f"{STORAGE}.ProvisionedThroughput.Enabled", True, "kafka.m7g.2xlarge and larger"),
    (f"{STORAGE}.ProvisionedThroughput.VolumeThroughput", 250, "only while `enabled` is true"),
    (f"{GROUP}.ConnectivityInfo.PublicAccess.Type", "SERVICE_PROVIDED_EIPS", "not when it is created"),
    (f"{GROUP}.ConnectivityInfo.PublicAccess.Type", "OPEN", "neither DISABLED nor"),
    (f"{GROUP}.ConnectivityInfo.NetworkType", "DUAL", "not when it is created"),
    (f"{GROUP}.ConnectivityInfo.NetworkType", "IPV6", "IPV4"),
    (f"{VPC}.Sasl.Scram.Enabled", True, "not when it is created"),
    (f"{VPC}.Sasl.Iam.Enabled", True, "not when it is created"),
    (f"{VPC}.Tls.Enabled", True, "not when it is created"),
    ("Rebalancing", {"Status": "ACTIVE"}, "Express"),
    ("ClientAuthentication.Sasl.Scram.Enabled", True, "not built yet"),
    ("ClientAuthentication.Sasl.Iam.Enabled", True, "not built yet"),
    ("ClientAuthentication.Tls.Enabled", True, "not built yet"),
    ("ClientAuthentication.Tls.CertificateAuthorityArnList", ["arn:aws:acm-pca:::x"], "not built yet"),
    ("ClientAuthentication.Unauthenticated.Enabled", False, "nobody could connect"),
    (
        "ConfigurationInfo",
        {"Arn": "arn:aws:kafka:us-east-1:111111111111:configuration/x/y", "Revision": 1},
        "Configuration ARN does not exist",
        "configurationInfo.arn",
    ),
    ("ConfigurationInfo", {"Arn": "x", "Revision": 1}, "Configuration ARN does not exist", "configurationInfo.arn"),
    ("ConfigurationInfo", {"Arn": "x"}, "required", "configurationInfo.revision"),
    ("ConfigurationInfo", {"Arn": "x", "Revision": "1"}, "whole number", "configurationInfo.revision"),
    ("EncryptionInfo.EncryptionAtRest.DataVolumeKMSKeyId", "arn:aws:kms:us-east-1:1:key/mine", "not built yet"),
    ("EncryptionInfo.EncryptionInTransit.ClientBroker", "SSL", "TLS_PLAINTEXT"),
    ("EncryptionInfo.EncryptionInTransit.InCluster", "true", "true or false"),
    ("EnhancedMonitoring", "EVERYTHING", "PER_BROKER"),
    ("OpenMonitoring", {}, "required", "openMonitoring.prometheus"),
    ("LoggingInfo", {}, "required", "loggingInfo.brokerLogs"),
    (
        f"{BROKER_LOGS}.CloudWatchLogs",
        {"Enabled": True},
        "must go somewhere",
        "loggingInfo.brokerLogs.cloudWatchLogs.logGroup",
    ),
    (
        f"{BROKER_LOGS}.Firehose",
        {"Enabled": True},
        "must go somewhere",
        "loggingInfo.brokerLogs.firehose.deliveryStream",
    ),
    (f"{BROKER_LOGS}.S3", {"Enabled": True, "Prefix": "x"}, "must go somewhere", "loggingInfo.brokerLogs.s3.bucket"),
    (f"{BROKER_LOGS}.S3", {"Enabled": True, "Bucket": "No_Bucket"}, "AWS allows", "loggingInfo.brokerLogs.s3.bucket"),
    (f"{BROKER_LOGS}.S3", {"Enabled": False, "Prefix": "x" * 1025}, "1024", "loggingInfo.brokerLogs.s3.prefix"),
    ("StorageMode", "TIERED", "not built yet"),
    ("StorageMode", "COLD", "LOCAL"),
    ("Tags", {"aws:team": "a"}, "reserved"),
    ("Tags", {"AWS:team": "a"}, "reserved"),
    ("Tags", {"": "a"}, "1 to 128"),
    ("Tags", {"k" * 129: "a"}, "1 to 128"),
    ("Tags", {"team": "v" * 257}, "at most 256"),
    ("Tags", {"team": "a;b"}, "character other than"),
    ("Tags", {f"k{n}": "v" for n in range(51)}, "at most 50"),
]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("row", WRONG, ids=lambda row: f"{row[0]}={str(row[1])[:30]}")
def test_every_wrong_member_is_named_with_its_rule(kafka, wish, row, version):
    path, value, words, *inner = row
    wrong = put(wish(), path, value)
    create, asked = (kafka.create_cluster, wrong) if version == 1 else (kafka.create_cluster_v2, v2(wrong))
    with pytest.raises(ClientError) as refused:
        create(**asked)
    answer = refused.value.response
    assert answer["Error"]["Code"] == "BadRequestException"
    prefix = "provisioned." if version == 2 and path not in ("ClusterName", "Tags") else ""
    named = prefix + (inner[0] if inner else wire(path))
    assert answer["InvalidParameter"] == named
    assert answer["Message"].startswith(named)
    assert words in answer["Message"]
    assert kafka.list_clusters()["ClusterInfoList"] == []


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({}, "provisioned"),
        ({"Serverless": {"VpcConfigs": [{"SubnetIds": ["subnet-1"]}]}}, "serverless"),
        ({"Provisioned": None, "Serverless": {"VpcConfigs": []}}, "serverless"),
    ],
)
def test_v2_takes_exactly_one_of_provisioned_and_serverless(kafka, wish, parts, named):
    if "Provisioned" in parts:
        parts = {**parts, "Provisioned": v2(wish())["Provisioned"]}
    with pytest.raises(ClientError) as refused:
        kafka.create_cluster_v2(ClusterName="orders", **parts)
    assert refused.value.response["Error"]["Code"] == "BadRequestException"
    assert refused.value.response["InvalidParameter"] == named


def test_a_subnet_keeps_its_zone_and_two_in_one_zone_are_refused(kafka, wish):
    kafka.create_cluster(**wish("first"))
    # subnet-0d4 was never seen and takes the zone that subnet-0a1 leaves free first.
    two = put(put(wish("second"), f"{GROUP}.ClientSubnets", ["subnet-0a1", "subnet-0d4"]), "NumberOfBrokerNodes", 2)
    zones = kafka.describe_cluster(ClusterArn=kafka.create_cluster(**two)["ClusterArn"])["ClusterInfo"][GROUP][
        "ZoneIds"
    ]
    assert zones == ["use1-az1", "use1-az2"]
    with pytest.raises(ClientError) as refused:
        kafka.create_cluster(**put(wish("third"), f"{GROUP}.ClientSubnets", ["subnet-0a1", "subnet-0b2", "subnet-0d4"]))
    assert refused.value.response["InvalidParameter"] == "brokerNodeGroupInfo.clientSubnets"
    assert "subnet-0d4 in use1-az2" in refused.value.response["Message"]


def test_a_refused_create_writes_nothing_down(kafka, wish, rooms, account):
    """Else a typing mistake would give zones to subnets for ever."""
    kafka.create_cluster(**wish("first"))
    with pytest.raises(ClientError):
        kafka.create_cluster(**put(wish("first"), f"{GROUP}.ClientSubnets", ["subnet-9", "subnet-8", "subnet-7"]))
    second = put(wish("second"), f"{GROUP}.ClientSubnets", ["subnet-7", "subnet-8", "subnet-9"])
    arn = kafka.create_cluster(**second)["ClusterArn"]
    assert kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"][GROUP]["ZoneIds"] == [
        "use1-az1",
        "use1-az2",
        "use1-az3",
    ]
