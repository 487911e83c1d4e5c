"""Listeners of brokers and controllers: names, standard ports, and the values that server.properties takes from them.

Invariant: every cluster has the two inner listeners, whatever clients use: `REPLICATION_SECURE` on brokers (also the
control plane's way in) and `CONTROLLER` on controllers, both mutual TLS. Client listeners carry MSK's names and ports
(msk.md 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType

from attrs import frozen

from penstock.model.ids import Role
from penstock.model.spec import ClientBroker, Endpoint, NodePlace

REPLICATION = "REPLICATION_SECURE"
CONTROLLER = "CONTROLLER"
CLIENT = "CLIENT"
CLIENT_SECURE = "CLIENT_SECURE"

STANDARD_PORTS: Mapping[str, int] = MappingProxyType(
    {CLIENT: 9092, REPLICATION: 9093, CLIENT_SECURE: 9094, CONTROLLER: 9093}
)
"""Port of each listener where the node has an address of its own."""

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {CONTROLLER: "SSL", REPLICATION: "SSL", CLIENT: "PLAINTEXT", CLIENT_SECURE: "SSL"}
)
"""Kafka's security protocol of each listener."""

BOOTSTRAP_BROKERS = 3


def names(role: Role, client_broker: ClientBroker) -> tuple[str, ...]:
    """The listeners of a node, the inner one first."""
    return (CONTROLLER,) if role is Role.CONTROLLER else (REPLICATION, *client_broker.listeners)


def standard_ports(role: Role, client_broker: ClientBroker) -> Mapping[str, int]:
    """The standard port of each listener of a node: what `Compute.propose` is asked for."""
    return {name: STANDARD_PORTS[name] for name in names(role, client_broker)}


@frozen
class Listeners:
    """Values of the three listener lines of server.properties; `advertised` is None where there is no such line."""

    listeners: str
    advertised: str | None
    protocols: str


def listeners(role: Role, client_broker: ClientBroker, endpoint: Endpoint) -> Listeners:
    """The listener lines of a node that listens on `endpoint`. KeyError where the endpoint lacks a listener's port."""
    own = names(role, client_broker)
    bound = ",".join(f"{name}://{host_port(endpoint.address, endpoint.ports[name])}" for name in own)
    # A broker has no CONTROLLER listener, but needs its protocol to reach the controllers.
    mapped = ",".join(f"{name}:{PROTOCOLS[name]}" for name in dict.fromkeys((CONTROLLER, *own)))
    return Listeners(bound, bound if role is Role.BROKER else None, mapped)


def quorum_servers(controllers: Iterable[NodePlace]) -> str:
    """The value of `controller.quorum.bootstrap.servers`: every controller that has an endpoint, in order of number."""
    return ",".join(host_port(*_of(place, CONTROLLER)) for place in _placed(controllers, CONTROLLER))


def quorum_voters(controllers: Iterable[NodePlace]) -> str:
    """The value of `controller.quorum.voters`, for static quorums (Kafka before 4.1)."""
    return ",".join(
        f"{place.id.number}@{host_port(*_of(place, CONTROLLER))}" for place in _placed(controllers, CONTROLLER)
    )


def bootstrap_string(brokers: Iterable[NodePlace], listener: str) -> str:
    """`address:port` of at most three brokers, spread over the zones; empty where no broker has that listener.

    Stable: the lowest numbers of each zone are taken, so adding brokers leaves the string as it is (msk.md 4.2)."""
    zones: dict[str, list[NodePlace]] = {}
    for place in _placed(brokers, listener):
        zones.setdefault(place.subnet.zone, []).append(place)
    rounds = zip_longest(*zones.values())
    chosen = [place for places in rounds for place in places if place is not None][:BOOTSTRAP_BROKERS]
    return ",".join(host_port(*_of(place, listener)) for place in sorted(chosen, key=lambda p: p.id.number))


def host_port(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _placed(places: Iterable[NodePlace], listener: str) -> Sequence[NodePlace]:
    having = [place for place in places if place.endpoint is not None and listener in place.endpoint.ports]
    return sorted(having, key=lambda place: place.id.number)


def _of(place: NodePlace, listener: str) -> tuple[str, int]:
    if place.endpoint is None:
        raise ValueError(f"{place.id} has no address yet; propose and write down its endpoint first")
    return place.endpoint.address, place.endpoint.ports[listener]
