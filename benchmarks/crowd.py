"""A control plane over many clusters whose machines and Kafkas are simulated: API, store, loop and rules are the real thing.

Run as a program it serves a home until it is told to stop. It prints a line of JSON when it answers, and then one for each
line that it is asked: `begin`, `measured`, or the ARN of a cluster to explain. Simulated nodes live in the same process, so
what they cost is counted, and told beside."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from attrs import define, evolve, field

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from fakes.kafka import FakeKafka
from fakes.replicas import Replicas
from fakes.world import Machine

from penstock.app import ControlPlane
from penstock.compute.base import Capabilities
from penstock.control.cluster.due import BROKERS_EVERY
from penstock.control.cluster.reconciler import ClusterReconciler
from penstock.control.cluster.sentences import explained
from penstock.control.loop import Loop
from penstock.control.reconciler import Reconciler, Verdict
from penstock.model.ids import FIRST_CONTROLLER, ClusterId
from penstock.settings import load
from penstock.telemetry.logs import configure

TICK, STRIDE = 0.1, 1.0
"""Seconds that a simulated cluster goes on at once: while something happens to it, and while nothing does."""
LIVELY = 15.0
"""So many seconds after the last act something may still happen to it."""
PARTITIONS = 6


@define
class World:
    """One cluster's machine and Kafka."""

    machine: Machine
    kafka: FakeKafka
    lock: threading.RLock = field(factory=threading.RLock)
    cpu: float = 0.0
    """Seconds that its simulation took."""
    _verbs: int = 0
    _acted: float = field(factory=time.monotonic)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Alone in it, at the present moment."""
        with self.lock:
            began = time.thread_time()
            step = TICK if self.lively else STRIDE
            while self.machine.now + timedelta(seconds=step) <= datetime.now(UTC):
                self.machine.tick(step)
                self.kafka.tick()
            try:
                yield
            finally:
                self.cpu += time.thread_time() - began

    @property
    def lively(self) -> bool:
        if len(self.machine.verbs) != self._verbs:
            self._verbs, self._acted = len(self.machine.verbs), time.monotonic()
        return time.monotonic() - self._acted < LIVELY

    @property
    def serving(self) -> tuple[int, ...]:
        """Pids of the nodes that serve: a real one says so in its log, or ends, and either wakes the loop."""
        return tuple(run.pid for run in self.machine.running() if self.kafka.serves(run.spec.id.number))


class Crowd:
    """Compute and Kafka of all clusters, each in a world of its own."""

    capabilities = Capabilities(own_addresses=True, unprivileged=False)

    def __init__(self) -> None:
        self._worlds: dict[str, World] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def world(self, cluster: str) -> World:
        with self._lock:
            if cluster not in self._worlds:
                machine = Machine(now=datetime.now(UTC))
                replicas = [(1, 2, 3), (2, 3, 1), (3, 1, 2)]
                topics = [Replicas("orders", i, replicas[i % 3], list(replicas[i % 3]), 2) for i in range(PARTITIONS)]
                voters = tuple(range(FIRST_CONTROLLER, FIRST_CONTROLLER + 3))
                self._worlds[cluster] = World(machine, FakeKafka(machine, ClusterId(cluster), voters, topics))
            return self._worlds[cluster]

    @property
    def cpu(self) -> float:
        return sum(world.cpu for world in list(self._worlds.values()))

    def connect(self, spec: Any, layout: Any) -> Any:
        world = self.world(spec.id)
        return _Entered(world, world.kafka)

    def clusters(self) -> Sequence[ClusterId]:
        return [ClusterId(name) for name in self._worlds]

    def propose(self, *arguments: Any, **options: Any) -> Any:
        return Machine().propose(*arguments, **options)

    def watch(self, wake: Callable[[ClusterId], None]) -> None:
        """Let worlds go on in which something happens, and wake the loop where a node ends or comes to serve."""
        threading.Thread(target=self._watch, args=(wake,), daemon=True).start()

    def _watch(self, wake: Callable[[ClusterId], None]) -> None:
        seen: dict[str, tuple[int, ...]] = {}
        while not self._closed.wait(TICK):
            for name, world in list(self._worlds.items()):
                if world.lively:
                    with world.entered():
                        serving = world.serving
                    if seen.get(name) != serving:
                        seen[name] = serving
                        wake(ClusterId(name))

    def close(self) -> None:
        self._closed.set()

    def __getattr__(self, verb: str) -> Any:
        def called(node: Any, *arguments: Any, **options: Any) -> Any:
            cluster = node if isinstance(node, str) else getattr(node, "id", node).cluster
            world = self.world(cluster)
            with world.entered():
                return getattr(world.machine, verb)(node, *arguments, **options)

        return called


class _Entered:
    """A part of a world that is entered at each call."""

    def __init__(self, world: World, part: Any) -> None:
        self._world, self._part = world, part

    def __getattr__(self, name: str) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            with self._world.entered():
                return getattr(self._part, name)(*arguments, **options)

        return called


@define
class Timed:
    """The real reconciler. How long clusters waited for a look, at most, since the last `begin`."""

    inner: Reconciler
    late: float = 0.0
    """Seconds after the moment at which the look was due."""
    unseen: float = 0.0
    """Seconds between two looks at a cluster that was being changed."""
    passes: int = 0
    _left: dict[str, tuple[float, float]] = field(factory=dict)
    """When the last pass over it ended, and in how many seconds the next was due."""

    def begin(self) -> None:
        self.late = self.unseen = 0.0
        self.passes = 0

    def reconcile(self, resource: str, *, woken: bool) -> Verdict:
        self._count(self._left.pop(resource, None))
        self.passes += 1
        verdict = self.inner.reconcile(resource, woken=woken)
        if verdict.next_in is not None:
            self._left[resource] = time.monotonic(), verdict.next_in
        return verdict

    def forget(self, resource: str) -> None:
        self.inner.forget(resource)

    def measured(self) -> dict[str, float]:
        for left in list(self._left.values()):
            self._count(left)
        return {"late": self.late, "unseen": self.unseen, "passes": self.passes}

    def _count(self, left: tuple[float, float] | None) -> None:
        if left is not None:
            gap = time.monotonic() - left[0]
            self.late = max(self.late, gap - left[1])
            if left[1] < BROKERS_EVERY:
                self.unseen = max(self.unseen, gap)


def main() -> None:
    configure()
    plane = ControlPlane(load(home=Path(sys.argv[1])))
    crowd = Crowd()
    around = evolve(plane.app.around, compute=crowd, connect=crowd.connect, probe=None)
    timed = Timed(ClusterReconciler(around))
    plane.loop = Loop(timed, observe=plane.metrics.passed)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # as `penstock up`: no delays
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    server = uvicorn.Server(uvicorn.Config(plane.gateway, log_config=None, access_log=False, lifespan="off"))
    plane.start()
    crowd.watch(plane.loop.wake)
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
    _say({"pid": os.getpid(), "environment": environment})
    threading.Thread(target=_answer, args=(plane, around, timed, crowd), daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        crowd.close()
        plane.stop()


def _answer(plane: ControlPlane, around: Any, timed: Timed, crowd: Crowd) -> None:
    for line in sys.stdin:
        match line.strip():
            case "begin":
                timed.begin()
                _say({})
            case "measured":
                _say(timed.measured() | {"simulation": crowd.cpu})
            case arn:
                _say({"told": _explained(plane, around, arn)})
    signal.raise_signal(signal.SIGTERM)  # nobody is left to ask


def _explained(plane: ControlPlane, around: Any, arn: str) -> list[str]:
    """As `penstock explain` tells it, by a look of its own, and the last events."""
    with plane.app.store.read() as rows:
        record = rows.clusters.by_arn(arn)
        if record is None:
            return [f"{arn} is gone"]
        operation = rows.operations.current(record.spec.id)
        events = rows.events.last(record.spec.id, 20)
    now = around.clock()
    view, plan = ClusterReconciler(around).decide(record.spec, record.status, operation, now, woken=True)
    lines = explained(view, plan, now, lambda _: "")
    return [*lines, *(f"{event.at:%H:%M:%S}Z: {event.sentence}" for event in events)]


def _say(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
