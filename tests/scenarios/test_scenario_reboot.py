"""RebootBroker, as a script of a user calls it and watches it."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError
from oracle.load import check, loaded, make_topic
from oracle.plane import DEADLINE, Cluster


def test_a_broker_is_rebooted_once_while_the_client_goes_on(orders: Cluster) -> None:
    config, kafka = orders.client("tls"), orders.plane.kafka
    make_topic(config, "reboot", 3)
    pids, before = orders.pids(), orders.describe()["CurrentVersion"]
    ended = orders.ended("broker-2")
    with loaded(config, "reboot", 3) as load:
        answer = kafka.reboot_broker(ClusterArn=orders.arn, BrokerIds=["2"])
        during = orders.describe()
        assert during["State"] == "REBOOTING_BROKER"
        assert during["CurrentVersion"] != before
        with pytest.raises(ClientError, match="BadRequest"):
            kafka.reboot_broker(ClusterArn=orders.arn, BrokerIds=["1"])
        operations, clusters = [], []
        until = time.monotonic() + DEADLINE
        while "REBOOT_COMPLETE" not in operations:
            assert time.monotonic() < until, orders.said()
            told = kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])
            operations.append(told["ClusterOperationInfo"]["OperationState"])
            clusters.append(orders.state)
            time.sleep(0.02)
        load.advance()
    assert list(dict.fromkeys(operations))[-2:] == ["REBOOT_IN_PROGRESS", "REBOOT_COMPLETE"]
    assert set(operations) <= {"PENDING", "REBOOT_IN_PROGRESS", "REBOOT_COMPLETE"}
    assert set(clusters[:-1]) <= {"REBOOTING_BROKER", "ACTIVE"}
    orders.active()
    assert orders.describe()["CurrentVersion"] not in (before, during["CurrentVersion"])
    after = orders.pids()
    assert {node for node in pids if pids[node] != after[node]} == {"broker-2"}
    *earlier, last = orders.ended("broker-2")
    assert earlier == ended, "it was restarted more than once"
    assert last["requested"]
    check(config, "reboot", 3, [load])
    listed = kafka.list_cluster_operations(ClusterArn=orders.arn)["ClusterOperationInfoList"]
    kinds = {each["OperationArn"]: each["OperationType"] for each in listed}
    assert kinds[answer["ClusterOperationArn"]] == "REBOOT_NODE"
