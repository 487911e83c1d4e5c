"""Bad input for every operation, and wrong states, stale versions and races for those that change something: the modelled
error, the member by its name, and nothing changed anywhere. An operation that is new is missing in RIGHT, and the first test
says so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from bench import RIGHT, Bench
from botocore.exceptions import ClientError
from shapes import BUILT, CHANGES, MODEL, UPDATES
from test_create_refusals import wire
from wrongs import NEVER, lawless

from penstock.model.operation import OperationState


@pytest.fixture
def bench(penstock, client, wish, account):
    return Bench(penstock, client, wish, account)


def test_every_operation_is_in_the_table():
    assert set(RIGHT) == set(BUILT)


def test_every_member_of_text_or_numbers_has_a_rule_in_the_table():
    assert {operation: found for operation in BUILT if (found := list(lawless(operation)))} == {}


@pytest.mark.parametrize("operation", BUILT)
def test_the_call_in_the_table_is_right(bench, operation):
    """Else a refusal would prove nothing."""
    if operation in NEVER:
        assert NEVER[operation] in bench.refused(operation)[2]
    else:
        params, before = RIGHT[operation](bench), bench.everything()
        bench.call(operation, params)
        assert (bench.everything() != before) is (operation in CHANGES)


@pytest.mark.parametrize("operation", BUILT)
def test_every_wrong_member_is_refused_by_its_name_and_nothing_changes(bench, operation):
    assert list(bench.complaints(operation)) == []


def member_of(operation, *names):
    """The first of these members that the operation's input has."""
    return next((name for name in names if name in MODEL.operation_model(operation).input_shape.members), None)


def knows(operation, error):
    return error in {shape.name for shape in MODEL.operation_model(operation).error_shapes}


ABOUT_ARNS = [operation for operation in BUILT if member_of(operation, "ClusterArn", "Arn", "ResourceArn")]


@pytest.mark.parametrize("operation", ABOUT_ARNS)
def test_an_arn_that_names_nothing_of_ours_is_refused(bench, operation):
    """Malformed ones and those of another kind are bad requests; of what others have nobody learns that it is there."""
    member = member_of(operation, "ClusterArn", "Arn", "ResourceArn")
    of_configuration, of_both = member == "Arn", member == "ResourceArn"
    right, other = (bench.tuned, bench.cluster) if of_configuration else (bench.cluster, bench.tuned)
    malformed = ["orders", right.replace(":kafka:", ":s3:"), right.replace(bench.account, "1"), f" {right}", "."]
    malformed += [] if of_both else [other, right.replace(":kafka:", ":kafkaconnect:")]
    name = "/tuned/" if of_configuration else "/orders/"
    missing = [f"{right}0", f"{right}/0", f"{right}\n", right.replace(name, name.upper())]
    missing += [arns[0 if of_configuration else 1] for arns in bench.strangers.values()]
    params, before = RIGHT[operation](bench), bench.everything()
    on_the_wire = wire(member)
    for arn in malformed:
        code, named, message = bench.refused(operation, {**params, member: arn})
        assert (code, named) == ("BadRequestException", on_the_wire), (arn, message)
        assert "is not the ARN of a" in message or "must not be" in message
    for arn in missing:
        code, named, message = bench.refused(operation, {**params, member: arn})
        there = not of_configuration and knows(operation, "NotFoundException")
        assert code == ("NotFoundException" if there else "BadRequestException"), arn
        assert (named, "does not exist" in message) == (on_the_wire, True), (arn, message)
    assert bench.everything() == before


@pytest.mark.parametrize("operation", [name for name in CHANGES if member_of(name, "CurrentVersion")])
def test_a_version_that_is_not_the_current_one_is_refused(bench, loop, operation):
    old = bench.version
    done = bench.call("UpdateMonitoring")["ClusterOperationArn"]
    during = bench.version
    loop.end(bench.cluster, done, OperationState.UPDATE_COMPLETE)
    params, before = RIGHT[operation](bench), bench.everything()
    version = params["CurrentVersion"]
    assert len({old, during, version}) == 3
    for wrong in (old, during, "", "K0", "nonsense", version.lower(), f"{version} ", f" {version}", "9" * 5000):
        code, named, message = bench.refused(operation, {**params, "CurrentVersion": wrong})
        assert (code, named) == ("BadRequestException", "currentVersion"), wrong
        assert message.startswith("currentVersion: ")
        assert len(wrong) > 1000 or f"is {version}" in message
    assert bench.everything() == before


STATES = ("CREATING", "UPDATING", "REBOOTING_BROKER", "MAINTENANCE", "HEALING", "FAILED")
READS = (
    "DescribeCluster",
    "DescribeClusterV2",
    "ListClusterOperations",
    "ListClusterOperationsV2",
    "ListNodes",
    "GetCompatibleKafkaVersions",
)


@pytest.fixture(params=[*STATES, "DELETING"])
def state(request, bench, loop):
    """The bench's cluster is in that state. One that is CREATING, or FAILED at that, has never been ACTIVE."""
    if request.param == "DELETING":
        bench.call("DeleteCluster")
    else:
        completed = request.param not in ("CREATING", "FAILED")
        loop.status(bench.cluster, request.param, completed=completed, code="Died", message="It died of something.")
    return request.param


GROWTH = ("UpdateBrokerStorage", "UpdateStorage")
"""What a cluster may be asked for while it heals, too: the way out of a full volume."""


def test_only_an_active_cluster_is_changed(bench, state):
    before = bench.everything()
    for operation in UPDATES:
        if state == "HEALING" and operation in GROWTH:
            continue
        code, named, message = bench.refused(operation)
        assert (code, named) == ("BadRequestException", "clusterArn"), operation
        assert f"it is {state}" in message
        fix = {"FAILED": "delete it", "DELETING": "create another"}.get(state, "Wait, then call again")
        assert fix in message
    assert bench.everything() == before


def test_a_cluster_in_every_state_can_be_read_and_tagged_and_deleted(bench, state):
    """Else tools could not clean up what FAILED."""
    for read in READS:
        bench.call(read, {"ClusterArn": bench.cluster})
    assert bench.call("DescribeCluster", {"ClusterArn": bench.cluster})["ClusterInfo"]["State"] == state
    if state == "CREATING":
        assert bench.refused("GetBootstrapBrokers", {"ClusterArn": bench.cluster})[0] == "ConflictException"
    else:
        bench.call("GetBootstrapBrokers", {"ClusterArn": bench.cluster})
    bench.call("TagResource")
    bench.call("UntagResource")
    assert bench.call("ListTagsForResource", {"ResourceArn": bench.cluster})["Tags"] == {"team": "a"}
    assert bench.call("DeleteCluster")["State"] == "DELETING"
    assert bench.call("DescribeCluster", {"ClusterArn": bench.cluster})["ClusterInfo"]["State"] == "DELETING"


def test_topics_need_a_cluster_that_has_worked_and_stays(bench, state):
    before = bench.everything()
    for operation in ("CreateTopic", "UpdateTopic", "DeleteTopic"):
        if state in ("CREATING", "FAILED", "DELETING"):
            code, named, message = bench.refused(operation)
            assert (code, named) == ("ClusterConnectivityException", "clusterArn")
            assert f"is {state}" in message
            assert bench.everything() == before
        else:
            bench.call(operation)


def test_what_is_deleted_is_not_there(bench, loop):
    right = {operation: RIGHT[operation](bench) for operation in ABOUT_ARNS}
    bench.call("DeleteCluster")
    loop.forget(bench.cluster)
    bench.call("DeleteConfiguration")
    before = bench.everything()
    for operation, params in right.items():
        code, _, message = bench.refused(operation, params)
        assert "does not exist" in message
        there = knows(operation, "NotFoundException") and "Arn" not in params
        assert code == ("NotFoundException" if there else "BadRequestException"), operation
    assert bench.everything() == before


def test_of_all_updates_at_one_moment_one_is_taken(bench, loop):
    asked = {operation: RIGHT[operation](bench) for operation in UPDATES if operation not in NEVER}
    start = Barrier(len(asked))

    def call(operation):
        start.wait(30)
        try:
            bench.call(operation, asked[operation])
        except ClientError as error:
            return error.response["Error"]["Code"]
        return operation

    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(call, asked))
    (taken,) = [answer for answer in answers if answer in asked]
    assert answers.count("BadRequestException") == len(asked) - 1
    (operation,) = bench.call("ListClusterOperations", {"ClusterArn": bench.cluster})["ClusterOperationInfoList"]
    spec = loop.spec(bench.cluster)
    changed = {
        "RebootBroker": spec.brokers[0].restarts != 0,
        "UpdateBrokerCount": len(spec.brokers) != 3,
        "UpdateBrokerType": spec.instance_type != "kafka.m5.large",
        "UpdateClusterConfiguration": spec.configuration is not None,
    }
    assert [name for name, each in changed.items() if each] == [taken] * (taken in changed)
    assert operation["OperationState"] == "PENDING"
