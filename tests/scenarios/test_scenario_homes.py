"""Several homes on one machine, several `up` on one home, and an older Kafka beside a newer one."""

from __future__ import annotations

from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Plane


def test_a_second_up_says_that_the_home_is_served(standing: Plane) -> None:
    before = standing.pid
    for arguments in (("up", "--detach"), ("up",)):
        said = standing.home.run(*arguments, "--listen", "127.0.0.1:0")
        assert "is served already" in said.stdout
    assert standing.pid == before


def test_another_home_runs_an_older_kafka_under_the_same_name(orders: Cluster, plane: Plane) -> None:
    pids = orders.pids()
    other = plane.create("orders", version="4.1.x.kraft", client_broker="PLAINTEXT")
    assert plane.home.network() != orders.plane.home.network()
    config = other.client()
    make_topic(config, "older", 3)
    with loaded(config, "older", 3) as load:
        old = other.kill("broker-1")
        other.healed("broker-1", old)
        load.advance()
    check(config, "older", 3, [load])
    other.delete()
    assert orders.pids() == pids
    assert orders.state == "ACTIVE"
