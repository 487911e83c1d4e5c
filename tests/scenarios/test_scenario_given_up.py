"""Operations that cannot be done: they are given up, the cluster is what it was, and the caller is told why."""

from collections.abc import Callable

from oracle.load import check, loaded, make_topic, topic_state
from oracle.plane import Cluster, Home, Plane, until
from oracle.soak import soaked


def operation(orders: Cluster, arn: str) -> dict:
    return orders.plane.kafka.describe_cluster_operation(ClusterOperationArn=arn)["ClusterOperationInfo"]


@soaked("the simulation plays it too")
def test_brokers_of_which_one_cannot_join_leave_again(homes: Callable[..., Home]) -> None:
    """What stands in the way is a file where a folder of the fifth broker's should be."""
    plane = Plane(homes(operation_patience_seconds="6")).up()
    orders = plane.create("wide")
    config = orders.client("tls")
    make_topic(config, "orders", 6)
    before = orders.pids()
    nodes = plane.home.path / "nodes" / orders.id
    (nodes / "broker-5").mkdir()
    (nodes / "broker-5" / "files").write_text("somebody put this here")
    with loaded(config, "orders", 6) as load:
        answer = plane.kafka.update_broker_count(
            ClusterArn=orders.arn, CurrentVersion=orders.describe()["CurrentVersion"], TargetNumberOfBrokerNodes=6
        )
        arn = answer["ClusterOperationArn"]
        joined = [nodes / name / "run.json" for name in ("broker-4", "broker-6")]
        until(lambda: all(run.exists() for run in joined), "the others are started")
        orders.active()
        load.advance()
    assert sorted(path.name for path in nodes.glob("broker-*")) == ["broker-1", "broker-2", "broker-3"], (
        "nothing is left"
    )
    ended = operation(orders, arn)
    assert ended["OperationState"] == "UPDATE_FAILED"
    assert ended["ErrorInfo"]["ErrorCode"] == "NO_PROGRESS"
    assert "broker 5" in ended["ErrorInfo"]["ErrorString"]
    assert orders.describe()["Provisioned"]["NumberOfBrokerNodes"] == 3
    assert orders.pids() == before, "who served before serves on, and who joined has left"
    assert all(isr == {1, 2, 3} for _, isr in topic_state(config, "orders").values())
    check(config, "orders", 6, [load])
