"""A program listens on one of Kafka's ports: on one address, and on every address.

Told in a network of its own, because such a program would be in the way of every other cluster of this machine."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Home, Plane, until

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40


def secede() -> None:
    """Give the calling thread, and what it starts, a network of its own with a loopback device alone."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network of our own")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP | IFF_RUNNING))


def stranger(address: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen()
    return listener


def story(home: Home) -> None:
    secede()
    plane = Plane(home).up()
    with stranger("0.0.0.0", 9094):
        cluster = plane.begin("shared")
        until(lambda: (home.path / "nodes" / cluster.id).exists() and cluster.pids(), "nodes started")
        cluster.active()
        labels = [cluster.record(node, "node") for node in cluster.nodes]
        assert {label["address"] for label in labels} == {"127.0.0.1"}
        ports = [port for label in labels for port in label["ports"].values()]
        assert len(ports) == len(set(ports))
        config = cluster.client()
        make_topic(config, "shared", 3)
        with loaded(config, "shared", 3) as load:
            old = cluster.kill("broker-3")
            cluster.healed("broker-3", old)
            load.advance()
        check(config, "shared", 3, [load])
        cluster.delete()
    network = home.network()
    with stranger(f"{network}.0.1", 9094):
        beside = plane.begin("beside")
        until(lambda: written(home, beside), "nodes started")
        labels = {node: beside.record(node, "node") for node in beside.nodes}
        assert labels["broker-1"]["address"] != f"{network}.0.1", "the broker was sent to a taken port"
        assert all(label["address"].startswith(f"{network}.") for label in labels.values())
        assert {labels[node]["ports"]["CLIENT_SECURE"] for node in beside.nodes if node.startswith("broker")} == {9094}
        beside.delete()


def written(home: Home, cluster: Cluster) -> bool:
    """All six nodes have written down where they are."""
    if not (home.path / "nodes" / cluster.id).exists() or len(cluster.nodes) < 6:
        return False
    return all("address" in cluster.record(node, "node") for node in cluster.nodes)


def test_a_program_holds_a_port_of_every_address_and_one_holds_a_port_of_one(homes: Callable[..., Home]) -> None:
    if os.geteuid() != 0:
        pytest.skip("a network of its own takes root; run the tests as root (as CI does) to have this one")
    with ThreadPoolExecutor(1) as alone:
        alone.submit(story, homes()).result()
