"""Asking for a cluster: what is let through and echoed, and what is refused with the member's name and the rule."""

from __future__ import annotations

import copy
import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from attrs import evolve
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.api import clusters
from penstock.api.effects import without_effect
from penstock.api.registry import handlers
from penstock.kafka.versions import catalogue
from penstock.settings import Realism, Settings
from penstock.store.store import Store
from penstock.wire.call import Call, Caller
from penstock.wire.errors import BadRequest, ServiceUnavailable

ABSENT = object()
NUMBERS = itertools.count()
GROUP = "BrokerNodeGroupInfo"
STORAGE = f"{GROUP}.StorageInfo.EbsStorageInfo"
VPC = f"{GROUP}.ConnectivityInfo.VpcConnectivity.ClientAuthentication"
BROKER_LOGS = "LoggingInfo.BrokerLogs"


def put(wish, path, value):
    """A copy of the wish with one member at a dotted path replaced."""
    changed = copy.deepcopy(wish)
    *parents, last = path.split(".")
    place = changed
    for part in parents:
        place = place.setdefault(part, {})
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return changed


def v2(wish):
    """The same wish as CreateClusterV2 takes it."""
    outer = {member: wish[member] for member in ("ClusterName", "Tags") if member in wish}
    return {**outer, "Provisioned": {member: value for member, value in wish.items() if member not in outer}}


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
    (f"{STORAGE}.ProvisionedThroughput.Enabled", True, "not built yet"),
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
    ("ConfigurationInfo", {"Arn": "arn:aws:kafka:us-east-1:1:configuration/x/y", "Revision": 1}, "not built yet"),
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


def test_the_smallest_type_is_for_laptops_and_refused_as_msk_does(kafka, wish, rooms):
    small = put(wish(), f"{GROUP}.InstanceType", "kafka.t3.small")
    assert kafka.create_cluster(**small)["State"] == "CREATING"
    strict = evolve(rooms, settings=Settings(home=rooms.settings.home, realism=Realism.MSK))
    call = Call("kafka", "CreateCluster", small, Caller("1" * 12, "us-east-1", "AKIA", "arn"), "id")
    with pytest.raises(BadRequest, match="not allowed with KRaft"):
        clusters.create_cluster(call, strict)


def test_a_name_is_taken_until_its_cluster_is_gone(kafka, wish, loop):
    arn = kafka.create_cluster(**wish("orders"))["ClusterArn"]
    for _ in ("while it lives", "while it is being deleted"):
        with pytest.raises(ClientError) as refused:
            kafka.create_cluster_v2(**v2(wish("orders")))
        assert refused.value.response["Error"]["Code"] == "ConflictException"
        assert refused.value.response["InvalidParameter"] == "clusterName"
        kafka.delete_cluster(ClusterArn=arn)
    loop.forget(arn)
    assert kafka.create_cluster(**wish("orders"))["ClusterArn"] != arn


def test_of_racing_creates_of_one_name_exactly_one_wins(client, account, wish):
    kafka = client(account)

    def create(number):
        try:
            return kafka.create_cluster(**wish("race"))["ClusterArn"]
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(8)))
    assert answers.count("ConflictException") == 7
    assert [c["ClusterArn"] for c in kafka.list_clusters()["ClusterInfoList"]] == [
        answer for answer in answers if answer != "ConflictException"
    ]


def test_a_create_is_answered_at_once_and_wakes_the_loop(kafka, wish, loop, account):
    answer = kafka.create_cluster_v2(**v2(wish("orders")))
    assert (answer["State"], answer["ClusterType"], answer["ClusterName"]) == ("CREATING", "PROVISIONED", "orders")
    assert answer["ClusterArn"].startswith(f"arn:aws:kafka:us-east-1:{account}:cluster/orders/")
    spec = loop.spec(answer["ClusterArn"])
    assert spec.id in loop.woken
    assert [node.id.number for node in spec.nodes] == [1, 2, 3, 10001, 10002, 10003]
    assert answer["ClusterArn"].endswith(spec.id)


OFF = {"Enabled": False}
DEFAULTS = {
    GROUP: {
        "BrokerAZDistribution": "DEFAULT",
        "ConnectivityInfo": {
            "PublicAccess": {"Type": "DISABLED"},
            "VpcConnectivity": {"ClientAuthentication": {"Sasl": {"Iam": OFF, "Scram": OFF}, "Tls": OFF}},
        },
        "StorageInfo": {"EbsStorageInfo": {"VolumeSize": 100}},
        "ZoneIds": ["use1-az1", "use1-az2", "use1-az3"],
    },
    "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "TLS", "InCluster": True}},
    "EnhancedMonitoring": "DEFAULT",
    "OpenMonitoring": {
        "Prometheus": {"JmxExporter": {"EnabledInBroker": False}, "NodeExporter": {"EnabledInBroker": False}}
    },
    "StorageMode": "LOCAL",
}
"""What recorded clusters show though nobody asked for it (msk.md 1.7, C.1, C.3)."""


def beyond(shown, sent):
    """What is shown and was not sent; a difference in what was sent is an AssertionError."""
    rest = {}
    for member, value in shown.items():
        if member not in sent:
            rest[member] = value
        elif isinstance(value, dict) and isinstance(sent[member], dict):
            inner = beyond(value, sent[member])
            if inner:
                rest[member] = inner
        else:
            assert value == sent[member], member
    assert sent.keys() <= shown.keys()
    return rest


def filled(rest, defaults):
    """Every member of `rest` is the default of that name."""
    for member, value in rest.items():
        if isinstance(value, dict):
            filled(value, defaults[member])
        else:
            assert value == defaults[member], member


def test_a_cluster_of_defaults_looks_as_msk_shows_it(kafka, wish, account, rooms):
    arn = kafka.create_cluster(**wish())["ClusterArn"]
    shown = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]
    assert shown.keys() == {
        *("ClusterArn", "ClusterName", "ClusterType", "CreationTime", "CurrentVersion", "Provisioned", "State", "Tags")
    }
    assert shown["Tags"] == {}
    assert shown["CurrentVersion"].startswith("K")
    provisioned = shown["Provisioned"]
    assert provisioned.pop("CurrentBrokerSoftwareInfo") == {"KafkaVersion": "4.3.x.kraft"}
    key = provisioned["EncryptionInfo"].pop("EncryptionAtRest")["DataVolumeKMSKeyId"]
    assert key.startswith(f"arn:aws:kms:us-east-1:{account}:key/")
    with rooms.store.read() as tx:
        group = tx.subnets.built_in(account, "us-east-1").security_group
    assert provisioned[GROUP].pop("SecurityGroups") == [group]
    sent = {member: value for member, value in wish().items() if member not in ("ClusterName", "KafkaVersion")}
    assert beyond(provisioned, sent) == DEFAULTS


def switch(member="Enabled"):
    return st.fixed_dictionaries({member: st.booleans()})


def off():
    return st.just(OFF)


def optional(**members):
    return st.fixed_dictionaries({}, optional=members)


SUBNETS = [f"subnet-{letter}" for letter in "abc"]
TEXT = st.text("abcdefghij0123456789", min_size=3, max_size=20)


def sink(place):
    return st.fixed_dictionaries({"Enabled": st.booleans(), place: TEXT})


LOGS = optional(CloudWatchLogs=sink("LogGroup"), Firehose=sink("DeliveryStream"), S3=sink("Bucket"))
CREATES = st.fixed_dictionaries(
    {
        "KafkaVersion": st.sampled_from(["4.1.x.kraft", "4.3.x.kraft"]),
        "NumberOfBrokerNodes": st.integers(1, 20).map(lambda n: 3 * n),
        GROUP: st.fixed_dictionaries(
            {
                "InstanceType": st.sampled_from(["kafka.t3.small", "kafka.m5.24xlarge", "kafka.m7g.large"]),
                "ClientSubnets": st.just(SUBNETS),
            },
            optional={
                "BrokerAZDistribution": st.just("DEFAULT"),
                "SecurityGroups": st.lists(TEXT.map(lambda t: f"sg-{t}"), min_size=1, max_size=3, unique=True),
                "StorageInfo": optional(
                    EbsStorageInfo=optional(VolumeSize=st.integers(1, 16384), ProvisionedThroughput=off())
                ),
                "ConnectivityInfo": optional(
                    PublicAccess=optional(Type=st.just("DISABLED")),
                    NetworkType=st.just("IPV4"),
                    VpcConnectivity=optional(
                        ClientAuthentication=optional(Sasl=optional(Scram=off(), Iam=off()), Tls=off())
                    ),
                ),
                "ZoneIds": st.just(["use1-az1", "use1-az2", "use1-az3"]),
            },
        ),
    },
    optional={
        "ClientAuthentication": optional(
            Sasl=optional(Scram=off(), Iam=off()),
            Tls=optional(Enabled=st.just(False), CertificateAuthorityArnList=st.just([])),
            Unauthenticated=st.just({"Enabled": True}),
        ),
        "EncryptionInfo": optional(
            EncryptionInTransit=optional(
                ClientBroker=st.sampled_from(["TLS", "TLS_PLAINTEXT", "PLAINTEXT"]), InCluster=st.booleans()
            )
        ),
        "EnhancedMonitoring": st.sampled_from(["DEFAULT", "PER_BROKER", "PER_TOPIC_PER_PARTITION"]),
        "OpenMonitoring": st.fixed_dictionaries(
            {"Prometheus": optional(JmxExporter=switch("EnabledInBroker"), NodeExporter=switch("EnabledInBroker"))}
        ),
        "LoggingInfo": st.fixed_dictionaries({"BrokerLogs": LOGS}, optional={"AuthorizerLogs": LOGS}),
        "StorageMode": st.just("LOCAL"),
        "Tags": st.dictionaries(TEXT, st.text("äZ 9_.:/=+-@", max_size=256), max_size=5),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=CREATES, wrapped=st.booleans())
def test_what_was_sent_is_echoed_exactly_and_the_rest_is_a_default(kafka, sent, wrapped):
    name = f"echo-{next(NUMBERS)}"
    answer = (
        kafka.create_cluster_v2(**v2({"ClusterName": name, **sent}))
        if wrapped
        else kafka.create_cluster(ClusterName=name, **sent)
    )
    arn = answer["ClusterArn"]
    try:
        shown = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]
        assert shown["Tags"] == sent.get("Tags", {})
        provisioned = shown["Provisioned"]
        flat = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]
        assert {member: flat[member] for member in provisioned} == provisioned
        assert provisioned.pop("CurrentBrokerSoftwareInfo") == {"KafkaVersion": sent["KafkaVersion"]}
        asked = {member: value for member, value in sent.items() if member not in ("KafkaVersion", "Tags")}
        rest = beyond(provisioned, asked)
        rest["EncryptionInfo"].pop("EncryptionAtRest")
        rest[GROUP].pop("SecurityGroups", None)
        filled(rest, DEFAULTS)
    finally:
        kafka.delete_cluster(ClusterArn=arn)


def test_an_empty_list_of_security_groups_means_the_default_one(kafka, wish):
    one, two = wish("one"), put(wish("two"), f"{GROUP}.SecurityGroups", [])
    groups = [
        kafka.describe_cluster(ClusterArn=kafka.create_cluster(**asked)["ClusterArn"])["ClusterInfo"][GROUP]
        for asked in (one, two)
    ]
    assert groups[0] == groups[1]
    assert len(groups[0]["SecurityGroups"]) == 1


def test_a_store_that_cannot_write_is_told_in_its_own_words(rooms, wish, tmp_path):
    """A client retries that, and whoever looks at the message knows what to do."""
    key = bytes(32)
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with closing(Store(url, key)) as old, closing(Store(url, key)) as new:
        old.raise_term()
        new.raise_term()
        create = handlers(evolve(rooms, store=old))["kafka", "CreateCluster"]
        with pytest.raises(ServiceUnavailable, match="not in charge"):
            create(Call("kafka", "CreateCluster", wish(), Caller("1" * 12, "us-east-1", "AKIA", "arn"), "id"))


def test_the_key_that_is_shown_may_be_sent(kafka, wish):
    shown = kafka.describe_cluster(ClusterArn=kafka.create_cluster(**wish("one"))["ClusterArn"])["ClusterInfo"]
    again = put(wish("two"), "EncryptionInfo", shown["EncryptionInfo"])
    assert kafka.create_cluster(**again)["State"] == "CREATING"


def test_explain_says_what_has_no_effect_yet(kafka, wish, loop):
    arn = kafka.create_cluster(**wish("plain"))["ClusterArn"]
    (volumes,) = without_effect(loop.spec(arn))
    assert "not encrypted" in volumes
    asked = wish(
        "loud",
        EnhancedMonitoring="PER_BROKER",
        OpenMonitoring={"Prometheus": {"JmxExporter": {"EnabledInBroker": True}}},
        LoggingInfo={"BrokerLogs": {"S3": {"Enabled": True, "Bucket": "logs"}}, "AuthorizerLogs": {"S3": OFF}},
        EncryptionInfo={"EncryptionInTransit": {"InCluster": False}},
    )
    said = " ".join(without_effect(loop.spec(kafka.create_cluster(**asked)["ClusterArn"])))
    for words in ("PER_BROKER", "jmxExporter has no effect", "brokerLogs to s3 has no effect", "inCluster = false"):
        assert words in said
    assert "nodeExporter" not in said
    assert "authorizerLogs" not in said
