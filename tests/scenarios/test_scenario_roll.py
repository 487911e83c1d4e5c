"""A wide cluster rolls: told beforehand, the brokers of a zone together, while clients go on."""

from __future__ import annotations

from itertools import pairwise

from oracle.course import Course, Runs
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Plane
from oracle.soak import soaked

ZONES = [{"broker-1", "broker-4"}, {"broker-2", "broker-5"}, {"broker-3", "broker-6"}]
PARTITIONS = 12


@soaked("the simulation rolls six brokers too")
def test_six_brokers_roll_in_three_batches_as_was_told(
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
