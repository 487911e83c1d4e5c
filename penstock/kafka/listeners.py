"""Listeners of brokers and controllers: names, standard ports, and the values that server.properties takes from them.

Invariant: every cluster has the two inner listeners, whatever clients use: `REPLICATION_SECURE` on brokers (also the
control plane's way in) and `CONTROLLER` on controllers, both mutual TLS. Client listeners carry MSK's names and ports
(msk.md 4.1); how MSK names those over IPv6 is not published, their ports are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType

from attrs import frozen

from penstock.model.ids import Role
from penstock.model.spec import ClientBroker, NodePlace

REPLICATION = "REPLICATION_SECURE"
CONTROLLER = "CONTROLLER"
CLIENT = "CLIENT"
CLIENT_SECURE = "CLIENT_SECURE"
CLIENT_IPV6 = "CLIENT_IPV6"
CLIENT_SECURE_IPV6 = "CLIENT_SECURE_IPV6"

STANDARD_PORTS: Mapping[str, int] = MappingProxyType(
    {
        CLIENT: 9092,
        REPLICATION: 9093,
        CLIENT_SECURE: 9094,
        CONTROLLER: 9093,
        CLIENT_IPV6: 20092,
        CLIENT_SECURE_IPV6: 20094,
    }
)
"""Port of each listener where the node has an address of its own."""

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {
        CONTROLLER: "SSL",
        REPLICATION: "SSL",
        CLIENT: "PLAINTEXT",
        CLIENT_SECURE: "SSL",
        CLIENT_IPV6: "PLAINTEXT",
        CLIENT_SECURE_IPV6: "SSL",
    }
)
"""Kafka's security protocol of each listener."""

BOOTSTRAP_BROKERS = 3


def names(role: Role, client_broker: ClientBroker, dual: bool = False) -> tuple[str, ...]:
    """The listeners of a node, the inner one first, those over IPv6 last."""
    if role is Role.CONTROLLER:
        return (CONTROLLER,)
    return (REPLICATION, *client_broker.listeners, *(ipv6_ports(client_broker) if dual else ()))


def secure(listeners: Iterable[str]) -> tuple[str, ...]:
    """Those of them that show the certificate for clients."""
    return tuple(name for name in listeners if name in (CLIENT_SECURE, CLIENT_SECURE_IPV6))


def standard_ports(role: Role, client_broker: ClientBroker) -> Mapping[str, int]:
    """The standard port of each listener at the node's own address: what `Compute.propose` is asked for."""
    return {name: STANDARD_PORTS[name] for name in names(role, client_broker)}


def client_ports(client_broker: ClientBroker) -> Mapping[str, int]:
    """The standard ports of the listeners for clients."""
    return {name: STANDARD_PORTS[name] for name in client_broker.listeners}


def ipv6_ports(client_broker: ClientBroker) -> Mapping[str, int]:
    """The standard ports of the same listeners over IPv6."""
    return {over_ipv6(name): STANDARD_PORTS[over_ipv6(name)] for name in client_broker.listeners}


def over_ipv6(listener: str) -> str:
    """The listener over IPv6 that belongs to one for clients."""
    return f"{listener}_IPV6"


@frozen
class Listeners:
    """Values of the three listener lines of server.properties; `advertised` is None where there is no such line."""

    listeners: str
    advertised: str | None
    protocols: str


def listeners(place: NodePlace, client_broker: ClientBroker, dual: bool = False) -> Listeners:
    """The listener lines of a node. ValueError where no endpoint is written down for one of them."""
    role, own = place.id.role, names(place.id.role, client_broker, dual)
    bound = ",".join(f"{name}://{host_port(*_of(place, name))}" for name in own)
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
    return sorted((place for place in places if place.at(listener)), key=lambda place: place.id.number)


def _of(place: NodePlace, listener: str) -> tuple[str, int]:
    found = place.at(listener)
    if found is None:
        raise ValueError(f"{place.id} has no address yet for {listener}; propose and write down its endpoint first")
    return found
