"""Worse than a crash: the machine restarts, volumes are mixed up, a file is spoiled, a stranger sits on a port."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import psutil
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, until
from oracle.soak import soaked


def test_the_machine_restarts(orders: Cluster) -> None:
    """Every process of the home ends, and the records are of another boot: their pids belong to strangers now."""
    config, home = orders.client("tls"), orders.plane.home
    make_topic(config, "reboot-machine", 3)
    with loaded(config, "reboot-machine", 3) as load:
        load.advance()
    before = orders.pids()
    dead = home.processes()
    for process in dead:
        process.kill()
    psutil.wait_procs(dead, 20)
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        stat = Path(f"/proc/{stranger.pid}/stat").read_text()
        born = int(stat.rpartition(")")[2].split()[19])
        for name in ("run", "keeper"):
            for path in (home.path / "nodes" / orders.id).glob(f"*/{name}.json"):
                record = json.loads(path.read_text()) | {"boot": "the boot before", "pid": stranger.pid, "birth": born}
                path.write_text(json.dumps(record | ({"clock": record["clock"] + 1e6} if name == "run" else {})))
        orders.plane.up()
        for node in before:
            orders.restarted(node, stranger.pid)
            until(lambda node=node: orders.listens(node), f"{node} listens", more=orders.said)  # type: ignore[misc]
        orders.active()
        assert stranger.poll() is None, "a stranger was ended whose pid had been a node's"
    finally:
        stranger.kill()
        stranger.wait()
    with loaded(config, "reboot-machine", 3) as later:
        later.advance()
    check(config, "reboot-machine", 3, [load, later])
    assert any("the machine restarted" in sentence for sentence in orders.events())


def test_volumes_of_two_brokers_are_swapped(orders: Cluster) -> None:
    """Neither is used and neither is deleted. Both are made anew, one after the other, from the broker that has it all."""
    config, plane = orders.client("tls"), orders.plane
    make_topic(config, "swapped", 3)
    with loaded(config, "swapped", 3) as load:
        load.advance()
    plane.kill()
    old = {node: orders.kill(node) for node in ("broker-1", "broker-2")}
    until(lambda: not any(map(psutil.pid_exists, old.values())), "both are dead")
    one, two = orders.volume("broker-1"), orders.volume("broker-2")
    aside = one.with_name("aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    inodes = {one.stat().st_ino, two.stat().st_ino}
    plane.up()
    until(lambda: len(quarantined(orders)) == 2, "both volumes quarantined", more=orders.said)
    assert {path.stat().st_ino for path in quarantined(orders)} == inodes
    assert all(list((path / "data").glob("swapped-*/*.log")) for path in quarantined(orders)), "a volume lost its data"
    for node, pid in old.items():
        orders.restarted(node, pid)
        until(lambda node=node: orders.listens(node), f"{node} listens", more=orders.said)  # type: ignore[misc]
    orders.active()
    assert len(quarantined(orders)) == 2
    with loaded(config, "swapped", 3) as later:
        later.advance()
    check(config, "swapped", 3, [load, later])


@soaked("two volumes more")
def test_nothing_at_all_is_left_of_a_broker_and_of_a_controller(orders: Cluster) -> None:
    """Neither is taken for one that was never started: both get a new storage identity, and the broker copies what it had."""
    config, plane = orders.client("tls"), orders.plane
    make_topic(config, "wiped", 3)
    with loaded(config, "wiped", 3) as load:
        load.advance()
        wiped = ("broker-2", orders.leader())
        plane.kill()
        before = {node: (orders.kill(node), orders.record(node, "keeper")["pid"]) for node in wiped}
        for node, (_, keeper) in before.items():
            os.kill(keeper, signal.SIGKILL)
            shutil.rmtree(orders.volume(node))
            shutil.rmtree(plane.home.path / "nodes" / orders.id / node)
        plane.up()
        for node, (pid, _) in before.items():
            orders.restarted(node, pid)
            until(lambda node=node: orders.listens(node), f"{node} listens", more=orders.said)  # type: ignore[misc]
        orders.active()
        load.advance()
    check(config, "wiped", 3, [load])
    told = "\n".join(orders.events())
    for node in wiped:
        assert f"nothing is left of {node.replace('-', ' ')}" in told


def quarantined(cluster: Cluster) -> list[Path]:
    folder = cluster.plane.home.path / "quarantine"
    return [path for path in folder.iterdir() if cluster.id in path.name] if folder.exists() else []


def test_a_broker_whose_file_is_spoiled_rests_longer_each_time(orders: Cluster) -> None:
    config = orders.client("tls")
    make_topic(config, "spoiled", 3)
    meta = orders.volume("broker-3") / "data" / "meta.properties"
    good = meta.read_text()
    with loaded(config, "spoiled", 3) as load:
        before, seen = orders.pids(), len(orders.ended("broker-3"))
        meta.write_text(good.replace("node.id=3", "node.id=7"))
        orders.kill("broker-3")
        try:
            until(lambda: len(orders.ended("broker-3")) >= min(seen + 4, 20), "four runs ended", more=orders.said)
            assert orders.state == "HEALING"
            explained, info = orders.explain(), orders.describe()["StateInfo"]
        finally:
            meta.write_text(good)
        orders.active()
        load.advance()
    runs = orders.ended("broker-3")[-4:]
    rests = [b["ended"] - b["seconds"] - a["ended"] for a, b in pairwise(runs)]
    assert rests[-1] > 1.5, rests
    assert rests[-1] > rests[0] + 1, rests
    assert "times in a row" in explained
    for told in (explained, info["Message"]):
        assert "Stored node id 7 doesn't match" in told, told
    assert "broker 3" in info["Message"]
    assert {node for node, pid in orders.pids().items() if before[node] != pid} == {"broker-3"}
    check(config, "spoiled", 3, [load])


def test_a_stranger_sits_on_the_port_of_a_dead_broker(orders: Cluster) -> None:
    """A sentence and not a loop; when the stranger leaves, the broker is back at its address."""
    plane, label = orders.plane, orders.record("broker-1", "node")
    address, port = label["address"], label["ports"]["CLIENT_SECURE"]
    plane.kill()
    old = orders.kill("broker-1")
    until(lambda: not psutil.pid_exists(old), "the broker is dead")
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((address, port))
        stranger.listen()
        plane.up()
        orders.reach("HEALING")
        until(
            lambda: f"already listens on {address}:{port}" in str(orders.describe().get("StateInfo")),
            "the stranger is named in stateInfo",
            more=orders.said,
        )
        explained = orders.explain()
        assert f"pid {os.getpid()}" in explained
        assert "Stop that program" in explained
        assert orders.pid("broker-1") == old
        told = len(orders.events())
        time.sleep(3)
        assert len(orders.events()) <= told + 1, "it loops"
    orders.healed("broker-1", old)
    assert orders.record("broker-1", "node")["address"] == address


def test_a_frozen_control_plane_that_wakes_up_does_no_harm(orders: Cluster) -> None:
    before, pid = orders.pids(), orders.plane.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        old = orders.kill("broker-2")
        time.sleep(2)
        assert orders.pid("broker-2") == old
    finally:
        os.kill(pid, signal.SIGCONT)
    orders.healed("broker-2", old)
    after = orders.pids()
    assert {node for node in before if before[node] != after[node]} == {"broker-2"}
