"""Updates through a stock client, up to the moment in which the loop takes over: what is refused and why, what is written
down, and how the operation reads in both versions of the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import evolve
from botocore.exceptions import ClientError

from penstock.model.operation import OperationKind, OperationState

ALL = "ALL"
SIZE = [{"KafkaBrokerNodeId": ALL, "VolumeSizeGB": 200}]


@pytest.fixture
def tuned(kafka):
    """ARN of a configuration with two revisions: one that is all live, and one that needs a restart too."""
    arn = kafka.create_configuration(Name="tuned", ServerProperties=b"message.max.bytes=2000000\nnum.io.threads=32")
    kafka.update_configuration(Arn=arn["Arn"], ServerProperties=b"log.retention.hours=24\nnum.partitions=2")
    return arn["Arn"]


def describe(kafka, arn):
    return kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]


def members(kafka, arn, **asked):
    return {"ClusterArn": arn, "CurrentVersion": describe(kafka, arn)["CurrentVersion"], **asked}


def refused(call, **params):
    with pytest.raises(ClientError) as error:
        call(**params)
    answer = error.value.response
    return answer["Error"]["Code"], answer.get("InvalidParameter"), answer["Message"]


UPDATES = {
    "update_broker_storage": {"TargetBrokerEBSVolumeInfo": SIZE},
    "update_broker_type": {"TargetInstanceType": "kafka.m5.xlarge"},
    "update_monitoring": {"EnhancedMonitoring": "PER_BROKER"},
    "update_storage": {"VolumeSizeGB": 200},
}

LARGER = ("update_broker_storage", "update_storage")
"""What may be the only remedy of a cluster that is HEALING."""


def info_of(tuned, revision=1):
    return {"ConfigurationInfo": {"Arn": tuned, "Revision": revision}}


def every(tuned):
    """All updates that go on in the background, with members that are right."""
    return {**UPDATES, "update_cluster_configuration": info_of(tuned)}


@pytest.mark.parametrize(
    ("update", "kind", "source", "target"),
    [
        ("update_broker_type", "UPDATE_BROKER_TYPE", {"InstanceType": "m5.large"}, {"InstanceType": "m5.xlarge"}),
        (
            "update_monitoring",
            "UPDATE_CLUSTER_MONITORING",
            {"EnhancedMonitoring": "DEFAULT"},
            {"EnhancedMonitoring": "PER_BROKER"},
        ),
        *(
            (
                update,
                "UPDATE_BROKER_EBS_VOLUME",
                {"BrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": ALL, "VolumeSizeGB": 100}]},
                {"BrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": ALL, "VolumeSizeGB": 200}]},
            )
            for update in ("update_broker_storage", "update_storage")
        ),
    ],
)
def test_an_update_is_an_operation_that_tells_what_changes(kafka, cluster, loop, update, kind, source, target):
    before = describe(kafka, cluster)
    loop.woken.clear()
    answer = getattr(kafka, update)(**members(kafka, cluster, **UPDATES[update]))
    assert answer["ClusterArn"] == cluster
    during = describe(kafka, cluster)
    assert (during["State"], during["ActiveOperationArn"]) == ("UPDATING", answer["ClusterOperationArn"])
    assert during["CurrentVersion"] != before["CurrentVersion"]
    unchanged = before.keys() - {"State", "CurrentVersion"}
    assert {name: during[name] for name in unchanged} == {name: before[name] for name in unchanged}
    assert loop.woken == [loop.spec(cluster).id]
    flat = kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])["ClusterOperationInfo"]
    union = kafka.describe_cluster_operation_v2(ClusterOperationArn=answer["ClusterOperationArn"])
    union = union["ClusterOperationInfo"]
    for shown in (flat, union):
        assert (shown["OperationType"], shown["OperationState"]) == (kind, "PENDING")
        assert shown["ClusterArn"] == cluster
    for shown in (flat, union["Provisioned"]):
        assert (shown["SourceClusterInfo"], shown["TargetClusterInfo"]) == (source, target)
    (listed,) = kafka.list_cluster_operations(ClusterArn=cluster)["ClusterOperationInfoList"]
    assert listed == flat
    (summary,) = kafka.list_cluster_operations_v2(ClusterArn=cluster)["ClusterOperationInfoList"]
    assert summary == {name: union[name] for name in summary}


def operation_of(rooms, loop, arn):
    """The open operation as the loop reads it."""
    with rooms.store.read() as tx:
        return tx.operations.current(loop.spec(arn).id)


def test_the_loop_is_told_what_should_be_and_the_way_back(kafka, cluster, loop, rooms):
    kafka.update_broker_type(**members(kafka, cluster, **UPDATES["update_broker_type"]))
    assert loop.spec(cluster).instance_type == "kafka.m5.xlarge"
    assert operation_of(rooms, loop, cluster).target["before"] == {"instance_type": "kafka.m5.large"}


@pytest.mark.parametrize(
    ("said", "live"),
    [
        (b"", {"num.io.threads": "16", "num.network.threads": "8"}),
        (b"num.io.threads=9", {"num.network.threads": "8"}),
    ],
)
def test_threads_that_belong_to_a_type_are_set_at_run_time_too(kafka, wish, loop, rooms, monkeypatch, said, live):
    """A value that was set at run time once is stronger than the files of a roll; what a user says is stronger still."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    tuned = kafka.create_configuration(Name="tuned", ServerProperties=said)["Arn"]
    arn = kafka.create_cluster(**wish(**info_of(tuned)))["ClusterArn"]
    loop.serve(arn)
    kafka.update_broker_type(**members(kafka, arn, TargetInstanceType="kafka.m5.4xlarge"))
    assert operation_of(rooms, loop, arn).target["live"] == live


def test_the_smallest_type_has_no_dual_stack_whichever_comes_first(kafka, cluster, loop, rooms):
    """The other way round is refused by UpdateConnectivity (msk.md 4.7)."""
    with rooms.store.write() as tx:
        tx.clusters.put_spec(evolve(loop.spec(cluster), dual=True), bump=False)
    small = {"TargetInstanceType": "kafka.t3.small"}
    code, named, message = refused(kafka.update_broker_type, **members(kafka, cluster, **small))
    assert (code, named) == ("BadRequestException", "targetInstanceType")
    assert "not offered with the network type DUAL" in message
    with rooms.store.write() as tx:
        tx.clusters.put_spec(evolve(loop.spec(cluster), dual=False), bump=False)
    kafka.update_broker_type(**members(kafka, cluster, **small))


def test_a_larger_volume_is_in_the_spec(kafka, cluster, loop):
    kafka.update_storage(**members(kafka, cluster, VolumeSizeGB=101))
    assert loop.spec(cluster).volume_gib == 101


def test_a_configuration_names_what_is_set_at_run_time(kafka, cluster, loop, rooms, tuned):
    answer = kafka.update_cluster_configuration(**members(kafka, cluster, **info_of(tuned)))
    operation = operation_of(rooms, loop, cluster)
    assert loop.spec(cluster).configuration == (tuned, 1)
    assert (operation.kind, operation.state) == (OperationKind.UPDATE_CLUSTER_CONFIGURATION, OperationState.PENDING)
    assert operation.target["live"] == {"message.max.bytes": "2000000", "num.io.threads": "32"}
    assert operation.restart == ()
    assert operation.target["before"] == {"configuration": None}
    shown = kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])["ClusterOperationInfo"]
    assert shown["SourceClusterInfo"] == {}
    assert shown["TargetClusterInfo"] == {"ConfigurationInfo": {"Arn": tuned, "Revision": 1}}
    assert "ConfigurationArn" not in describe(kafka, cluster)["CurrentBrokerSoftwareInfo"]


def test_what_is_taken_out_goes_back_to_its_default(kafka, wish, loop, rooms, tuned):
    arn = kafka.create_cluster(**wish(**info_of(tuned)))["ClusterArn"]
    loop.serve(arn)
    answer = kafka.update_cluster_configuration(**members(kafka, arn, **info_of(tuned, 2)))
    operation = operation_of(rooms, loop, arn)
    # log.retention.hours is told as log.retention.ms, and num.partitions needs a restart.
    assert operation.target["live"] == {
        "message.max.bytes": "1048588",
        "num.io.threads": "8",
        "log.retention.ms": "86400000",
    }
    assert operation.restart == ("num.partitions",)
    assert tuple(operation.target["before"]["configuration"]) == (tuned, 1)
    shown = kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])["ClusterOperationInfo"]
    assert shown["SourceClusterInfo"] == {"ConfigurationInfo": {"Arn": tuned, "Revision": 1}}
    assert describe(kafka, arn)["CurrentBrokerSoftwareInfo"]["ConfigurationRevision"] == 1


@pytest.mark.parametrize(
    ("update", "asked", "member", "words"),
    [
        (
            "update_broker_type",
            {"TargetInstanceType": "kafka.m5.large"},
            "targetInstanceType",
            "identical to the current",
        ),
        ("update_broker_type", {"TargetInstanceType": "kafka.m5.tiny"}, "targetInstanceType", "not an instance type"),
        ("update_broker_type", {"TargetInstanceType": "m5.xlarge"}, "targetInstanceType", "not an instance type"),
        ("update_broker_type", {"TargetInstanceType": ""}, "targetInstanceType", "not an instance type"),
        ("update_broker_type", {"TargetInstanceType": "express.m7g.large"}, "targetInstanceType", "not built"),
        ("update_broker_type", {"TargetInstanceType": 7}, "targetInstanceType", "a string"),
        ("update_broker_type", {}, "targetInstanceType", "is required"),
        ("update_storage", {}, "volumeSizeGB", "does not include any updates"),
        ("update_storage", {"VolumeSizeGB": 100}, "volumeSizeGB", "can only grow"),
        ("update_storage", {"VolumeSizeGB": 99}, "volumeSizeGB", "can only grow"),
        ("update_storage", {"VolumeSizeGB": 0}, "volumeSizeGB", "1 to 16384"),
        ("update_storage", {"VolumeSizeGB": 16385}, "volumeSizeGB", "1 to 16384"),
        ("update_storage", {"VolumeSizeGB": "much"}, "volumeSizeGB", "a whole number"),
        ("update_storage", {"StorageMode": "TIERED"}, "storageMode", "not built"),
        ("update_storage", {"StorageMode": "CLOUD"}, "storageMode", "one of"),
        (
            "update_storage",
            {"VolumeSizeGB": 200, "ProvisionedThroughput": {"Enabled": True, "VolumeThroughput": 250}},
            "provisionedThroughput.enabled",
            "kafka.m7g.2xlarge and larger",
        ),
        ("update_broker_storage", {"TargetBrokerEBSVolumeInfo": []}, "targetBrokerEBSVolumeInfo", "ALL"),
        ("update_broker_storage", {"TargetBrokerEBSVolumeInfo": SIZE * 2}, "targetBrokerEBSVolumeInfo", "ALL"),
        (
            "update_broker_storage",
            {"TargetBrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": "1", "VolumeSizeGB": 200}]},
            "targetBrokerEBSVolumeInfo",
            "ALL",
        ),
        (
            "update_broker_storage",
            {"TargetBrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": ALL, "VolumeSizeGB": 100}]},
            "targetBrokerEBSVolumeInfo",
            "can only grow",
        ),
        (
            "update_broker_storage",
            {"TargetBrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": ALL}]},
            "targetBrokerEBSVolumeInfo",
            "does not include any updates",
        ),
        (
            "update_broker_storage",
            {
                "TargetBrokerEBSVolumeInfo": [
                    {**SIZE[0], "ProvisionedThroughput": {"Enabled": True, "VolumeThroughput": 250}}
                ]
            },
            "targetBrokerEBSVolumeInfo.provisionedThroughput.enabled",
            "kafka.m7g.2xlarge and larger",
        ),
        ("update_monitoring", {}, "enhancedMonitoring", "does not include any updates"),
        ("update_monitoring", {"EnhancedMonitoring": "DEFAULT"}, "enhancedMonitoring", "nothing to change"),
        ("update_monitoring", {"EnhancedMonitoring": "ALL"}, "enhancedMonitoring", "one of"),
        (
            "update_monitoring",
            {"LoggingInfo": {"BrokerLogs": {"S3": {"Enabled": True}}}},
            "loggingInfo.brokerLogs.s3.bucket",
            "is needed",
        ),
        ("update_rebalancing", {"Rebalancing": {"Status": "ACTIVE"}}, "rebalancing", "Express"),
    ],
)
def test_a_refusal_names_its_member_and_changes_nothing(kafka, cluster, loop, update, asked, member, words):
    before, spec = describe(kafka, cluster), loop.spec(cluster)
    code, named, message = refused(getattr(kafka, update), **members(kafka, cluster, **asked))
    assert (code, named) == ("BadRequestException", member)
    assert message.startswith((f"{member}: ", f"{member} ")), message
    assert words in message
    assert (describe(kafka, cluster), loop.spec(cluster)) == (before, spec)
    assert kafka.list_cluster_operations(ClusterArn=cluster)["ClusterOperationInfoList"] == []


@pytest.mark.parametrize(
    ("change", "member", "words"),
    [
        ({"Revision": 3}, "configurationInfo.revision", "has no revision 3; it has 1 to 2"),
        ({"Revision": -1}, "configurationInfo.revision", "revision"),
        ({"Arn": "nonsense"}, "configurationInfo.arn", "Configuration ARN does not exist"),
    ],
)
def test_a_configuration_that_is_not_there_is_refused(kafka, cluster, tuned, change, member, words):
    asked = {"ConfigurationInfo": {"Arn": tuned, "Revision": 1, **change}}
    code, named, message = refused(kafka.update_cluster_configuration, **members(kafka, cluster, **asked))
    assert (code, named) == ("BadRequestException", member)
    assert words in message


def test_the_same_revision_again_is_no_change_but_another_one_is(kafka, wish, loop, tuned):
    arn = kafka.create_cluster(**wish(**info_of(tuned)))["ClusterArn"]
    loop.serve(arn)
    code, named, message = refused(kafka.update_cluster_configuration, **members(kafka, arn, **info_of(tuned)))
    assert (code, named) == ("BadRequestException", "configurationInfo")
    assert "nothing to change" in message
    kafka.update_cluster_configuration(**members(kafka, arn, **info_of(tuned, 2)))


def test_what_a_configuration_asks_of_the_cluster_must_fit_it(kafka, cluster):
    arn = kafka.create_configuration(Name="wide", ServerProperties=b"default.replication.factor=4")["Arn"]
    code, named, message = refused(kafka.update_cluster_configuration, **members(kafka, cluster, **info_of(arn)))
    assert (code, named) == ("BadRequestException", "configurationInfo.revision")
    assert "the cluster has 3" in message


@pytest.mark.parametrize("update", [*UPDATES, "update_cluster_configuration"])
def test_a_stale_or_missing_version_is_refused(kafka, cluster, tuned, update):
    call, asked = getattr(kafka, update), every(tuned)[update]
    code, named, message = refused(call, ClusterArn=cluster, CurrentVersion="K000000000000", **asked)
    assert (code, named) == ("BadRequestException", "currentVersion")
    assert describe(kafka, cluster)["CurrentVersion"] in message
    code, named, _ = refused(call, ClusterArn=cluster, **asked)
    assert (code, named) == ("BadRequestException", "currentVersion")
    assert describe(kafka, cluster)["State"] == "ACTIVE"


@pytest.mark.parametrize("state", ["CREATING", "UPDATING", "REBOOTING_BROKER", "MAINTENANCE", "HEALING", "FAILED"])
def test_only_an_active_cluster_is_updated(kafka, cluster, loop, tuned, state):
    loop.status(cluster, state)
    spec = loop.spec(cluster)
    for update, asked in every(tuned).items():
        if state == "HEALING" and update in LARGER:
            continue
        code, _, message = refused(getattr(kafka, update), **members(kafka, cluster, **asked))
        assert code == "BadRequestException"
        assert state in message, update
    assert loop.spec(cluster) == spec
    assert kafka.list_cluster_operations(ClusterArn=cluster)["ClusterOperationInfoList"] == []


@pytest.mark.parametrize(
    ("state", "completed", "shown"),
    [
        ("ACTIVE", True, "UPDATING"),
        ("HEALING", True, "UPDATING"),
        ("CREATING", False, "CREATING"),
        ("FAILED", False, "FAILED"),
    ],
)
def test_an_open_operation_is_shown_by_a_cluster_that_was_active_once(kafka, cluster, loop, state, completed, shown):
    kafka.update_storage(**members(kafka, cluster, VolumeSizeGB=200))
    loop.status(cluster, state, completed=completed)
    assert describe(kafka, cluster)["State"] == shown


def test_a_cluster_on_its_way_out_and_one_that_is_not_there(kafka, cluster, loop, tuned):
    asked = members(kafka, cluster)
    kafka.delete_cluster(ClusterArn=cluster)
    for update, more in every(tuned).items():
        assert "DELETING" in refused(getattr(kafka, update), **members(kafka, cluster, **more))[2]
    loop.forget(cluster)
    for update, more in every(tuned).items():
        # Not every update has NotFoundException in its model (msk.md 1.4.2).
        model = kafka.meta.service_model.operation_model(kafka.meta.method_to_api_mapping[update])
        modelled = {shape.name for shape in model.error_shapes}
        code, named, message = refused(getattr(kafka, update), **asked, **more)
        assert code == ("NotFoundException" if "NotFoundException" in modelled else "BadRequestException"), update
        assert (named, "does not exist" in message) == ("clusterArn", True)


def test_of_updates_at_one_moment_exactly_one_is_taken(kafka, cluster, tuned):
    asked = members(kafka, cluster)

    def update(name):
        try:
            return getattr(kafka, name)(**asked, **every(tuned)[name])["ClusterOperationArn"]
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(update, every(tuned)))
    assert answers.count("BadRequestException") == 4
    assert len(kafka.list_cluster_operations(ClusterArn=cluster)["ClusterOperationInfoList"]) == 1


def test_the_version_changes_at_the_start_and_at_the_end(kafka, cluster, loop):
    versions = [describe(kafka, cluster)["CurrentVersion"]]
    arn = kafka.update_storage(**members(kafka, cluster, VolumeSizeGB=200))["ClusterOperationArn"]
    versions.append(describe(kafka, cluster)["CurrentVersion"])
    loop.end(cluster, arn, OperationState.UPDATE_COMPLETE)
    versions.append(describe(kafka, cluster)["CurrentVersion"])
    assert len(set(versions)) == 3
    for old in versions[:2]:
        assert (
            refused(kafka.update_storage, ClusterArn=cluster, CurrentVersion=old, VolumeSizeGB=300)[1]
            == "currentVersion"
        )
    kafka.update_storage(ClusterArn=cluster, CurrentVersion=versions[2], VolumeSizeGB=300)
