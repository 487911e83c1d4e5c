"""What was asked for is shown as it was asked for, and the rest as MSK fills it in."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wishes import GROUP, OFF, put, v2

NUMBERS = itertools.count()

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
        rest.get(GROUP, {}).pop("SecurityGroups", None)
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


def test_the_key_that_is_shown_may_be_sent(kafka, wish):
    shown = kafka.describe_cluster(ClusterArn=kafka.create_cluster(**wish("one"))["ClusterArn"])["ClusterInfo"]
    again = put(wish("two"), "EncryptionInfo", shown["EncryptionInfo"])
    assert kafka.create_cluster(**again)["State"] == "CREATING"
