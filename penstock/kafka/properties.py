"""server.properties of brokers and controllers, and their logging configuration.

Invariant: settings that keep a cluster safe (listeners, quorum, authorizer, inner TLS, directories) win over a user's.
Paths are placeholders (`@node@`, `@volume@`) that the provider fills in. Sources: kafka.md 3.2, 5.3 and 6.1 for what is
not Kafka's default, msk.md 3.3 for MSK's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from penstock.kafka import advertised
from penstock.kafka.listeners import (
    CONTROLLER,
    REPLICATION,
    listeners,
    names,
    quorum_servers,
    quorum_voters,
    secure,
)
from penstock.kafka.sizes import threads
from penstock.model.ids import Role
from penstock.model.node import NODE, VOLUME
from penstock.model.spec import ClusterSpec, NodePlace

SERVER_PROPERTIES = "server.properties"
LOG4J2_PROPERTIES = "log4j2.properties"
INNER_LEAF = "inner.pem"
"""Key and certificate for the inner listeners, `CN=node-<number>`, from the cluster's own CA."""
INNER_CA = "inner-ca.pem"
"""Whom the inner listeners trust: the cluster's own CA alone."""
CLIENT_LEAF = "client.pem"
"""Key and certificate of the client listeners, from the CA of the home."""

MARK = "\u00a7"
"""First character of inner principals. No client can have such a name: SASL names are ASCII here, and the name of a
client certificate begins with an attribute (kafka.md 5.3)."""
PLANE_NAME = "plane"
"""Common name of the control plane's own certificate."""
_INNER_NAMES = rf"RULE:^CN=(node|{PLANE_NAME})(-[0-9]+)?$/{MARK}$1/"

FAILOVER: Mapping[str, str] = MappingProxyType(
    {
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "controller.quorum.fetch.timeout.ms": "1000",
        "controller.quorum.election.timeout.ms": "500",
        "controller.quorum.election.backoff.max.ms": "500",
        # A quorum that is late must not end the brokers.
        "initial.broker.registration.timeout.ms": "120000",
    }
)
"""How soon a dead node is noticed; none of it is dynamic (kafka.md 3.2)."""

FOLLOWING: Mapping[str, str] = MappingProxyType(
    {
        # Whoever has just become leader is asked too early by some followers. With Kafka's 1000 they ask again a second later,
        # and so long producers wait for them: they are in sync.
        "replica.fetch.backoff.ms": "100",
        # What is throttled goes at full speed until it has used up so many seconds of its rate. With Kafka's 11 that is most
        # of a partition, and what producers feel is not the rate.
        "replication.quota.window.num": "2",
    }
)
"""How followers copy from leaders, so that producers feel little of it (decision 0025)."""

MSK_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "auto.create.topics.enable": "false",
        "auto.leader.rebalance.enable": "true",
        "log.segment.bytes": "1073741824",
        "num.io.threads": "8",
        "num.partitions": "1",
        "num.replica.fetchers": "2",
        "replica.lag.time.max.ms": "30000",
        "socket.receive.buffer.bytes": "102400",
        "socket.request.max.bytes": "104857600",
        "socket.send.buffer.bytes": "102400",
    }
)
"""MSK's defaults for a Standard cluster, as far as Kafka 4 still knows them."""


def node_name(number: int) -> str:
    """Common name of a node's inner certificate."""
    return f"node-{number}"


def server_properties(
    spec: ClusterSpec,
    place: NodePlace,
    *,
    authorizer: str,
    cores: int,
    unclean_leader_election: bool,
    dynamic_quorum: bool = True,
    user: Mapping[str, str] | None = None,
) -> bytes:
    """The file of one node of the cluster, as Java reads it.

    `authorizer` is a class on the node's class path; `cores` are the threads that read logs back after an unclean end;
    `user` are properties that a user set. Every node of the cluster and their endpoints must be written down in `spec`;
    KeyError or ValueError otherwise."""
    own = {**defaults(spec, place.id.role, cores, unclean_leader_election), **(user or {})}
    own |= _identity(spec, place, dynamic_quorum, own.pop(advertised.PROPERTY, None))
    own |= _security(spec, place.id.role, authorizer)
    return render(own)


def replication_factor(spec: ClusterSpec) -> int:
    """Default copies of a partition: one for each zone, three at most; in a single zone one for each broker."""
    zones = len({subnet.zone for subnet in spec.subnets})
    return min(3, zones if zones > 1 else len(spec.brokers))


def defaults(spec: ClusterSpec, role: Role, cores: int, unclean: bool) -> Mapping[str, str]:
    """What a node is told where no user said otherwise; a user's properties win over these."""
    copies = replication_factor(spec)
    return {
        **FAILOVER,
        **MSK_DEFAULTS,
        **(FOLLOWING if role is Role.BROKER else {}),
        # Each network thread of a TLS listener costs start-up time, and controllers have little to say (kafka.md 2.1).
        **(threads(spec.instance_type, cores) if role is Role.BROKER else {"num.network.threads": "1"}),
        "num.recovery.threads.per.data.dir": str(cores),
        # On controllers too: they create topics, and with eligible leader replicas their min ISR is the cluster's.
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(_enough(copies)),
        "unclean.leader.election.enable": str(unclean).lower(),
        "allow.everyone.if.no.acl.found": "true",
        # From the zones and not from the brokers, so that more brokers are no reason for a restart.
        "offsets.topic.replication.factor": str(copies),
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(_enough(copies)),
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(_enough(copies)),
    }


def _enough(copies: int) -> int:
    """MSK's min ISR: two of three copies, one of two."""
    return max(1, copies - 1)


def _identity(spec: ClusterSpec, place: NodePlace, dynamic_quorum: bool, named: str | None = None) -> Mapping[str, str]:
    """Who the node is and where it is reached; `named` are names of a user's own for its client listeners."""
    lines = listeners(place, spec.client_broker, spec.dual)
    quorum = (
        {"controller.quorum.bootstrap.servers": quorum_servers(spec.controllers)}
        if dynamic_quorum
        else {"controller.quorum.voters": quorum_voters(spec.controllers)}
    )
    identity = {
        "process.roles": str(place.id.role),
        "node.id": str(place.id.number),
        "log.dirs": VOLUME,
        "listeners": lines.listeners,
        "listener.security.protocol.map": lines.protocols,
        "controller.listener.names": CONTROLLER,
        **quorum,
    }
    if place.id.role is Role.BROKER:
        identity["broker.rack"] = place.subnet.zone
        identity["inter.broker.listener.name"] = REPLICATION
        identity[f"listener.name.{REPLICATION.lower()}.num.network.threads"] = "1"
    if lines.advertised is not None:
        identity["advertised.listeners"] = advertised.replace(lines.advertised, named, place.id.number)
    return identity


def _security(spec: ClusterSpec, role: Role, authorizer: str) -> Mapping[str, str]:
    security = {
        "authorizer.class.name": authorizer,
        "super.users": f"User:{MARK}node;User:{MARK}{PLANE_NAME}",
        "ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
    }
    # A broker's CONTROLLER lines are its client side towards the controllers.
    for inner in (REPLICATION, CONTROLLER) if role is Role.BROKER else (CONTROLLER,):
        prefix = f"listener.name.{inner.lower()}"
        security |= _keystore(inner, INNER_LEAF)
        security[f"{prefix}.ssl.truststore.type"] = "PEM"
        security[f"{prefix}.ssl.truststore.location"] = f"{NODE}/{INNER_CA}"
        security[f"{prefix}.ssl.client.auth"] = "required"
        security[f"{prefix}.ssl.principal.mapping.rules"] = _INNER_NAMES
    for listener in secure(names(role, spec.client_broker, spec.dual)):
        security |= _keystore(listener, CLIENT_LEAF)
        security[f"listener.name.{listener.lower()}.ssl.client.auth"] = "none"
    return security


def keystore_location(listener: str) -> str:
    """The property that names a listener's key store; set anew to the same path, it makes a node read the file."""
    return f"listener.name.{listener.lower()}.ssl.keystore.location"


def _keystore(listener: str, path: str) -> Mapping[str, str]:
    return {
        f"listener.name.{listener.lower()}.ssl.keystore.type": "PEM",
        keystore_location(listener): f"{NODE}/{path}",
    }


def render(properties: Mapping[str, str]) -> bytes:
    """A properties file: sorted by key, Latin-1 with `\\u` escapes for what is not ASCII, one line a property."""
    lines = (f"{_escaped(key, key=True)}={_escaped(value)}\n" for key, value in sorted(properties.items()))
    return "".join(lines).encode("ascii")


_ESCAPES = MappingProxyType({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"})
_AS_IT_IS = re.compile(r"[\w.,/@$^-]+", re.ASCII)
"""A text that needs no escape, as nearly all do."""


def _escaped(text: str, *, key: bool = False) -> str:
    if _AS_IT_IS.fullmatch(text):
        return text
    out = []
    for index, char in enumerate(text):
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif (char == " " and (key or index == 0)) or (key and char in "=:#!"):
            out.append("\\" + char)
        elif " " <= char <= "~":
            out.append(char)
        else:
            units = char.encode("utf-16-be")
            out += [f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)]
    return "".join(out)


_LOG_LEVELS: Mapping[str, str] = MappingProxyType(
    {
        # What Kafka's own configuration sends to files of their own would drown the rest on one stream.
        "kafka.request.logger": "WARN",
        "kafka.network.RequestChannel$": "WARN",
        "state.change.logger": "WARN",
        "org.apache.kafka.storage.internals.log.LogCleaner": "WARN",
        "org.apache.kafka.storage.internals.log.LogCleaner$CleanerThread": "WARN",
    }
)


def log4j2_properties() -> bytes:
    """Logging to standard output in Kafka's usual pattern. Properties: YAML would cost a parser at every start."""
    lines = [
        "name=kafka",
        "status=ERROR",
        "appender.stdout.type=Console",
        "appender.stdout.name=STDOUT",
        "appender.stdout.target=SYSTEM_OUT",
        "appender.stdout.layout.type=PatternLayout",
        "appender.stdout.layout.pattern=[%d] %p %m (%c)%n",
        "rootLogger.level=INFO",
        "rootLogger.appenderRef.stdout.ref=STDOUT",
    ]
    for index, (logger, level) in enumerate(_LOG_LEVELS.items()):
        lines += [f"logger.l{index}.name={logger}", f"logger.l{index}.level={level}"]
    return "".join(f"{line}\n" for line in lines).encode("ascii")
