"""More brokers join a cluster in use: nobody is restarted, partitions take their share of them, and nothing is lost."""

import re
import time
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from confluent_kafka.admin import AdminClient
from oracle.bulk import RATES, fill, throttles
from oracle.load import check, loaded, make_topic, topic_state
from oracle.plane import Cluster, Plane, until

OFFSETS = "__consumer_offsets"
PARTITIONS = 6
"""As many as there are brokers at the most, so that each leads one."""


def brokers(config: Mapping[str, str], topic: str) -> set[int]:
    """All that hold some of the topic and are in sync."""
    return {number for _, isr in topic_state(config, topic).values() for number in isr}


def zones(isr: Iterable[int]) -> list[int]:
    """The zone of each replica, in order: brokers are dealt to three zones in turn."""
    return sorted((number - 1) % 3 for number in isr)


def test_a_cluster_grows_from_three_to_six_brokers(standing: Plane) -> None:
    orders = standing.create("wide")
    config = orders.client("tls")
    make_topic(config, "before", PARTITIONS)
    # Or empty partitions alone were moved: they cost less.
    with loaded(config, "before", PARTITIONS, padding=16 << 10) as heavy:
        until(lambda: len(heavy.acked) >= PARTITIONS * 32, "half a MiB in each partition")
    before, version = orders.pids(), orders.describe()["CurrentVersion"]
    with loaded(config, "before", PARTITIONS) as load:
        answer = orders.plane.kafka.update_broker_count(
            ClusterArn=orders.arn, CurrentVersion=version, TargetNumberOfBrokerNodes=6
        )
        assert orders.describe()["State"] == "UPDATING"
        assert orders.describe()["Provisioned"]["NumberOfBrokerNodes"] == 3, "the old count is shown until all is done"
        orders.active()
        load.advance()
    shown = orders.describe()
    assert shown["Provisioned"]["NumberOfBrokerNodes"] == 6
    assert shown["CurrentVersion"] != version
    operation = orders.plane.kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])
    info = operation["ClusterOperationInfo"]
    assert (info["OperationType"], info["OperationState"]) == ("INCREASE_BROKER_COUNT", "UPDATE_COMPLETE")
    assert (info["SourceClusterInfo"], info["TargetClusterInfo"]) == (
        {"NumberOfBrokerNodes": 3},
        {"NumberOfBrokerNodes": 6, "BrokerCountUpdateInfo": {"CreatedBrokerIds": [4.0, 5.0, 6.0]}},
    )
    spread = topic_state(config, "before")
    assert {n for _, isr in spread.values() for n in isr} & {4, 5, 6}, f"nothing moved to the new brokers: {spread}"
    assert all(zones(isr) == [0, 1, 2] for _, isr in spread.values()), f"not one replica in each zone: {spread}"
    after = orders.pids()
    assert {node: pid for node, pid in after.items() if node in before} == before, "a node was restarted"
    assert set(after) - set(before) == {"broker-4", "broker-5", "broker-6"}
    make_topic(config, "after", PARTITIONS)
    until(lambda: brokers(config, "after") == {1, 2, 3, 4, 5, 6}, "all take part")
    with loaded(config, "after", PARTITIONS) as later:
        later.advance()
    check(config, "before", PARTITIONS, [heavy, load])
    check(config, "after", PARTITIONS, [later])
    assert brokers(config, OFFSETS) == {1, 2, 3, 4, 5, 6}, "groups have committed, and that is shared out too"
    shrink(orders, config, after)
    for each in (heavy, load, later):
        assert each.reader is not None
        each.reader.ask()
    check(config, "before", PARTITIONS, [heavy, load])
    check(config, "after", PARTITIONS, [later])
    orders.delete()
    left = [path.name for path in (orders.plane.home.path / "quarantine").iterdir() if orders.id in path.name]
    assert left == [], "what retired brokers left goes with their cluster"


def test_what_moves_is_throttled_and_told_and_nothing_of_it_is_left(standing: Plane) -> None:
    """A quarter of a GiB lies on three brokers and is shared with three more, under load; the control plane is killed halfway."""
    orders = standing.create("heavy")
    config = orders.client("tls")
    make_topic(config, "bulk", 6)
    make_topic(config, "busy", 3)
    fill(config, "bulk", 6, 96)
    told: list[str] = []
    seen: dict[str, Mapping[str, str]] = {}
    # Without a group, or its fifty empty partitions were moved too, one by one.
    with loaded(config, "busy", 3, followed=False) as load:
        answer = orders.plane.kafka.update_broker_count(
            ClusterArn=orders.arn, CurrentVersion=orders.describe()["CurrentVersion"], TargetNumberOfBrokerNodes=6
        )

        def step() -> str:
            info = orders.plane.kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])
            steps = info["ClusterOperationInfo"].get("OperationSteps", [])
            found = {each["StepName"]: each["StepInfo"]["StepStatus"] for each in steps}.get("MOVE_PARTITIONS", "")
            if re.search(r"\d+ %", found) and found not in told[-1:]:
                told.append(found)
            return found

        def halfway() -> bool:
            step()
            if told and not throttled():
                seen.update(throttles(config, ["bulk"], range(1, 7)))
            return throttled() and any(percent(each) > 0 for each in told)

        def throttled() -> bool:
            return {"bulk", "1", "4"} <= set(seen)

        until(halfway, "moving, throttled", 120, lambda: f"{told} {seen} {orders.said()}")
        orders.plane.kill()
        shown = orders.plane.home.run("status", orders.name).stdout
        assert "INCREASE_BROKER_COUNT: MOVE_PARTITIONS" in shown, f"as it was written down last: {shown}"
        orders.plane.up()
        until(lambda: step() == "COMPLETED", "all has moved", 150, orders.said)
        assert throttles(config, ["bulk", "busy"], range(1, 7)) == {}, "what was set for the moves is lifted with them"
        orders.active()
        load.advance()
    assert {"1", "4"} <= {name for name, values in seen.items() if set(values) == set(RATES)}, seen
    assert "*" not in str(seen["bulk"]), "replicas are named one by one"
    # What producers write meanwhile is found later and comes on top: of more, the same may be a percent less.
    assert all(
        percent(later) >= percent(earlier) or (percent(earlier) - percent(later) == 1 and mib(later) >= mib(earlier))
        for earlier, later in pairwise(told)
    ), told
    assert percent(told[-1]) > percent(told[0]), told
    assert any("left" in each and "about" in each for each in told), f"the time that remains is told: {told}"
    spread = topic_state(config, "bulk")
    assert {n for _, isr in spread.values() for n in isr} == {1, 2, 3, 4, 5, 6}, spread
    assert all(zones(isr) == [0, 1, 2] for _, isr in spread.values()), f"not one replica in each zone: {spread}"
    check(config, "busy", 3, [load])
    orders.delete()


def percent(told: str) -> int:
    found = re.search(r"(\d+) %", told)
    return int(found[1]) if found else 0


def mib(told: str) -> float:
    """What is to be moved in all."""
    found = re.search(r"% of ([\d.]+) MiB", told)
    assert found, told
    return float(found[1])


def shrink(orders: Cluster, config: Mapping[str, str], pids: Mapping[str, int]) -> None:
    """The three newest brokers leave under load; what they held is elsewhere, and their volumes are kept."""
    make_topic(config, "during", PARTITIONS)
    with loaded(config, "during", PARTITIONS) as load:
        answer = orders.plane.kafka.update_broker_count(
            ClusterArn=orders.arn, CurrentVersion=orders.describe()["CurrentVersion"], TargetNumberOfBrokerNodes=3
        )
        check_closed(orders, config)
        orders.active(deadline=180)
        load.advance()
    operation = orders.plane.kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])
    info = operation["ClusterOperationInfo"]
    assert (info["OperationType"], info["OperationState"]) == ("DECREASE_BROKER_COUNT", "UPDATE_COMPLETE")
    assert orders.describe()["Provisioned"]["NumberOfBrokerNodes"] == 3
    assert orders.pids() == {
        node: pid for node, pid in pids.items() if node not in ("broker-4", "broker-5", "broker-6")
    }
    for topic in ("before", "after", "during", "late", OFFSETS):
        assert all(isr == {1, 2, 3} for _, isr in topic_state(config, topic).values()), topic
    kept = [each for each in orders.plane.home.json("quarantine") if each["cluster"] == orders.name]
    assert sorted((each["node"], each["why"]) for each in kept) == [(f"broker-{n}", "retired") for n in (4, 5, 6)]
    assert all(Path(each["path"]).is_dir() and each["goes"] > each["at"] for each in kept), kept
    told = orders.explain()
    assert all(each["path"] in told for each in kept), told
    check(config, "during", PARTITIONS, [load])


def check_closed(orders: Cluster, config: Mapping[str, str]) -> None:
    """A topic that is made while brokers leave is made on those that stay, though all six are there still."""

    def closed() -> bool:
        return (
            sum(f"close broker {number} to new replicas" in event for event in orders.events() for number in (4, 5, 6))
            == 3
        )

    until(closed, "brokers that leave are closed", more=orders.said)
    time.sleep(1)  # the controllers hear of it with a heartbeat of each broker, every 0.5 s
    make_topic(config, "late", PARTITIONS)
    made = AdminClient({**config, "log_level": 2}).list_topics("late", timeout=10)
    replicas = {number for partition in made.topics["late"].partitions.values() for number in partition.replicas}
    assert {4, 5, 6} <= set(made.brokers), "all six are there, or it would prove nothing"
    assert replicas == {1, 2, 3}
