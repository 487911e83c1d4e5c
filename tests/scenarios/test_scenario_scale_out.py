"""More brokers join a cluster in use: nobody is restarted, partitions take their share of them, and nothing is lost."""

from collections.abc import Mapping

from oracle.load import check, loaded, make_topic, topic_state
from oracle.plane import Cluster, Plane, until


def test_a_cluster_grows_from_three_to_six_brokers(standing: Plane) -> None:
    orders = standing.create("wide")
    config = orders.client("tls")
    make_topic(config, "before", 12)
    before, version = orders.pids(), orders.describe()["CurrentVersion"]
    with loaded(config, "before", 12) as load:
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
        {"NumberOfBrokerNodes": 6},
    )
    spread = topic_state(config, "before")
    assert {n for _, isr in spread.values() for n in isr} & {4, 5, 6}, f"nothing moved to the new brokers: {spread}"
    assert all(len(isr) == 3 for _, isr in spread.values())
    after = orders.pids()
    assert {node: pid for node, pid in after.items() if node in before} == before, "a node was restarted"
    assert set(after) - set(before) == {"broker-4", "broker-5", "broker-6"}
    make_topic(config, "after", 12)
    until(
        lambda: {n for _, isr in topic_state(config, "after").values() for n in isr} == {1, 2, 3, 4, 5, 6},
        "all take part",
    )
    with loaded(config, "after", 12) as later:
        later.advance()
    check(config, "before", 12, [load])
    check(config, "after", 12, [later])
    shrink(orders, config, after)
    check(config, "before", 12, [load])
    orders.delete()


def shrink(orders: Cluster, config: Mapping[str, str], pids: Mapping[str, int]) -> None:
    """The three newest brokers leave under load; what they held is elsewhere, and their volumes are kept."""
    make_topic(config, "during", 12)
    with loaded(config, "during", 12) as load:
        answer = orders.plane.kafka.update_broker_count(
            ClusterArn=orders.arn, CurrentVersion=orders.describe()["CurrentVersion"], TargetNumberOfBrokerNodes=3
        )
        orders.active(deadline=180)
        load.advance()
    operation = orders.plane.kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])
    info = operation["ClusterOperationInfo"]
    assert (info["OperationType"], info["OperationState"]) == ("DECREASE_BROKER_COUNT", "UPDATE_COMPLETE")
    assert orders.describe()["Provisioned"]["NumberOfBrokerNodes"] == 3
    assert orders.pids() == {
        node: pid for node, pid in pids.items() if node not in ("broker-4", "broker-5", "broker-6")
    }
    for topic in ("before", "after", "during"):
        assert all(isr == {1, 2, 3} for _, isr in topic_state(config, topic).values()), topic
    kept = [path.name for path in (orders.plane.home.path / "quarantine").iterdir() if orders.id in path.name]
    assert len(kept) == 3, kept
    check(config, "during", 12, [load])
