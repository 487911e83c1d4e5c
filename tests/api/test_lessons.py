"""What made tools fail on other services with this API, and must not here: lessons.md 35 to 46, one test for each that is named
by its number. Those that need Kafka are in `tests/scenarios/test_scenario_terraform.py`; 43 waits for SCRAM."""

from __future__ import annotations

import pytest
from attrs import evolve
from botocore.exceptions import ClientError
from wishes import put

from penstock.control.cluster.outcome import Ending, complete, ended
from penstock.kafka.listeners import standard_ports
from penstock.model.spec import Endpoint

ALL = "All"
"""As Terraform's provider spells it."""
BOTH = {"EncryptionInTransit": {"ClientBroker": "TLS_PLAINTEXT"}}


@pytest.fixture
def cluster(kafka, wish, loop):
    """ARN of a cluster that is ACTIVE, with a configuration of its own and both kinds of listeners."""
    arn = kafka.create_cluster(**wish(EncryptionInfo=BOTH, ConfigurationInfo=configured(kafka, "first")))["ClusterArn"]
    loop.serve(arn)
    return arn


@pytest.fixture
def finish(rooms):
    """The loop's last pass over an update: its operation is complete."""

    def write(answer):
        with rooms.store.write() as tx:
            record = tx.clusters.by_arn(answer["ClusterArn"])
            operation = tx.operations.current(record.spec.id)
            ending = Ending(complete(operation.kind), operation.kind)
            tx.operations.close(operation.id, ending.state, rooms.clock())
            tx.clusters.put_spec(ended(record.spec, operation, ending))

    return write


def configured(kafka, name, content=b"log.retention.hours=24"):
    made = kafka.create_configuration(Name=name, ServerProperties=content)
    return {"Arn": made["Arn"], "Revision": 1}


def describe(kafka, arn):
    return kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]


def update(kafka, arn, call, **asked):
    return getattr(kafka, call)(ClusterArn=arn, CurrentVersion=describe(kafka, arn)["CurrentVersion"], **asked)


def refused(call, **asked):
    with pytest.raises(ClientError) as error:
        call(**asked)
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Message"]


def changes(kafka):
    """Every update of a cluster that goes on in the background."""
    return {
        "update_broker_storage": {"TargetBrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": ALL, "VolumeSizeGB": 120}]},
        "update_broker_type": {"TargetInstanceType": "kafka.m5.xlarge"},
        "update_broker_count": {"TargetNumberOfBrokerNodes": 6},
        "update_monitoring": {"EnhancedMonitoring": "PER_BROKER"},
        "update_cluster_configuration": {"ConfigurationInfo": configured(kafka, "second")},
    }


def strings(kafka, arn):
    answer = kafka.get_bootstrap_brokers(ClusterArn=arn)
    return {name: value for name, value in answer.items() if name.startswith("Bootstrap")}


def test_35_bootstrap_strings_stay_while_brokers_join_and_leave(kafka, cluster, loop, rooms, finish):
    before = strings(kafka, cluster)
    assert len(before) == 2
    finish(update(kafka, cluster, "update_broker_count", TargetNumberOfBrokerNodes=6))
    for place in loop.spec(cluster).brokers[3:]:
        assert strings(kafka, cluster) == before
        ports = standard_ports(place.id.role, loop.spec(cluster).client_broker)
        with rooms.store.write() as tx:
            # The first of all addresses: what is stable must not follow from their order.
            placed = evolve(place, endpoint=Endpoint(f"127.64.0.{place.id.number}", ports))
            tx.clusters.put_spec(loop.spec(cluster).with_place(placed), bump=False)
    assert strings(kafka, cluster) == before
    update(kafka, cluster, "update_broker_count", TargetNumberOfBrokerNodes=3)
    assert strings(kafka, cluster) == before


def test_36_the_version_of_a_complete_operation_is_good_for_the_next_call(kafka, cluster, finish):
    """Several changes in one apply: each call needs the version that the one before it made."""
    for call, asked in changes(kafka).items():
        old = describe(kafka, cluster)["CurrentVersion"]
        # Neither a tag nor a reader changes it under somebody's hands.
        kafka.tag_resource(ResourceArn=cluster, Tags={"last": call})
        strings(kafka, cluster)
        answer = getattr(kafka, call)(ClusterArn=cluster, CurrentVersion=old, **asked)
        assert describe(kafka, cluster)["CurrentVersion"] != old
        finish(answer)
        assert (
            "is not the current version"
            in refused(kafka.update_storage, ClusterArn=cluster, CurrentVersion=old, VolumeSizeGB=999)[2]
        )


def test_37_a_cluster_that_failed_is_read_and_deleted(kafka, wish, loop):
    arn = kafka.create_cluster(**wish())["ClusterArn"]
    assert refused(kafka.get_bootstrap_brokers, ClusterArn=arn)[:2] == ("ConflictException", 409)
    loop.status(arn, "FAILED", code="CREATE_FAILED", message="There is no Java.")
    assert strings(kafka, arn) == {}
    assert describe(kafka, arn)["State"] == "FAILED"
    assert kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["State"] == "FAILED"
    assert len(kafka.list_nodes(ClusterArn=arn)["NodeInfoList"]) == 6
    assert kafka.list_tags_for_resource(ResourceArn=arn)["Tags"] == {}
    assert kafka.list_cluster_operations_v2(ClusterArn=arn)["ClusterOperationInfoList"] == []
    assert kafka.delete_cluster(ClusterArn=arn)["State"] == "DELETING"
    assert strings(kafka, arn) == {}, "asked on the way out too"


def test_38_failed_says_why_and_what_to_do_wherever_the_state_is_shown(kafka, wish, loop):
    arn = kafka.create_cluster(**wish())["ClusterArn"]
    info = {"Code": "CREATE_FAILED", "Message": "There is no Java in /opt. Install Java 17, then create it again."}
    loop.status(arn, "FAILED", code=info["Code"], message=info["Message"])
    (listed,), (listed_v2,) = kafka.list_clusters()["ClusterInfoList"], kafka.list_clusters_v2()["ClusterInfoList"]
    described = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]
    for shown in (describe(kafka, arn), described, listed, listed_v2):
        assert (shown["State"], shown["StateInfo"]) == ("FAILED", info)


def test_39_a_configuration_is_kept_for_whom_may_go_back_to_it_and_free_afterwards(kafka, cluster, finish):
    first = describe(kafka, cluster)["CurrentBrokerSoftwareInfo"]["ConfigurationArn"]
    second = configured(kafka, "second")
    answer = update(kafka, cluster, "update_cluster_configuration", ConfigurationInfo=second)
    # Brokers still run with the first one, and have it again if the update fails.
    for arn in (first, second["Arn"]):
        code, status, words = refused(kafka.delete_configuration, Arn=arn)
        assert (code, status) == ("BadRequestException", 400)
        assert words.startswith("Configuration is in use by one or more clusters: orders (revision 1).")
    finish(answer)
    kafka.delete_configuration(Arn=first)
    assert configured(kafka, "first")["Arn"] != first, "the name is free at once"


def test_39_a_new_revision_waits_until_it_is_asked_for(kafka, cluster, finish):
    arn = describe(kafka, cluster)["CurrentBrokerSoftwareInfo"]["ConfigurationArn"]
    latest = kafka.update_configuration(Arn=arn, ServerProperties=b"log.retention.hours=48")["LatestRevision"][
        "Revision"
    ]
    assert describe(kafka, cluster)["CurrentBrokerSoftwareInfo"]["ConfigurationRevision"] == 1
    info = {"Arn": arn, "Revision": latest}
    finish(update(kafka, cluster, "update_cluster_configuration", ConfigurationInfo=info))
    assert describe(kafka, cluster)["CurrentBrokerSoftwareInfo"]["ConfigurationRevision"] == 2


def test_40_no_change_makes_another_cluster(kafka, cluster, finish):
    def identity():
        shown = describe(kafka, cluster)
        return [shown[name] for name in ("ClusterArn", "ClusterName", "CreationTime", "EncryptionInfo")] + [
            shown["BrokerNodeGroupInfo"][name] for name in ("ClientSubnets", "SecurityGroups", "ZoneIds")
        ]

    before = identity()
    for call, asked in changes(kafka).items():
        finish(update(kafka, cluster, call, **asked))
        assert identity() == before, call


@pytest.mark.parametrize("throughput", [None, {"Enabled": False}])
def test_41_storage_is_shown_as_it_was_sent(kafka, wish, loop, finish, throughput):
    storage = {"VolumeSize": 50} if throughput is None else {"VolumeSize": 50, "ProvisionedThroughput": throughput}
    asked = put(wish(), "BrokerNodeGroupInfo.StorageInfo", {"EbsStorageInfo": storage})
    arn = kafka.create_cluster(**asked)["ClusterArn"]
    loop.serve(arn)
    assert describe(kafka, arn)["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"] == storage
    info = {"KafkaBrokerNodeId": ALL, "VolumeSizeGB": 60}
    finish(update(kafka, arn, "update_broker_storage", TargetBrokerEBSVolumeInfo=[info]))
    assert describe(kafka, arn)["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"] == {**storage, "VolumeSize": 60}


def test_41_an_update_that_changes_nothing_is_a_bad_request(kafka, cluster, finish):
    for call, asked in changes(kafka).items():
        finish(update(kafka, cluster, call, **asked))
        before = describe(kafka, cluster)
        version = before["CurrentVersion"]
        assert refused(getattr(kafka, call), ClusterArn=cluster, CurrentVersion=version, **asked)[:2] == (
            "BadRequestException",
            400,
        )
        assert describe(kafka, cluster) == before


LOGS = {
    "CloudWatchLogs": {"Enabled": True, "LogGroup": "orders"},
    "Firehose": {"Enabled": False},
    "S3": {"Enabled": True, "Bucket": "orders-logs", "Prefix": "brokers/"},
}


def test_42_logging_is_shown_as_it_was_sent_when_it_goes_off_too(kafka, wish, loop, finish):
    arn = kafka.create_cluster(**wish(LoggingInfo={"BrokerLogs": LOGS}))["ClusterArn"]
    loop.serve(arn)
    assert describe(kafka, arn)["LoggingInfo"] == {"BrokerLogs": LOGS}
    for logs in ({**LOGS, "CloudWatchLogs": {"Enabled": False}}, {name: {"Enabled": False} for name in LOGS}, LOGS):
        finish(update(kafka, arn, "update_monitoring", LoggingInfo={"BrokerLogs": logs}))
        assert describe(kafka, arn)["LoggingInfo"] == {"BrokerLogs": logs}


def test_42_exporters_that_are_off_come_along_with_other_changes(kafka, cluster, finish):
    """Terraform's provider sends all of monitoring, with both exporters off where the user has said nothing of them."""

    def exporters(jmx, node):
        return {"Prometheus": {"JmxExporter": {"EnabledInBroker": jmx}, "NodeExporter": {"EnabledInBroker": node}}}

    off = exporters(jmx=False, node=False)
    assert describe(kafka, cluster)["OpenMonitoring"] == off
    finish(update(kafka, cluster, "update_monitoring", EnhancedMonitoring="PER_BROKER", OpenMonitoring=off))
    for asked in (exporters(jmx=True, node=False), off):
        finish(update(kafka, cluster, "update_monitoring", OpenMonitoring=asked))
        assert describe(kafka, cluster)["OpenMonitoring"] == asked


@pytest.mark.parametrize("way", ["TLS", "PLAINTEXT", "TLS_PLAINTEXT"])
def test_42_encryption_is_shown_as_it_was_sent(kafka, wish, way):
    asked = {"EncryptionInTransit": {"ClientBroker": way, "InCluster": True}}
    shown = describe(kafka, kafka.create_cluster(**wish(EncryptionInfo=asked))["ClusterArn"])
    assert shown["EncryptionInfo"]["EncryptionInTransit"] == asked["EncryptionInTransit"]
    assert "ClientAuthentication" not in shown, "nobody asked for any"


def test_44_a_change_behind_ones_back_is_seen(kafka, cluster, finish):
    """Which revision brokers run, which one is the latest, who has updated the cluster: all of it is a read."""
    arn = describe(kafka, cluster)["CurrentBrokerSoftwareInfo"]["ConfigurationArn"]
    version = describe(kafka, cluster)["CurrentVersion"]
    kafka.update_configuration(Arn=arn, ServerProperties=b"log.retention.hours=1")
    assert kafka.describe_configuration(Arn=arn)["LatestRevision"]["Revision"] == 2
    finish(update(kafka, cluster, "update_cluster_configuration", ConfigurationInfo={"Arn": arn, "Revision": 2}))
    shown = describe(kafka, cluster)
    assert shown["CurrentBrokerSoftwareInfo"]["ConfigurationRevision"] == 2
    assert shown["CurrentVersion"] != version
    (operation,) = kafka.list_cluster_operations(ClusterArn=cluster)["ClusterOperationInfoList"]
    assert operation["OperationType"] == "UPDATE_CLUSTER_CONFIGURATION"


def test_45_operations_end_in_the_words_that_tools_wait_for(kafka, cluster, finish):
    asked = changes(kafka)
    for call, members in asked.items():
        finish(update(kafka, cluster, call, **members))
    finish(kafka.reboot_broker(ClusterArn=cluster, BrokerIds=["1"]))
    operations = kafka.list_cluster_operations(ClusterArn=cluster)["ClusterOperationInfoList"]
    states = [each["OperationState"] for each in reversed(operations)]
    assert states == ["UPDATE_COMPLETE"] * len(asked) + ["REBOOT_COMPLETE"]


def test_45_a_missing_configuration_is_a_bad_request(kafka, cluster):
    gone = configured(kafka, "gone")
    kafka.delete_configuration(Arn=gone["Arn"])
    code, status, words = refused(kafka.describe_configuration, Arn=gone["Arn"])
    assert (code, status) == ("BadRequestException", 400)
    assert "Configuration ARN does not exist" in words
    version = describe(kafka, cluster)["CurrentVersion"]
    asked = {"ClusterArn": cluster, "CurrentVersion": version, "ConfigurationInfo": gone}
    assert refused(kafka.update_cluster_configuration, **asked)[:2] == ("BadRequestException", 400)


def test_45_what_was_updated_is_in_the_description_and_in_the_operation(kafka, cluster, finish):
    """The old values while the operation runs, the new ones after it; both in the operation itself."""
    asked = changes(kafka)
    second = asked["update_cluster_configuration"]["ConfigurationInfo"]
    first = {"Arn": describe(kafka, cluster)["CurrentBrokerSoftwareInfo"]["ConfigurationArn"], "Revision": 1}

    def volumes(size):
        return {"BrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": size}]}

    def shown():
        cluster_info = describe(kafka, cluster)
        group, software = cluster_info["BrokerNodeGroupInfo"], cluster_info["CurrentBrokerSoftwareInfo"]
        return {
            "update_broker_storage": volumes(group["StorageInfo"]["EbsStorageInfo"]["VolumeSize"]),
            "update_broker_type": {"InstanceType": group["InstanceType"].removeprefix("kafka.")},
            "update_broker_count": {"NumberOfBrokerNodes": cluster_info["NumberOfBrokerNodes"]},
            "update_monitoring": {"EnhancedMonitoring": cluster_info["EnhancedMonitoring"]},
            "update_cluster_configuration": {
                "ConfigurationInfo": {
                    "Arn": software["ConfigurationArn"],
                    "Revision": software["ConfigurationRevision"],
                }
            },
        }

    old = shown()
    assert old["update_cluster_configuration"] == {"ConfigurationInfo": first}
    new = {
        "update_broker_storage": volumes(120),
        "update_broker_type": {"InstanceType": "m5.xlarge"},
        "update_broker_count": {"NumberOfBrokerNodes": 6},
        "update_monitoring": {"EnhancedMonitoring": "PER_BROKER"},
        "update_cluster_configuration": {"ConfigurationInfo": second},
    }
    for call, members in asked.items():
        answer = update(kafka, cluster, call, **members)
        assert shown()[call] == old[call]
        finish(answer)
        assert shown()[call] == new[call]
        operation = kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])
        info = operation["ClusterOperationInfo"]
        joined = info["TargetClusterInfo"].pop("BrokerCountUpdateInfo", None)  # of the operation, not of the cluster
        assert joined == ({"CreatedBrokerIds": [4.0, 5.0, 6.0]} if call == "update_broker_count" else None)
        assert (info["SourceClusterInfo"], info["TargetClusterInfo"]) == (old[call], new[call])


def test_45_brokers_can_leave_too(kafka, cluster, finish):
    finish(update(kafka, cluster, "update_broker_count", TargetNumberOfBrokerNodes=6))
    finish(update(kafka, cluster, "update_broker_count", TargetNumberOfBrokerNodes=3))
    assert describe(kafka, cluster)["NumberOfBrokerNodes"] == 3


@pytest.mark.parametrize(
    "state", ["CREATING", "ACTIVE", "UPDATING", "REBOOTING_BROKER", "HEALING", "MAINTENANCE", "FAILED"]
)
def test_46_every_state_has_its_word(kafka, cluster, loop, state):
    loop.status(cluster, state)
    assert describe(kafka, cluster)["State"] == state
    (listed,) = kafka.list_clusters_v2()["ClusterInfoList"]
    assert listed["State"] == state


def test_46_only_listeners_that_are_on_have_a_string(kafka, cluster, loop, wish):
    assert set(strings(kafka, cluster)) == {"BootstrapBrokerString", "BootstrapBrokerStringTls"}
    secure = kafka.create_cluster(**wish("secure"))["ClusterArn"]
    loop.serve(secure)
    assert set(strings(kafka, secure)) == {"BootstrapBrokerStringTls"}


def test_46_every_revision_is_kept_as_it_was_written(kafka):
    contents = [f"# number {hours}\nlog.retention.hours={hours}\r\n".encode() for hours in (1, 2, 3)]
    arn = configured(kafka, "history", contents[0])["Arn"]
    for content in contents[1:]:
        kafka.update_configuration(Arn=arn, ServerProperties=content)
    numbers = [each["Revision"] for each in kafka.list_configuration_revisions(Arn=arn)["Revisions"]]
    assert sorted(numbers) == [1, 2, 3]
    kept = [kafka.describe_configuration_revision(Arn=arn, Revision=number) for number in (1, 2, 3)]
    assert [each["ServerProperties"] for each in kept] == contents
