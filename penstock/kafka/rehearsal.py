"""A rehearsal: the smallest real cluster (one controller, one broker, secured as every cluster is), started, used, stopped.

Start-up archives are recorded in one. Invariant: its processes end with the block; where the kernel can
promise it (Linux), also with the process that started them, however that ends. They run at low priority: what a user waits
for goes first."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import Any

from attrs import frozen
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from penstock.kafka import format as formatting
from penstock.kafka import jvm, properties
from penstock.kafka.distributions import Installed
from penstock.kafka.java import Java
from penstock.kafka.listeners import CLIENT_SECURE, CONTROLLER, standard_ports
from penstock.kafka.placement import new_kafka_id
from penstock.kafka.plugin import AUTHORIZER
from penstock.kafka.records import VoterAddress
from penstock.model.ids import FIRST_CONTROLLER, ClusterId, NodeId, Role
from penstock.model.node import NODE, VOLUME, Issuer, Leaf
from penstock.model.spec import ClientBroker, ClusterSpec, Endpoint, NodePlace, Subnet
from penstock.pki.authority import Authority

HOST = "127.0.0.1"
# The library is not typed.
_Admin: Any = KafkaAdminClient
_Producer: Any = KafkaProducer
_Consumer: Any = KafkaConsumer
START_SECONDS = 120.0
STOP_SECONDS = 120.0
"""A stopping node writes its archive: about 50 MB."""
HEAP_MIB = 256
# Asks the kernel to kill the child with its parent, makes sure that the parent still is, steps back, becomes Java.
_LEASH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.getppid() == int(sys.argv[1]) or os._exit(1)
os.nice(5)
os.execv(sys.argv[2], sys.argv[2:])
"""


class RehearsalError(Exception):
    """The small cluster did not run. The text is a sentence and the last lines of the node's log."""


@frozen
class Rehearsal:
    """A running small cluster."""

    spec: ClusterSpec
    home_ca: bytes
    """PEM of the authority of the client listener."""
    inner_ca: Path
    plane: Path
    """Key and certificate of the control plane, for the inner listeners."""

    def address(self, listener: str) -> str:
        """`host:port` of the broker's listener."""
        endpoint = self.spec.brokers[0].endpoint
        if endpoint is None:
            raise RehearsalError("the broker has no address; this is a fault of Penstock")
        return f"{endpoint.address}:{endpoint.ports[listener]}"

    def use(self) -> None:
        """What a first client does, over TLS: a topic, a record in, and out again through a consumer group."""
        context = ssl.create_default_context(cadata=self.home_ca.decode())
        how = {
            "bootstrap_servers": self.address(CLIENT_SECURE),
            "security_protocol": "SSL",
            "ssl_context": context,
        }
        admin = _Admin(**how)
        try:
            admin.create_topics({"rehearsal": {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        finally:
            admin.close()
        producer = _Producer(**how)
        try:
            producer.send("rehearsal", b"one").get(timeout=30)
        finally:
            producer.close()
        consumer = _Consumer(
            "rehearsal", group_id="rehearsal", auto_offset_reset="earliest", consumer_timeout_ms=30_000, **how
        )
        try:
            if next(iter(consumer), None) is None:
                raise RehearsalError("the record that was written could not be read back within 30 s")
        finally:
            consumer.close()


@contextmanager
def rehearsal(
    java: Java,
    kafka: Installed,
    plugin: Path,
    folder: Path,
    extra: Mapping[Role, Sequence[str]] | None = None,
    user: Mapping[str, str] | None = None,
) -> Iterator[Rehearsal]:
    """The cluster, serving, inside the block; `extra` are further Java flags of each role, `user` a user's own properties.
    `folder` is taken away after.

    Raises RehearsalError where it does not come up, or a node does not end well."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        spec = _spec(kafka)
        show = _write(spec, kafka, folder, user or {})
        nodes: list[tuple[subprocess.Popen[bytes], Path]] = []
        with ExitStack() as stack:
            # Entered in this order, left in the other: the broker goes first, while it still has a controller.
            for place in (*spec.controllers, *spec.brokers):
                command = _command(java, kafka, plugin, place.id, folder, (extra or {}).get(place.id.role, ()))
                log = folder / f"{place.id.name}.log"
                nodes.append((stack.enter_context(_node(command, log)), log))
            _await(show.address(CLIENT_SECURE), nodes)
            yield show
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _spec(kafka: Installed) -> ClusterSpec:
    cluster = ClusterId("rehearsal-1")
    subnet = Subnet("subnet-rehearsal", "zone-1")
    ports = iter(_free_ports(4))
    places = [
        NodePlace(
            NodeId(cluster, role, number),
            subnet,
            f"rehearsal-{number}",
            new_kafka_id(),
            Endpoint(HOST, {name: next(ports) for name in standard_ports(role, ClientBroker.TLS_PLAINTEXT)}),
        )
        for role, number in ((Role.BROKER, 1), (Role.CONTROLLER, FIRST_CONTROLLER))
    ]
    return ClusterSpec(
        id=cluster,
        arn="arn:aws:kafka:us-east-1:000000000000:cluster/rehearsal/rehearsal-1",
        name="rehearsal",
        account="000000000000",
        region="us-east-1",
        kafka_id=new_kafka_id(),
        kafka_version=kafka.distribution.version,
        client_broker=ClientBroker.TLS_PLAINTEXT,
        instance_type="kafka.t3.small",
        volume_gib=1,
        subnets=(subnet,),
        nodes=tuple(places),
        created=datetime.now(UTC),
    )


def _write(spec: ClusterSpec, kafka: Installed, folder: Path, user: Mapping[str, str]) -> Rehearsal:
    """Every file of both nodes, as a provider would write them."""
    now = datetime.now(UTC)
    home, inner = Authority.create("rehearsal", now, days=2), Authority.create("rehearsal inner", now, days=2)
    voters = [
        VoterAddress(place.id.number, place.directory, CONTROLLER, HOST, place.endpoint.ports[CONTROLLER])
        for place in spec.controllers
        if place.endpoint is not None
    ]
    for place in spec.nodes:
        node, volume = folder / place.id.name, folder / place.id.name / "volume"
        formatted = formatting.format_node(
            layout=formatting.layout_of(kafka.distribution.kafka),
            features=kafka.distribution.features,
            kafka_id=spec.kafka_id,
            number=place.id.number,
            directory=place.directory,
            voters=voters,
            is_controller=place.id.role is Role.CONTROLLER,
            now_ms=int(now.timestamp() * 1000),
        )
        server = properties.server_properties(
            spec,
            place,
            authorizer=AUTHORIZER,
            cores=1,
            unclean_leader_election=False,
            user={"offsets.topic.num.partitions": "1", "group.initial.rebalance.delay.ms": "0", **user},
        )
        files = {
            properties.SERVER_PROPERTIES: server,
            properties.LOG4J2_PROPERTIES: properties.log4j2_properties(),
            properties.INNER_CA: inner.certificate_pem,
            properties.INNER_LEAF: inner.issue(_leaf(properties.node_name(place.id.number)), now),
            properties.CLIENT_LEAF: home.issue(_leaf("rehearsal"), now),
            **{f"volume/{path}": content for path, content in formatted.items()},
        }
        for path, content in files.items():
            target = node / path
            target.parent.mkdir(parents=True, exist_ok=True)
            placed = content.replace(NODE.encode(), str(node).encode()).replace(VOLUME.encode(), str(volume).encode())
            target.write_bytes(placed)
    plane = folder / "plane.pem"
    plane.write_bytes(inner.issue(_leaf(properties.PLANE_NAME), now))
    return Rehearsal(spec, home.certificate_pem, folder / spec.brokers[0].id.name / properties.INNER_CA, plane)


def _leaf(common_name: str) -> Leaf:
    return Leaf("", Issuer.CLUSTER, common_name, ("localhost",), (HOST,), days=1)


def _command(
    java: Java, kafka: Installed, plugin: Path, node: NodeId, folder: Path, extra: Sequence[str]
) -> Sequence[str]:
    own = folder / node.name
    logging = f"-Dlog4j2.configurationFile={own / properties.LOG4J2_PROPERTIES}"
    return jvm.command(
        str(java.executable),
        node.role,
        HEAP_MIB,
        kafka.class_path(plugin),
        str(own / properties.SERVER_PROPERTIES),
        (*extra, logging),
    )


@contextmanager
def _node(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One node's process. Left in peace, it is asked to end and must do so well; left by an error, it is killed."""
    leash = (sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid())) if sys.platform == "linux" else ()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*leash, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent
        )
    try:
        yield process
        process.terminate()
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise RehearsalError(f"a node did not end within {STOP_SECONDS:.0f} s.\n{_tail(log)}") from error
        # The virtual machine answers SIGTERM with 128 + 15 once its shutdown hooks are through.
        if status not in (0, 128 + signal.SIGTERM):
            raise RehearsalError(f"a node ended with status {status}.\n{_tail(log)}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _await(address: str, nodes: Sequence[tuple[subprocess.Popen[bytes], Path]]) -> None:
    """Until the broker serves clients: it binds their listeners only once it is unfenced (kafka.md 2.3)."""
    host, _, port = address.rpartition(":")
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        for process, log in nodes:
            if process.poll() is not None:
                raise RehearsalError(f"a node ended at its start with status {process.returncode}.\n{_tail(log)}")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RehearsalError(f"the broker did not serve within {START_SECONDS:.0f} s.\n{_tail(nodes[-1][1])}")


def _free_ports(count: int) -> Sequence[int]:
    """Ports on loopback that nobody listens on, below those that the system gives to outgoing connections."""
    found: list[int] = []
    for port in SystemRandom().sample(range(20_000, 32_000), 500):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RehearsalError(f"no {count} free ports between 20000 and 32000 on {HOST}: end what holds them")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
