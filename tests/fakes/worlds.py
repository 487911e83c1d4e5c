"""Machines that the conformance suite runs on: one of processes, one in memory, under one set of hands."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes.memory_compute import MemoryCompute

from penstock.compute.base import Compute, IssuedLeaf
from penstock.compute.process.home import Home
from penstock.compute.process.process import boot_id
from penstock.compute.process.provider import ProcessCompute
from penstock.model.action import How
from penstock.model.ids import ClusterId, NodeId, Role
from penstock.model.node import Applies, File, Issuer, Leaf, NodeSpec, Resources
from penstock.model.observation import Gone, Known, Running, Sighting
from penstock.model.volume import VolumeUse

CLUSTER = ClusterId("6f1c2a34-0000-4000-8000-000000000001-1")
SLEEPER = ("/bin/sh", "-c", "echo ready; exec sleep 600")
"""A node that does nothing and has no child: SIGTERM ends it at once."""


def broker(number: int, cluster: ClusterId = CLUSTER) -> NodeId:
    return NodeId(cluster, Role.BROKER, number)


def leaf(path: str, days: int) -> IssuedLeaf:
    """A self-signed certificate that ends in so many days, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path)])
    now = datetime.now(UTC).replace(microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return IssuedLeaf(path, private + made.public_bytes(serialization.Encoding.PEM))


class World(Protocol):
    """A machine, and what can happen to it from outside."""

    compute: Compute

    def kill(self, node: NodeId) -> None: ...
    def suspend(self, node: NodeId) -> None: ...
    def say(self, node: NodeId, line: str) -> None: ...
    def file(self, node: NodeId, name: str) -> bytes: ...
    def put(self, node: NodeId, name: str, content: bytes) -> None: ...
    def data(self, node: NodeId) -> Mapping[str, bytes]: ...
    def swap_volumes(self, one: NodeId, other: NodeId) -> None: ...
    def in_quarantine(self, place: str) -> Mapping[str, bytes]: ...
    def refuse_next_start(self, node: NodeId) -> None: ...
    def restart_machine(self) -> None: ...
    def new_control_plane(self) -> None: ...
    def close(self) -> None: ...


def sees(world: World, node: NodeId) -> Sighting:
    """What is known of the node; the test fails where nothing is."""
    seen = world.compute.sightings(node.cluster)[node]
    assert isinstance(seen, Known), seen
    return seen.value


def running(world: World, node: NodeId) -> Running:
    seen = sees(world, node)
    assert isinstance(seen, Running), seen
    return seen


def gone(world: World, node: NodeId) -> Gone:
    """The node has ended, or does so within seconds."""
    eventually(lambda: isinstance(sees(world, node), Gone))
    seen = sees(world, node)
    assert isinstance(seen, Gone)
    return seen


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.005)


def use(world: World, node: NodeId) -> VolumeUse:
    """How full its volume is; the test fails where that cannot be told."""
    seen = sees(world, node)
    assert isinstance(seen, Running | Gone)
    assert seen.volume is not None
    return seen.volume


class ProcessWorld:
    """This machine, with a home in a temporary directory and a boot id that can change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = Home(root / "home")
        self.boot = boot_id()
        self.compute = self.open()

    def open(self, **options: int | float | datetime) -> ProcessCompute:
        return ProcessCompute(self.home.root, registry=self.root / "networks", boot=lambda: self.boot, **options)  # type: ignore[arg-type]

    def kill(self, node: NodeId) -> None:
        os.kill(running(self, node).pid, signal.SIGKILL)
        gone(self, node)

    def suspend(self, node: NodeId) -> None:
        os.kill(running(self, node).pid, signal.SIGSTOP)
        eventually(lambda: running(self, node).suspended)  # the kernel stops a process a moment later

    def say(self, node: NodeId, line: str) -> None:
        with self.home.place(node).log.open("a") as log:
            log.write(f"{line}\n")

    def file(self, node: NodeId, name: str) -> bytes:
        return Path(self.compute.path(node, name)).read_bytes()

    def put(self, node: NodeId, name: str, content: bytes) -> None:
        (self.home.place(node).data / name).write_bytes(content)

    def data(self, node: NodeId) -> Mapping[str, bytes]:
        return _files(self.home.place(node).data)

    def swap_volumes(self, one: NodeId, other: NodeId) -> None:
        first, second, aside = self.home.place(one).volume, self.home.place(other).volume, self.root / "aside"
        first.rename(aside)
        second.rename(first)
        aside.rename(second)

    def in_quarantine(self, place: str) -> Mapping[str, bytes]:
        return _files(Path(place) / "data")

    def refuse_next_start(self, node: NodeId) -> None:
        """A stranger's directory without a label lies in the place of the node's volume."""
        self.home.place(node).data.mkdir(parents=True)

    def restart_machine(self) -> None:
        """Every process of the home is killed, keepers too, and the machine calls its time by another name."""
        self._kill_all()
        self.boot += "-again"

    def pids(self) -> list[int]:
        """Every process that has a file of the home open or names the home in its command line, except this one."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes()
                links = [os.readlink(link) for link in (entry / "fd").iterdir()]
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if str(self.home.root).encode() in command or any(link.startswith(str(self.home.root)) for link in links):
                found.append(int(entry.name))
        return found

    def new_control_plane(self) -> None:
        self.compute.close()
        self.compute = self.open()

    def close(self) -> None:
        self.compute.close()
        self._kill_all()

    def _kill_all(self) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):  # it ended by itself meanwhile, as the keepers of killed nodes do
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self.pids())


def _files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


class MemoryWorld:
    """A machine in a dict."""

    def __init__(self) -> None:
        self.compute = MemoryCompute()

    def kill(self, node: NodeId) -> None:
        self.compute.kill(node)

    def suspend(self, node: NodeId) -> None:
        self.compute.suspend(node)

    def say(self, node: NodeId, line: str) -> None:
        self.compute.places[node].log.append(line)

    def file(self, node: NodeId, name: str) -> bytes:
        return self.compute.places[node].files[name]

    def put(self, node: NodeId, name: str, content: bytes) -> None:
        self.compute.volumes[node].content[name] = content

    def data(self, node: NodeId) -> Mapping[str, bytes]:
        return self.compute.volumes[node].content

    def swap_volumes(self, one: NodeId, other: NodeId) -> None:
        volumes = self.compute.volumes
        volumes[one], volumes[other] = volumes[other], volumes[one]

    def in_quarantine(self, place: str) -> Mapping[str, bytes]:
        return self.compute.kept[place].content

    def refuse_next_start(self, node: NodeId) -> None:
        self.compute.of(node).start_fails = 1

    def restart_machine(self) -> None:
        self.compute.restart_machine()

    def new_control_plane(self) -> None:
        self.compute = self.compute.reopened()

    def close(self) -> None:
        self.compute.close()


def specify(world: World, node: NodeId, command: tuple[str, ...] = SLEEPER, **changes: object) -> NodeSpec:
    """A node as the planner would give it, at an address that the provider proposes."""
    endpoint = world.compute.propose([(node, node.number % 3, {"CLIENT": 9092})], [])[node]
    whole: dict[str, object] = {
        "id": node,
        "zone": "use1-az1",
        "command": command,
        "files": (
            File("server.properties", b"log.dirs=@volume@\nkey=@node@/leaf.pem\n"),
            File("live.properties", b"first", Applies.LIVE),
            File("password", b"sesame", secret=True),
            File("meta.properties", b"made for @volume@", Applies.FORMAT),
        ),
        "leaves": (Leaf("leaf.pem", Issuer.HOME, "b-1", (), (), 30, Applies.LIVE),),
        "address": endpoint.address,
        "ports": endpoint.ports,
        "incarnation": f"volume-of-{node.name}",
        "resources": Resources(memory_mib=64, volume_gib=1),
        "revision": "one",
        "ready_line": "ready",
    }
    return NodeSpec(**{**whole, **changes})  # type: ignore[arg-type]


def larger(node: NodeSpec, gib: int) -> NodeSpec:
    """The same node with a volume of that size."""
    return evolve(node, resources=evolve(node.resources, volume_gib=gib))


def ended(world: World, node: NodeSpec) -> NodeSpec:
    """It ran once, wrote a record, and was stopped."""
    world.compute.start(node, [], fence=1)
    world.put(node.id, "record", str(node.id).encode())
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    return node
