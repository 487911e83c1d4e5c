"""A wide cluster rolls: told beforehand, the brokers of a zone together, while clients go on. And a broker with much to
recover is left alone."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from oracle.course import Course, Runs
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Plane, until

ZONES = [{"broker-1", "broker-4"}, {"broker-2", "broker-5"}, {"broker-3", "broker-6"}]
PARTITIONS = 12


@pytest.mark.skipif(
    not os.environ.get("PENSTOCK_SOAK"), reason="the simulation rolls six brokers too; on real Kafka `make soak` does"
)
def test_six_brokers_roll_in_three_batches_as_was_told_and_one_that_recovers_its_log_is_left_alone(
    standing: Plane,
) -> None:
    orders = standing.create("zones", brokers=6)
    config = orders.client("tls")
    make_topic(config, "rolled", PARTITIONS)
    told_before = standing.home.json("plan", "zones", "--roll")["roll"]
    assert [set(batch["nodes"]) for batch in told_before["batches"]] == ZONES
    assert told_before["exposed"] == []
    assert told_before["seconds"] > 0

    before, runs = orders.describe(), Runs(orders)
    with loaded(config, "rolled", PARTITIONS) as load:
        answer = orders.plane.kafka.update_broker_type(
            ClusterArn=orders.arn, CurrentVersion=before["CurrentVersion"], TargetInstanceType="kafka.m5.xlarge"
        )
        course = Course(orders, answer["ClusterOperationArn"])
        course.end()
        load.advance()
    course.check_complete(before, ["ROLL_BROKERS", "SET_DYNAMIC_PROPERTIES", "REJOIN_CLUSTER"])
    check_batches(orders, runs)
    check(config, "rolled", PARTITIONS, [load])
    assert standing.home.json("plan", "zones")["roll"] is None
    check_recovery(orders)
    orders.delete()


def check_batches(orders: Cluster, runs: Runs) -> None:
    """Every broker was restarted once by us; zones one after another, the brokers of each beside each other."""
    ended = {node: runs.since(node) for node in runs.pids}
    assert {node: [run["requested"] for run in found] for node, found in ended.items() if found} == {
        node: [True] for zone in ZONES for node in zone
    }
    times = [
        (max(ended[node][0]["ended"] for node in zone), min(orders.record(node)["started"] for node in zone))
        for zone in ZONES
    ]
    for zone, after in pairwise(ZONES):
        back = max(orders.record(node)["started"] for node in zone)
        assert all(back < ended[node][0]["ended"] for node in after), f"two zones were away at once: {times}"
    stops = [event for event in orders.events() if event.count("gracefully") == 2]
    assert len(stops) == 3, orders.events()


def check_recovery(orders: Cluster) -> None:
    """A broker that was killed has every segment to read again, in the words that its progress is read from, and is not ended."""
    config = orders.client("tls")
    admin = AdminClient({**config, "log_level": 2})
    wanted = NewTopic("many", 300, 3, config={"segment.bytes": "1048576"})
    admin.create_topics([wanted], operation_timeout=60)["many"].result(60)
    orders.plane.kill()
    old = orders.kill("broker-1")
    (orders.volume("broker-1") / "data" / "recovery-point-offset-checkpoint").unlink(missing_ok=True)
    orders.plane.up()
    orders.restarted("broker-1", old)
    orders.active()
    until(lambda: orders.listens("broker-1"), "broker 1 is back", more=orders.said)
    log = (orders.plane.home.path / "nodes" / orders.id / "broker-1" / "node.log").read_text(errors="replace")
    assert "since no clean shutdown file was found" in log, "the words that its progress is read from"
    assert "completed in" in log
    assert len([run for run in orders.ended("broker-1") if not run["requested"]]) == 1, (
        "killed once, by this test alone"
    )
