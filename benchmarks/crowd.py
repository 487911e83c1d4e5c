"""A control plane over many clusters whose machines and Kafkas are simulated: everything else is the real thing.

Run as a program it serves a home until it is told to stop, and prints one line of JSON when it answers. Clusters are made
through its API; what it measures of itself it prints at the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from attrs import define, evolve, field

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from fakes.kafka import FakeKafka, Replicas
from fakes.world import Machine

from penstock.app import ControlPlane
from penstock.compute.base import Capabilities
from penstock.control.cluster.reconciler import ClusterReconciler
from penstock.control.loop import Loop
from penstock.model.ids import FIRST_CONTROLLER, ClusterId
from penstock.settings import load

TICK = timedelta(seconds=0.1)
PARTITIONS = 6


@define
class World:
    """One cluster's machine and Kafka. Time in them goes on when somebody looks."""

    machine: Machine
    kafka: FakeKafka
    lock: threading.RLock = field(factory=threading.RLock)
    looked: float = 0.0
    longest: float = 0.0
    """Seconds between two looks, at most."""

    def go_on(self) -> None:
        while self.machine.now + TICK <= datetime.now(UTC):
            self.machine.tick(TICK.total_seconds())
            self.kafka.tick()


class Crowd:
    """Compute and Kafka of all clusters, each in a world of its own."""

    capabilities = Capabilities(own_addresses=True, unprivileged=False)

    def __init__(self) -> None:
        self._worlds: dict[str, World] = {}
        self._lock = threading.Lock()

    def world(self, cluster: str) -> World:
        with self._lock:
            if cluster not in self._worlds:
                machine = Machine(now=datetime.now(UTC))
                replicas = [(1, 2, 3), (2, 3, 1), (3, 1, 2)]
                topics = [Replicas("orders", i, replicas[i % 3], list(replicas[i % 3]), 2) for i in range(PARTITIONS)]
                voters = tuple(range(FIRST_CONTROLLER, FIRST_CONTROLLER + 3))
                self._worlds[cluster] = World(machine, FakeKafka(machine, ClusterId(cluster), voters, topics))
            return self._worlds[cluster]

    def connect(self, spec: Any, layout: Any) -> Any:
        return _Locked(self.world(spec.id), "kafka")

    def forget_longest(self) -> None:
        for world in list(self._worlds.values()):
            world.longest = 0.0

    def longest(self) -> float:
        return max((world.longest for world in self._worlds.values()), default=0.0)

    def sightings(self, cluster: ClusterId) -> Any:
        world = self.world(cluster)
        now = time.monotonic()
        if world.looked:
            world.longest = max(world.longest, now - world.looked)
        world.looked = now
        return _Locked(world, "machine").sightings(cluster)

    def clusters(self) -> Sequence[ClusterId]:
        return [ClusterId(name) for name in self._worlds]

    def propose(self, *arguments: Any, **options: Any) -> Any:
        return Machine().propose(*arguments, **options)

    def watch(self, wake: Any) -> None:
        """Deaths are seen by the next look."""

    def close(self) -> None:
        """Nothing is open."""

    def __getattr__(self, verb: str) -> Any:
        def called(node: Any, *arguments: Any, **options: Any) -> Any:
            cluster = node if isinstance(node, str) else getattr(node, "id", node).cluster
            return getattr(_Locked(self.world(cluster), "machine"), verb)(node, *arguments, **options)

        return called


class _Locked:
    """A part of a world, one call at a time, with its time brought up to now."""

    def __init__(self, world: World, part: str) -> None:
        self._world, self._part = world, part

    def __getattr__(self, name: str) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            with self._world.lock:
                self._world.go_on()
                return getattr(getattr(self._world, self._part), name)(*arguments, **options)

        return called


def main() -> None:
    plane = ControlPlane(load(home=Path(sys.argv[1])))
    crowd = Crowd()
    around = evolve(plane.app.around, compute=crowd, connect=crowd.connect, probe=None)
    plane.loop = Loop(ClusterReconciler(around), observe=plane.metrics.passed)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(plane.gateway, log_config=None, access_log=False, lifespan="off"))
    plane.start()
    with plane.app.store.read() as rows:
        key = rows.identity.root_key()
        subnets = rows.subnets.built_in(key.account, "us-east-1").subnets
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    environment = {
        "AWS_ENDPOINT_URL_KAFKA": endpoint,
        "PENSTOCK_ENDPOINT": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "PENSTOCK_SUBNETS": ",".join(subnet.id for subnet in subnets),
    }
    signal.signal(signal.SIGUSR1, lambda *_: crowd.forget_longest())
    print(json.dumps({"pid": os.getpid(), "environment": environment}), flush=True)
    try:
        server.run(sockets=[listener])
    finally:
        plane.stop()
        print(json.dumps({"longest": crowd.longest()}), flush=True)


if __name__ == "__main__":
    main()
