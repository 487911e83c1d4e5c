"""Volumes through a stock client: provisioned throughput, six hours of optimizing, growth as a remedy, and what fills."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve
from botocore.exceptions import ClientError

from penstock.api import throughput
from penstock.api.effects import without_effect
from penstock.api.storage import update_storage
from penstock.api.throughput import LEAST, MOST
from penstock.api.validate import STANDARD_TYPES
from penstock.control.cluster.outcome import shown
from penstock.model.operation import OperationState
from penstock.settings import Realism, Settings
from penstock.wire.call import Call, Caller
from penstock.wire.errors import BadRequest

ALL = "ALL"
LARGE = "kafka.m5.4xlarge"
OFF = {"Enabled": False}


def on(rate):
    return {"Enabled": True, "VolumeThroughput": rate}


@pytest.fixture
def make(kafka, wish, loop):
    """ARN of an ACTIVE cluster of that type, with these storage members."""

    def make(instance_type=LARGE, **storage):
        wished = wish()
        group = {**wished["BrokerNodeGroupInfo"], "InstanceType": instance_type}
        group["StorageInfo"] = {"EbsStorageInfo": {"VolumeSize": 100, **storage}}
        arn = kafka.create_cluster(**{**wished, "BrokerNodeGroupInfo": group})["ClusterArn"]
        loop.serve(arn)
        return arn

    return make


def describe(kafka, arn):
    return kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]


def storage_of(kafka, arn):
    return describe(kafka, arn)["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]


def update(kafka, arn, how="update_storage", **asked):
    """By either call; the operation's ARN."""
    version = describe(kafka, arn)["CurrentVersion"]
    if how == "update_broker_storage":
        asked = {"TargetBrokerEBSVolumeInfo": [{"KafkaBrokerNodeId": ALL, **asked}]}
    return getattr(kafka, how)(ClusterArn=arn, CurrentVersion=version, **asked)["ClusterOperationArn"]


def refused(kafka, arn, how="update_storage", **asked):
    with pytest.raises(ClientError) as error:
        update(kafka, arn, how, **asked)
    answer = error.value.response
    assert answer["Error"]["Code"] == "BadRequestException"
    return answer["InvalidParameter"], answer["Message"]


def finish(kafka, loop, rooms, arn, operation):
    """As the loop ends it."""
    with rooms.store.write() as tx:
        record = tx.clusters.by_arn(arn)
        target = tx.operations.current(record.spec.id).target
        tx.clusters.put_spec(evolve(record.spec, api=shown(record.spec.api, target)))
    loop.end(arn, operation, OperationState.UPDATE_COMPLETE)


def test_throughput_at_create_is_shown_as_it_was_given_and_said_to_have_no_effect(kafka, make, loop):
    arn = make(ProvisionedThroughput=on(500))
    assert storage_of(kafka, arn) == {"VolumeSize": 100, "ProvisionedThroughput": on(500)}
    assert "Volumes are as fast as their disk: provisionedThroughput of 500 MiB/s has no effect." in without_effect(
        loop.spec(arn)
    )


def test_one_that_is_off_is_shown_and_not_spoken_of(kafka, make, loop):
    arn = make(ProvisionedThroughput=OFF)
    assert storage_of(kafka, arn)["ProvisionedThroughput"] == OFF
    assert not any("Throughput" in sentence for sentence in without_effect(loop.spec(arn)))


@pytest.mark.parametrize(
    ("instance_type", "storage", "member", "words"),
    [
        ("kafka.m5.2xlarge", {"ProvisionedThroughput": on(250)}, "enabled", "only brokers of the types"),
        ("kafka.m7g.xlarge", {"ProvisionedThroughput": on(250)}, "enabled", "not kafka.m7g.xlarge"),
        (LARGE, {"VolumeSize": 9, "ProvisionedThroughput": on(250)}, "enabled", "10 GiB or more; these have 9"),
        (LARGE, {"ProvisionedThroughput": {"Enabled": True}}, "volumeThroughput", "250 to 593 MiB/s"),
        (LARGE, {"ProvisionedThroughput": on(249)}, "volumeThroughput", "not 249"),
        (LARGE, {"ProvisionedThroughput": on(594)}, "volumeThroughput", "not 594"),
        ("kafka.m7g.2xlarge", {"ProvisionedThroughput": on(313)}, "volumeThroughput", "250 to 312"),
        (LARGE, {"ProvisionedThroughput": {**OFF, "VolumeThroughput": 250}}, "volumeThroughput", "only while"),
    ],
)
def test_a_create_with_a_throughput_that_cannot_be_is_refused(kafka, make, instance_type, storage, member, words):
    with pytest.raises(ClientError) as error:
        make(instance_type, **storage)
    answer = error.value.response
    path = f"brokerNodeGroupInfo.storageInfo.ebsStorageInfo.provisionedThroughput.{member}"
    assert answer["InvalidParameter"] == path
    assert words in answer["Message"]


def test_every_type_with_a_throughput_exists_and_has_room_between_least_and_most():
    assert set(MOST) <= set(STANDARD_TYPES)
    assert min(MOST.values()) > LEAST
    assert throughput.objection(None, "kafka.t3.small", 1) is None


@pytest.mark.parametrize("how", ["update_storage", "update_broker_storage"])
def test_it_is_switched_on_changed_and_switched_off(kafka, make, loop, rooms, how):
    arn = make()
    asked = [(on(300), {}, OFF), (on(400), {"VolumeSizeGB": 200}, on(300)), (OFF, {"VolumeSizeGB": 200}, on(400))]
    for given, size, before in asked:
        old = storage_of(kafka, arn)
        operation = update(kafka, arn, how, ProvisionedThroughput=given, **size)
        assert storage_of(kafka, arn) == old, "the old values are shown until it is done"
        info = kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"]
        assert info["OperationType"] == "UPDATE_BROKER_EBS_VOLUME"
        (source,) = info["SourceClusterInfo"]["BrokerEBSVolumeInfo"]
        (target,) = info["TargetClusterInfo"]["BrokerEBSVolumeInfo"]
        assert (source["ProvisionedThroughput"], target["ProvisionedThroughput"]) == (before, given)
        assert ("VolumeSizeGB" in target) == (size.get("VolumeSizeGB", 100) != old["VolumeSize"])
        finish(kafka, loop, rooms, arn, operation)
        assert storage_of(kafka, arn)["ProvisionedThroughput"] == given
    assert storage_of(kafka, arn)["VolumeSize"] == 200


@pytest.mark.parametrize(
    ("asked", "named", "words"),
    [
        ({"ProvisionedThroughput": on(300)}, "provisionedThroughput", "nothing to change"),
        ({"ProvisionedThroughput": on(300), "VolumeSizeGB": 100}, "provisionedThroughput", "nothing to change"),
        ({"ProvisionedThroughput": on(300), "VolumeSizeGB": 99}, "volumeSizeGB", "can only grow"),
        ({"ProvisionedThroughput": on(400), "VolumeSizeGB": 99}, "volumeSizeGB", "can only grow"),
        ({"ProvisionedThroughput": on(600)}, "provisionedThroughput.volumeThroughput", "250 to 593"),
        ({"ProvisionedThroughput": {}}, "volumeSizeGB", "does not include any updates"),
    ],
)
def test_what_is_so_already_smaller_or_too_much_is_refused(kafka, make, loop, asked, named, words):
    arn = make(ProvisionedThroughput=on(300))
    spec = loop.spec(arn)
    member, message = refused(kafka, arn, **asked)
    assert (member, words in message) == (named, True), message
    assert loop.spec(arn) == spec


def test_switching_off_what_was_never_on_is_no_change(kafka, make):
    assert "nothing to change" in refused(kafka, make(), ProvisionedThroughput=OFF)[1]


def test_a_larger_volume_leaves_the_throughput_alone(kafka, make, loop, rooms):
    arn = make(ProvisionedThroughput=on(300))
    finish(kafka, loop, rooms, arn, update(kafka, arn, VolumeSizeGB=200))
    assert storage_of(kafka, arn) == {"VolumeSize": 200, "ProvisionedThroughput": on(300)}


def test_a_type_that_cannot_have_the_throughput_of_the_cluster_is_refused(kafka, make, loop):
    arn = make(ProvisionedThroughput=on(500))
    version = describe(kafka, arn)["CurrentVersion"]
    for asked in ("kafka.m5.large", "kafka.m7g.2xlarge"):
        with pytest.raises(ClientError, match="Switch it off or lower it first"):
            kafka.update_broker_type(ClusterArn=arn, CurrentVersion=version, TargetInstanceType=asked)
    kafka.update_broker_type(ClusterArn=arn, CurrentVersion=version, TargetInstanceType="kafka.m7g.4xlarge")


@pytest.mark.parametrize("how", ["update_storage", "update_broker_storage"])
def test_a_cluster_that_heals_takes_larger_volumes_since_they_may_be_the_remedy(kafka, make, loop, how):
    arn = make()
    loop.status(arn, "HEALING", completed=True, code="HEALING", message="broker-1 must serve again")
    assert "HEALING" in refused(kafka, arn, how, ProvisionedThroughput=on(300))[1]
    operation = update(kafka, arn, how, VolumeSizeGB=200)
    assert loop.spec(arn).volume_gib == 200
    seen = describe(kafka, arn)
    assert (seen["State"], seen["ActiveOperationArn"]) == ("UPDATING", operation)
    assert "StateInfo" not in seen, "what it says is of the healing"
    assert "it is UPDATING" in refused(kafka, arn, how, VolumeSizeGB=300)[1]


class TestOptimizing:
    """MSK takes no second change of volumes for six hours; we do, unless asked to be like MSK."""

    @pytest.fixture
    def grown(self, kafka, make, loop, rooms):
        arn = make()
        finish(kafka, loop, rooms, arn, update(kafka, arn, VolumeSizeGB=200))
        return arn

    def ask(self, rooms, loop, arn, account, realism=Realism.MSK, later=timedelta(), **asked):
        """UpdateStorage under another realism, so much later."""
        clock, settings = rooms.clock, Settings(home=rooms.settings.home, realism=realism)
        with rooms.store.read() as tx:
            version = tx.clusters.by_arn(arn).current_version
        params = {"ClusterArn": arn, "CurrentVersion": version, **asked}
        call = Call("kafka", "UpdateStorage", params, Caller(account, "us-east-1", "AKIA", "arn"), "id")
        return update_storage(call, evolve(rooms, settings=settings, clock=lambda: clock() + later))

    @pytest.mark.parametrize("asked", [{"VolumeSizeGB": 300}, {"ProvisionedThroughput": on(300)}])
    def test_with_realism_msk_a_second_change_waits(self, rooms, loop, grown, account, asked):
        for later in (timedelta(), timedelta(hours=5, minutes=59)):
            with pytest.raises(BadRequest, match=r"the storage is optimizing .* 6 hours; call again after"):
                self.ask(rooms, loop, grown, account, later=later, **asked)
        self.ask(rooms, loop, grown, account, later=timedelta(hours=6), **asked)

    def test_what_waiting_does_not_mend_is_said_first(self, rooms, loop, grown, account):
        with pytest.raises(BadRequest, match="can only grow"):
            self.ask(rooms, loop, grown, account, VolumeSizeGB=200)

    def test_locally_nobody_waits(self, rooms, loop, grown, account):
        self.ask(rooms, loop, grown, account, realism=Realism.LOCAL, VolumeSizeGB=300)


@pytest.mark.parametrize(
    ("filled", "action"),
    [
        ({}, "NONE"),
        ({"broker-1": 60}, "ACTION_RECOMMENDED"),
        ({"broker-1": 90, "broker-2": 60}, "ACTION_RECOMMENDED"),
        ({"broker-1": 60, "broker-3": 95}, "CRITICAL_ACTION_REQUIRED"),
        ({"disk": 85}, "ACTION_RECOMMENDED"),
    ],
)
def test_the_fullest_volume_asks_for_action(kafka, make, loop, filled, action):
    arn = make()
    loop.status(arn, "ACTIVE", completed=True, filled=filled)
    assert describe(kafka, arn)["CustomerActionStatus"] == action
    union = kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]
    assert union["Provisioned"]["CustomerActionStatus"] == action
