"""Where clients reach brokers: from another machine at a shared address, and over IPv6."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from confluent_kafka import Producer
from oracle.course import Course, Runs
from oracle.elsewhere import Elsewhere, elsewhere
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Home, Plane, listening, until
from oracle.soak import soaked

from penstock.compute.process import loopback

LONG = soaked("more rolls")


@pytest.fixture
def other() -> Iterator[Elsewhere]:
    with elsewhere() as other:
        yield other


def tls(cluster: Cluster, member: str = "BootstrapBrokerStringTls") -> str:
    return str(cluster.plane.kafka.get_bootstrap_brokers(ClusterArn=cluster.arn).get(member, ""))


def again(plane: Plane, address: str | None) -> list[list[str]]:
    """The control plane starts anew with another `network_address`. The batches of the roll that `plan` told before."""
    plane.home.run("down")
    plane.home.settings.pop("PENSTOCK_NETWORK_ADDRESS", None)
    if address is not None:
        plane.home.settings["PENSTOCK_NETWORK_ADDRESS"] = address
    roll = plane.home.json("plan", "orders")["roll"]
    plane.up()
    return [batch["nodes"] for batch in roll["batches"]] if roll else []


def ends(cluster: Cluster) -> dict[str, Any]:
    """Where each node was last told to listen."""
    return {node: cluster.record(node, "node") for node in cluster.nodes}


def rolled(cluster: Cluster, runs: Runs) -> None:
    """Wait until every broker has been restarted, and no more than that has happened."""
    until(lambda: all(runs.since(node) for node in runs.pids if "broker" in node), "a roll", more=cluster.said)
    until(lambda: all(cluster.listens(node) for node in cluster.nodes), "all listen", more=cluster.said)
    cluster.active()
    runs.check_rolled()


@LONG
def test_a_client_on_another_machine_produces_over_tls_at_the_shared_address(
    homes: Callable[..., Home], other: Elsewhere
) -> None:
    plane = Plane(homes()).up()
    orders = plane.create("orders", client_broker="TLS_PLAINTEXT")
    local, before = orders.client("tls"), ends(orders)
    make_topic(local, "orders", 3)
    runs = Runs(orders)
    with loaded(local, "orders", 3) as load:
        assert again(plane, other.here) == [["broker-1"], ["broker-2"], ["broker-3"]]
        rolled(orders, runs)
        # Who was connected has followed the brokers to their new address.
        load.advance()
    check(orders.client("tls"), "orders", 3, [load])

    shared = tls(orders)
    assert {end.rpartition(":")[0] for end in shared.split(",")} == {other.here}
    assert len(set(shared.split(","))) == 3
    said = other.produce({**orders.client("tls"), "bootstrap.servers": shared}, "orders", 300)
    assert (said["failed"], said["left"]) == ([], 0)
    assert "orders" in said["topics"]
    assert sorted(said["brokers"].values()) == sorted(shared.split(","))
    after = ends(orders)
    assert {node: after[node]["address"] for node in after} == {node: before[node]["address"] for node in before}
    inner = after["broker-1"]
    assert not other.reaches(inner["address"], inner["ports"]["REPLICATION_SECURE"]), (
        "brokers' own listeners stay inside"
    )
    assert f"Brokers listen for clients on {other.here}" in plane.home.run("doctor", check=False).stdout

    runs = Runs(orders)
    assert again(plane, None) == [["broker-1"], ["broker-2"], ["broker-3"]]
    rolled(orders, runs)
    assert ends(orders) == {node: {**each, "fence": ends(orders)[node]["fence"]} for node, each in before.items()}
    assert orders.client("tls") == local
    assert not other.reaches(*shared.split(",")[0].split(":"))


def test_an_address_that_this_machine_does_not_have_is_refused_before_anything_starts(
    homes: Callable[..., Home],
) -> None:
    home = homes(network_address="192.0.2.77")
    for flags in ((), ("--detach",)):
        refused = home.run("up", "--listen", "127.0.0.1:0", *flags, check=False)
        assert refused.returncode == 1
        assert "brokers cannot listen on network_address 192.0.2.77: this machine does not have it" in refused.stderr
    assert not (home.path / "key").exists()
    assert "192.0.2.77: this machine does not have it" in home.run("doctor", check=False).stdout


def own_ipv6(cluster: Cluster) -> list[str]:
    """The IPv6 addresses of the cluster's brokers."""
    return [end.rpartition(":")[0].strip("[]") for end in tls(cluster, "BootstrapBrokerStringTlsIpv6").split(",")]


def ipv6_of(cluster: Cluster) -> list[tuple[str, int]]:
    """Address and port of every listener over IPv6, as nodes were last told them."""
    beside = [end for node in cluster.nodes for end in cluster.record(node, "node").get("beside", [])]
    return [(address, port) for address, ports in beside for port in ports.values()]


def produce(config: Mapping[str, str], topic: str, count: int) -> None:
    producer = Producer({**config, "acks": "all", "message.timeout.ms": 30000})
    failed: list[str] = []
    for n in range(count):
        producer.produce(topic, str(n), on_delivery=lambda error, _: failed.append(str(error)) if error else None)
    assert producer.flush(40) == 0
    assert failed == []


POWERLESS = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
"""A control plane that may not give addresses to the loopback device, as that of an ordinary user."""


@pytest.mark.parametrize("own", [True, pytest.param(False, marks=LONG)], ids=["own-addresses", "one-address"])
def test_dual_stack_gives_every_broker_listeners_over_ipv6_by_one_roll(homes: Callable[..., Home], own: bool) -> None:
    if loopback.why_none():
        pytest.skip("this machine has no IPv6 on its loopback device")
    mighty = loopback.why_not() is None
    if not own and mighty and shutil.which(POWERLESS[0]) is None:
        pytest.skip("no setpriv on this machine")
    home = homes()
    home.front = () if own or not mighty else POWERLESS
    own = own and mighty
    plane = Plane(home).up()
    orders = plane.create("orders", client_broker="TLS_PLAINTEXT")
    config, before, runs = orders.client("tls"), orders.describe(), Runs(orders)
    make_topic(config, "orders", 3)
    with loaded(config, "orders", 3) as load:
        kafka, version = plane.kafka, before["CurrentVersion"]
        answer = kafka.update_connectivity(
            ClusterArn=orders.arn, CurrentVersion=version, ConnectivityInfo={"NetworkType": "DUAL"}
        )
        assert "BootstrapBrokerStringTlsIpv6" not in kafka.get_bootstrap_brokers(ClusterArn=orders.arn)
        course = Course(orders, answer["ClusterOperationArn"]).end()
        load.advance()
    after = course.check_complete(before, ["ROLL_BROKERS", "REJOIN_CLUSTER"])
    runs.check_rolled()
    assert course.info["OperationType"] == "UPDATE_CONNECTIVITY"
    assert course.info["SourceClusterInfo"] == {"ConnectivityInfo": {"NetworkType": "IPV4"}}
    assert course.info["TargetClusterInfo"] == {"ConnectivityInfo": {"NetworkType": "DUAL"}}
    shown = [each["Provisioned"]["BrokerNodeGroupInfo"]["ConnectivityInfo"] for each in (before, after)]
    assert [each.get("NetworkType") for each in shown] == [None, "DUAL"]
    check(config, "orders", 3, [load])

    strings = kafka.get_bootstrap_brokers(ClusterArn=orders.arn)
    assert strings["BootstrapBrokerStringTls"] == config["bootstrap.servers"], "what was there stays"
    addresses = own_ipv6(orders)
    if own:
        assert len(set(addresses)) == 3
        assert all(address.startswith("fd") for address in addresses)
        assert {end.rpartition(":")[2] for end in strings["BootstrapBrokerStringTlsIpv6"].split(",")} == {"20094"}
        assert {end.rpartition(":")[2] for end in strings["BootstrapBrokerStringIpv6"].split(",")} == {"20092"}
    else:
        assert set(addresses) == {"::1"}
        assert "Over IPv6 brokers share ::1" in home.run("doctor", check=False).stdout
        every = [end for name in strings if name.endswith("Ipv6") for end in strings[name].split(",")]
        assert len(set(every)) == 6, "a port for each listener"
    told = orders.client("tls", "--ipv6")
    assert told["bootstrap.servers"] == strings["BootstrapBrokerStringTlsIpv6"]
    produce(told, "orders", 100)
    produce({"bootstrap.servers": strings["BootstrapBrokerStringIpv6"]}, "orders", 100)

    if own:
        # What a restart of the machine does to the loopback device; a new control plane finds it so.
        loopback.remove(addresses[0])
        assert not listening(addresses[0], 20094)
        assert again(plane, None) == []
        until(lambda: listening(addresses[0], 20094), "the address is back", more=orders.said)
    else:
        orders.healed("broker-1", orders.kill("broker-1"))
        assert orders.client("tls", "--ipv6")["bootstrap.servers"] == strings["BootstrapBrokerStringTlsIpv6"]
        until(lambda: all(listening(*each) for each in ipv6_of(orders)), "all ports are back", more=orders.said)
    orders.delete()
    assert not set(addresses) & set(loopback.present()) - {"::1"}
