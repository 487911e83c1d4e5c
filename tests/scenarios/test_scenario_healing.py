"""Nodes die and freeze under load: each is back at its address with its storage, and no acknowledged record is lost."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping

import pytest
from oracle.load import check, loaded, make_topic, topic_state
from oracle.plane import Cluster, until
from oracle.soak import soaked

PARTITIONS = 3


def topic(cluster: Cluster, name: str) -> Mapping[str, str]:
    config = cluster.client("tls")
    make_topic(config, name, PARTITIONS)
    return config


def ports(cluster: Cluster, node: str) -> object:
    label = cluster.record(node, "node")
    return label["address"], label["ports"]


def test_a_killed_broker_is_back_while_the_client_goes_on(orders: Cluster) -> None:
    config = topic(orders, "kill-broker")
    before, where, volume = orders.pids(), ports(orders, "broker-2"), orders.volume("broker-2").stat().st_ino
    with loaded(config, "kill-broker", PARTITIONS) as load:
        old = orders.kill("broker-2")
        orders.reach("HEALING")
        orders.healed("broker-2", old)
        load.advance()
    assert ports(orders, "broker-2") == where
    assert orders.volume("broker-2").stat().st_ino == volume
    after = orders.pids()
    assert {node for node in before if before[node] != after[node]} == {"broker-2"}
    check(config, "kill-broker", PARTITIONS, [load])
    assert max(load.gaps().values()) < 60
    assert any("SIGKILL" in sentence for sentence in orders.events())


def test_the_active_controller_is_killed(orders: Cluster) -> None:
    config = topic(orders, "kill-controller")
    before, leader = orders.pids(), orders.leader()
    with loaded(config, "kill-controller", PARTITIONS) as load:
        old = orders.kill(leader)
        orders.reach("HEALING")
        orders.healed(leader, old)
        load.advance()
    after = orders.pids()
    assert {node for node in before if before[node] != after[node]} == {leader}
    check(config, "kill-controller", PARTITIONS, [load])


def test_a_controller_that_lost_its_volume_votes_again_on_a_new_one(orders: Cluster) -> None:
    """It is the active one. Once it is back another may go: a vote that were not counted would be missed then."""
    config = topic(orders, "lost-vote")
    before, victim = orders.pids(), orders.leader()
    with loaded(config, "lost-vote", PARTITIONS) as load:
        lost = orders.volume(victim).rename(orders.plane.home.path / "lost")
        old = orders.kill(victim)
        orders.reach("HEALING")
        orders.healed(victim, old)
        load.advance()
        another = orders.leader()
        orders.healed(another, orders.kill(another))
        load.advance()
    shutil.rmtree(lost)
    after = orders.pids()
    assert {node for node in before if before[node] != after[node]} == {victim, another}
    check(config, "lost-vote", PARTITIONS, [load])
    told = [sentence for sentence in orders.events() if victim.replace("-", " ") in sentence]
    for step in ("lost volume", "a new volume", "a vote"):
        assert any(step in sentence for sentence in told), (step, told)


@pytest.mark.parametrize("role", ["broker", "controller"])
def test_a_frozen_node_is_ended_and_started_again(orders: Cluster, role: str) -> None:
    config = topic(orders, f"freeze-{role}")
    before = orders.pids()
    node = "broker-3" if role == "broker" else orders.leader()
    with loaded(config, f"freeze-{role}", PARTITIONS) as load:
        old = orders.kill(node, signal.SIGSTOP)
        orders.reach("HEALING")
        orders.healed(node, old)
        load.advance()
    after = orders.pids()
    assert {each for each in before if before[each] != after[each]} == {node}
    check(config, f"freeze-{role}", PARTITIONS, [load])
    assert any("suspended" in sentence and node.replace("-", " ") in sentence for sentence in orders.events())


def test_all_six_are_killed_at_once(orders: Cluster) -> None:
    config = topic(orders, "kill-all")
    with loaded(config, "kill-all", PARTITIONS) as load:
        before = orders.pids()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        for node, pid in before.items():
            orders.restarted(node, pid)
        orders.active()
        load.advance()
    check(config, "kill-all", PARTITIONS, [load])


@soaked("a minute of waiting")
def test_all_brokers_are_killed_while_one_is_out_of_the_isr(orders: Cluster) -> None:
    """The control plane is away meanwhile, so that nobody thaws the broker that lags behind."""
    config = topic(orders, "behind")
    plane = orders.plane
    brokers = [node for node in orders.nodes if node.startswith("broker")]
    with loaded(config, "behind", PARTITIONS) as load:
        plane.kill()
        before = {node: orders.pid(node) for node in brokers}
        os.kill(before["broker-3"], signal.SIGSTOP)
        try:
            until(
                lambda: all(isr == {1, 2} for _, isr in topic_state(config, "behind").values()),
                "broker 3 out of the ISR",
            )
            load.advance()
        finally:
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
            plane.up()
        for node, pid in before.items():
            orders.restarted(node, pid)
        orders.active()
        load.advance()
    check(config, "behind", PARTITIONS, [load])


def test_brokers_do_not_notice_that_the_control_plane_is_killed(orders: Cluster) -> None:
    config = topic(orders, "no-plane")
    before = orders.pids()
    with loaded(config, "no-plane", PARTITIONS) as load:
        orders.plane.kill()
        load.advance()
        assert orders.pids() == before
        old = orders.kill("broker-1")
        orders.plane.up()
        orders.healed("broker-1", old)
        load.advance()
    after = orders.pids()
    assert {node for node in before if before[node] != after[node]} == {"broker-1"}
    check(config, "no-plane", PARTITIONS, [load])


def test_a_killed_keeper_takes_no_node_along_and_is_replaced(orders: Cluster) -> None:
    before, keeper = orders.pids(), orders.record("broker-2", "keeper")["pid"]
    os.kill(keeper, signal.SIGKILL)
    until(lambda: orders.record("broker-2", "keeper").get("pid") != keeper, "another keeper", more=orders.said)
    assert orders.pids() == before
    old = orders.kill("broker-2")
    orders.healed("broker-2", old)
