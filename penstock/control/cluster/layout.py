"""ClusterSpec -> complete NodeSpecs. Pure: the same spec gives the same nodes.

Invariant: `revision` depends on desired facts alone, never on how they are rendered, so a newer Penstock restarts nothing.
A node is laid out only when every node of its cluster has its endpoint written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import field, frozen

from penstock.kafka import advertised
from penstock.kafka.configuration import of_role, static
from penstock.kafka.format import format_node, layout_of
from penstock.kafka.listeners import CONTROLLER, ipv6_ports, names, secure
from penstock.kafka.properties import (
    CLIENT_LEAF,
    INNER_CA,
    INNER_LEAF,
    LOG4J2_PROPERTIES,
    SERVER_PROPERTIES,
    log4j2_properties,
    node_name,
    server_properties,
)
from penstock.kafka.records import VoterAddress
from penstock.kafka.versions import Distribution
from penstock.model.ids import Role
from penstock.model.node import NODE, Applies, File, Issuer, Leaf, NodeSpec, Resources, digest
from penstock.model.spec import ClusterSpec, Endpoint, NodePlace

INNER_LEAF_DAYS = 3650
"""Long: an inner leaf is fresh at every start and renewed by a roll well before its end (kafka.md 6)."""
LOGGING = (f"-Dlog4j2.configurationFile={NODE}/{LOG4J2_PROPERTIES}",)
CONTROLLER_GIB = 4
"""Of a controller's volume, which MSK neither shows nor charges for: the metadata log keeps 100 MiB and its snapshots."""
READY_LINE = "Kafka Server started"


class Java(Protocol):
    """The command line of a Java process for one Kafka version."""

    def command(self, role: Role, heap_mib: int, properties: str, extra: Sequence[str] = ()) -> tuple[str, ...]: ...


@frozen
class Frame:
    """What layout needs beside the spec: facts of the version, the home and the settings."""

    distribution: Distribution
    java: Java
    authorizer: str
    """Class of the authorizer, on the node's class path."""
    inner_ca: bytes
    """PEM of the cluster's own authority."""
    unclean_leaders: bool
    broker_heap_mib: int
    controller_heap_mib: int
    client_leaf_days: int
    cores: int
    user: Mapping[str, str] = field(factory=dict)
    """The effective properties of the configuration that the spec names (`kafka/configuration.py`)."""


@frozen
class Layout:
    """The nodes of a cluster, with all that they were made from."""

    spec: ClusterSpec
    frame: Frame
    commands: Mapping[Role, tuple[str, ...]]
    nodes: tuple[NodeSpec, ...]


def renewed(last: Layout | None, spec: ClusterSpec, frame: Frame) -> Layout:
    """The layout of now; the last one where it would be made from the same."""
    commands = _commands(frame)
    if last is not None and (last.spec, last.frame, last.commands) == (spec, frame, commands):
        return last
    return Layout(spec, frame, commands, _nodes(spec, frame, commands))


def lay_out(spec: ClusterSpec, frame: Frame) -> tuple[NodeSpec, ...]:
    """Every node of the cluster, complete; nothing for a removed cluster or before all endpoints are written down."""
    return renewed(None, spec, frame).nodes


def _commands(frame: Frame) -> Mapping[Role, tuple[str, ...]]:
    """How nodes of each role are started now: with the archives that are in force."""
    return {role: frame.java.command(role, _heap(role, frame), f"{NODE}/{SERVER_PROPERTIES}", LOGGING) for role in Role}


def _heap(role: Role, frame: Frame) -> int:
    return frame.broker_heap_mib if role is Role.BROKER else frame.controller_heap_mib


def _nodes(spec: ClusterSpec, frame: Frame, commands: Mapping[Role, tuple[str, ...]]) -> tuple[NodeSpec, ...]:
    if spec.removed or any(place.endpoint is None for place in spec.nodes):
        return ()
    if spec.dual and any(place.ipv6 is None for place in spec.brokers):
        return ()
    return tuple(
        _node(spec, place, place.endpoint, frame, commands[place.id.role])
        for place in spec.nodes
        if place.endpoint is not None
    )


def _node(spec: ClusterSpec, place: NodePlace, endpoint: Endpoint, frame: Frame, command: tuple[str, ...]) -> NodeSpec:
    broker = place.id.role is Role.BROKER
    return NodeSpec(
        id=place.id,
        zone=place.subnet.zone,
        command=command,
        files=(
            File(SERVER_PROPERTIES, _properties(spec, place, frame)),
            File(LOG4J2_PROPERTIES, log4j2_properties()),
            File(INNER_CA, frame.inner_ca),
            *_formatted(spec, place, frame),
        ),
        leaves=_leaves(spec, place, endpoint, frame),
        address=endpoint.address,
        ports={name: port for name, port in endpoint.ports.items() if place.at(name) == (endpoint.address, port)},
        beside=_beside(spec, place),
        incarnation=place.directory,
        resources=Resources(
            memory_mib=_heap(place.id.role, frame) * 2, volume_gib=spec.volume_gib if broker else CONTROLLER_GIB
        ),
        revision=_revision(spec, place, endpoint, frame.user),
        environment={"LC_ALL": "C.UTF-8"},
        ready_line=READY_LINE,
    )


def _beside(spec: ClusterSpec, place: NodePlace) -> tuple[Endpoint, ...]:
    """Where else than at its own address the node listens."""
    return tuple(each for each in (place.shared, place.ipv6 if spec.dual else None) if each is not None)


def _revision(spec: ClusterSpec, place: NodePlace, endpoint: Endpoint, user: Mapping[str, str]) -> str:
    # What Kafka takes at run time is no reason for a restart; where nothing is left, the digest is that of no configuration.
    configured = static(of_role(user, place.id.role))
    beside = [[each.address, sorted(each.ports.items())] for each in _beside(spec, place)]
    return digest(
        {
            "kafka": spec.kafka_version,
            "listeners": spec.client_broker.listeners,
            "instance": spec.instance_type if place.id.role is Role.BROKER else "",
            "endpoint": [endpoint.address, sorted(endpoint.ports.items())],
            "restarts": place.restarts,
            **({"beside": beside} if beside else {}),
            **({"configuration": configured} if configured else {}),
        }
    )


def _properties(spec: ClusterSpec, place: NodePlace, frame: Frame) -> bytes:
    return server_properties(
        spec,
        place,
        authorizer=frame.authorizer,
        cores=frame.cores,
        unclean_leader_election=frame.unclean_leaders,
        user=of_role(frame.user, place.id.role),
    )


def _formatted(spec: ClusterSpec, place: NodePlace, frame: Frame) -> tuple[File, ...]:
    distribution = frame.distribution
    files: Mapping[str, bytes] = format_node(
        layout=layout_of(distribution.kafka),
        features=distribution.features,
        kafka_id=spec.kafka_id,
        number=place.id.number,
        directory=place.directory,
        voters=[
            VoterAddress(c.id.number, c.directory, CONTROLLER, c.endpoint.address, c.endpoint.ports[CONTROLLER])
            for c in spec.controllers
            if c.endpoint is not None
        ],
        is_controller=place.id.role is Role.CONTROLLER,
        joins=place.joins,
        now_ms=int(spec.created.timestamp() * 1000),
    )
    return tuple(File(path, content, Applies.FORMAT) for path, content in files.items())


def _leaves(spec: ClusterSpec, place: NodePlace, endpoint: Endpoint, frame: Frame) -> tuple[Leaf, ...]:
    inner = Leaf(INNER_LEAF, Issuer.CLUSTER, node_name(place.id.number), (), (endpoint.address,), INNER_LEAF_DAYS)
    shown = secure(names(place.id.role, spec.client_broker, spec.dual))
    if not shown:
        return (inner,)
    addresses = tuple(dict.fromkeys(found[0] for name in shown if (found := place.at(name))))
    own = [dns_name(spec, place), *([dns_name(spec, place, "bi6")] if spec.dual else [])]
    local = ["localhost"] if {"127.0.0.1", "::1"} & set(addresses) else []
    named = advertised.hosts(frame.user.get(advertised.PROPERTY), place.id.number)
    client = Leaf(
        CLIENT_LEAF,
        Issuer.HOME,
        f"broker-{place.id.number}",
        (*own, *local, *named),
        addresses,
        frame.client_leaf_days,
        Applies.LIVE,
    )
    return (inner, client)


def dns_name(spec: ClusterSpec, place: NodePlace, letter: str = "") -> str:
    """The node's MSK-shaped name (msk.md 4.3): `b-{id}.{name without hyphens}.{6 characters}.c{N}.kafka.{region}.amazonaws.com`.

    `letter` is what stands in the place of `b` (of a broker) or `c`: `bi6` for its name over IPv6."""
    uuid, _, suffix = spec.id.rpartition("-")
    letter = letter or ("b" if place.id.role is Role.BROKER else "c")
    label = spec.name.lower().replace("-", "")
    return f"{letter}-{place.id.number}.{label}.{digest(uuid)[:6]}.c{suffix}.kafka.{spec.region}.amazonaws.com"


def hosts(spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
    """(address, name) of each broker, as a client's /etc/hosts takes them."""
    ways = {"b": spec.client_broker.listeners[0]}
    if spec.dual:
        ways["bi6"] = next(iter(ipv6_ports(spec.client_broker)))
    return tuple(
        (found[0], dns_name(spec, place, letter))
        for place in spec.brokers
        for letter, listener in ways.items()
        if (found := place.at(listener))
    )
