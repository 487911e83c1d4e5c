"""Rebooting a broker, and reading what goes on and went on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import evolve
from botocore.exceptions import ClientError

from penstock.model.ids import parse_arn
from penstock.model.operation import OperationState, Step


def refused(call, **params):
    with pytest.raises(ClientError) as error:
        call(**params)
    answer = error.value.response
    return answer["Error"]["Code"], answer.get("InvalidParameter"), answer["Message"]


def describe(kafka, arn):
    return kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]


def test_a_reboot_from_the_call_to_its_end(kafka, cluster, loop):
    before = describe(kafka, cluster)["CurrentVersion"]
    loop.woken.clear()
    answer = kafka.reboot_broker(ClusterArn=cluster, BrokerIds=["2"])
    operation = answer["ClusterOperationArn"]
    assert answer["ClusterArn"] == cluster
    assert operation.startswith(f"{cluster.replace(':cluster/', ':cluster-operation/')}/")

    # Who waits for ACTIVE right after the call must not find it.
    during = describe(kafka, cluster)
    assert (during["State"], during["ActiveOperationArn"]) == ("REBOOTING_BROKER", operation)
    assert during["CurrentVersion"] != before
    spec = loop.spec(cluster)
    assert loop.woken == [spec.id]
    assert [place.restarts for place in spec.brokers] == [0, 1, 0]
    assert kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"] == {
        "ClientRequestId": answer["ResponseMetadata"]["RequestId"],
        "ClusterArn": cluster,
        "CreationTime": kafka.describe_cluster_operation_v2(ClusterOperationArn=operation)["ClusterOperationInfo"][
            "StartTime"
        ],
        "OperationArn": operation,
        "OperationState": "PENDING",
        "OperationType": "REBOOT_NODE",
        "SourceClusterInfo": {},
        "TargetClusterInfo": {},
    }

    loop.end(cluster, operation)
    after = describe(kafka, cluster)
    assert after["State"] == "ACTIVE"
    assert "ActiveOperationArn" not in after
    assert after["CurrentVersion"] not in (before, during["CurrentVersion"])
    ended = kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"]
    assert ended["OperationState"] == "REBOOT_COMPLETE"
    assert ended["EndTime"] >= ended["CreationTime"]


def test_one_broker_at_a_time_and_one_that_exists(kafka, cluster):
    for brokers in ([], ["1", "2"], ["4"], ["0"], ["01"], ["10001"], ["one"], ["\u0661"]):
        code, member, _ = refused(kafka.reboot_broker, ClusterArn=cluster, BrokerIds=brokers)
        assert (code, member) == ("BadRequestException", "brokerIds"), brokers
    assert "exactly one" in refused(kafka.reboot_broker, ClusterArn=cluster, BrokerIds=["1", "2"])[2]
    assert "it has 1, 2, 3" in refused(kafka.reboot_broker, ClusterArn=cluster, BrokerIds=["4"])[2]
    assert describe(kafka, cluster)["State"] == "ACTIVE"


@pytest.mark.parametrize("state", ["CREATING", "UPDATING", "REBOOTING_BROKER", "MAINTENANCE", "HEALING", "FAILED"])
def test_only_an_active_cluster_reboots(kafka, cluster, loop, state):
    loop.status(cluster, state)
    code, _, message = refused(kafka.reboot_broker, ClusterArn=cluster, BrokerIds=["1"])
    assert code == "BadRequestException"
    assert state in message
    assert kafka.list_cluster_operations(ClusterArn=cluster)["ClusterOperationInfoList"] == []
    assert [place.restarts for place in loop.spec(cluster).brokers] == [0, 0, 0]


def test_a_cluster_on_its_way_out_does_not_reboot(kafka, cluster):
    kafka.delete_cluster(ClusterArn=cluster)
    code, _, message = refused(kafka.reboot_broker, ClusterArn=cluster, BrokerIds=["1"])
    assert code == "BadRequestException"
    assert "DELETING" in message


def test_of_reboots_at_one_moment_exactly_one_is_taken(kafka, cluster, loop):
    def reboot(broker):
        try:
            return kafka.reboot_broker(ClusterArn=cluster, BrokerIds=[str(broker)])["ClusterOperationArn"]
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(reboot, (1, 2, 3)))
    assert answers.count("BadRequestException") == 2
    assert sum(place.restarts for place in loop.spec(cluster).brokers) == 1


def test_history_is_kept_newest_first_and_paged(kafka, cluster, loop):
    arns = []
    for _ in range(5):
        arns.insert(0, kafka.reboot_broker(ClusterArn=cluster, BrokerIds=["1"])["ClusterOperationArn"])
        loop.end(cluster, arns[0])
    for name in ("list_cluster_operations", "list_cluster_operations_v2"):
        pages = list(kafka.get_paginator(name).paginate(ClusterArn=cluster, PaginationConfig={"PageSize": 2}))
        shown = [operation for page in pages for operation in page["ClusterOperationInfoList"]]
        assert [len(page["ClusterOperationInfoList"]) for page in pages] == [2, 2, 1]
        assert [operation["OperationArn"] for operation in shown] == arns
    assert loop.spec(cluster).brokers[0].restarts == 5
    # A summary has neither steps nor source and target (recorded item).
    assert shown[0].keys() == {
        *("ClusterArn", "ClusterType", "OperationArn", "OperationState", "OperationType", "StartTime", "EndTime")
    }


def test_steps_and_the_reason_of_a_failure_are_shown(kafka, cluster, loop, rooms):
    arn = kafka.reboot_broker(ClusterArn=cluster, BrokerIds=["3"])["ClusterOperationArn"]
    with rooms.store.write() as tx:
        running = tx.operations.current(loop.spec(cluster).id)
        steps = (Step("STOP_BROKER", "COMPLETED"), Step("START_BROKER", "IN_PROGRESS"))
        tx.operations.put(evolve(running, state=OperationState.REBOOT_IN_PROGRESS, steps=steps))
    loop.end(cluster, arn, OperationState.UPDATE_FAILED, error_code="DiskFull", error_string="Make room and reboot.")
    flat = kafka.describe_cluster_operation(ClusterOperationArn=arn)["ClusterOperationInfo"]
    union = kafka.describe_cluster_operation_v2(ClusterOperationArn=arn)["ClusterOperationInfo"]
    for shown in (flat, union):
        assert shown["OperationState"] == "UPDATE_FAILED"
        assert shown["ErrorInfo"] == {"ErrorCode": "DiskFull", "ErrorString": "Make room and reboot."}
    assert flat["OperationSteps"] == union["Provisioned"]["OperationSteps"]
    assert flat["OperationSteps"] == [
        {"StepName": "STOP_BROKER", "StepInfo": {"StepStatus": "COMPLETED"}},
        {"StepName": "START_BROKER", "StepInfo": {"StepStatus": "IN_PROGRESS"}},
    ]
    assert union["ClusterType"] == "PROVISIONED"


def test_operations_of_others_and_of_other_clusters_do_not_exist(kafka, cluster, wish, loop, client, account):
    arn = kafka.reboot_broker(ClusterArn=cluster, BrokerIds=["1"])["ClusterOperationArn"]
    other = parse_arn(kafka.create_cluster(**wish("other"))["ClusterArn"])
    uuid = arn.rpartition("/")[2]
    moved = str(evolve(other, kind="cluster-operation", path=f"{other.path}/{uuid}"))
    unknown = f"{arn[:-12]}{'0' * 12}"
    asked = [(kafka, moved), (kafka, unknown), (client("999999999999"), arn), (client(account, "eu-west-1"), arn)]
    for asking, named in asked:
        for call in (asking.describe_cluster_operation, asking.describe_cluster_operation_v2):
            assert refused(call, ClusterOperationArn=named)[:2] == ("NotFoundException", "clusterOperationArn")
    for text in (cluster, "nonsense", arn.replace("kafka:", "kafkaconnect:", 1)):
        code, member, _ = refused(kafka.describe_cluster_operation, ClusterOperationArn=text)
        assert (code, member) == ("BadRequestException", "clusterOperationArn")
    loop.forget(cluster)
    assert refused(kafka.describe_cluster_operation, ClusterOperationArn=arn)[0] == "NotFoundException"
