"""Addresses of nodes: one each from a network that the home owns, or one for all with a port for each listener."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from attrs import define, field

from penstock.compute.base import ComputeError
from penstock.compute.process import loopback
from penstock.compute.process.claims import REGISTRY, Claims
from penstock.compute.process.files import told
from penstock.compute.process.process import program
from penstock.compute.process.run import taken, why_taken
from penstock.model.ids import NodeId
from penstock.model.spec import Endpoint

NETWORKS = tuple(f"127.{second}" for second in range(64, 192))
"""The /16 networks that homes choose from, by their first two numbers."""
SHARED = "127.0.0.1"
SHARED_PORTS = range(21000, 32000)
"""Below Linux's ip_local_port_range (from 32768): an outgoing connection can never sit on one (kafka.md 2.3)."""
BLOCK = 100
"""Ports that a home claims at once, on whatever address they are used."""
ZONES = 4
"""A zone is a /18, a quarter of the home's network."""

Wish = tuple[NodeId, int, Mapping[str, int]]
"""A node, the index of its zone, and the standard port of each listener."""


@define
class Addresses:
    """What a home may give to its nodes.

    Invariant: no two homes of a machine give the same: a network and each block of ports has one owner (`claims.py`), and
    the /64 for IPv6 follows from the network and the home's own token."""

    home: Path
    registry: Path = REGISTRY
    notes: tuple[str, ...] = field(default=(), init=False)
    """Why the last proposal gave no addresses of their own; empty where it did."""

    @property
    def claims(self) -> Claims:
        return Claims(self.home, self.registry)

    def own(self) -> bool:
        """Does this system have loopback aliases? Linux does; macOS knows 127.0.0.1 alone."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((f"{NETWORKS[0]}.255.254", 0))
            except OSError:
                return False
        return True

    def propose(self, nodes: Sequence[Wish], occupied: Iterable[Endpoint]) -> dict[NodeId, Endpoint]:
        """An endpoint for each (node, zone index, standard ports), none of it occupied or held by a stranger."""
        occupied = tuple(occupied)
        why = self._why_shared(nodes)
        self.notes = (why,) if why else ()
        return self.on(SHARED, nodes, occupied) if why else self._aliases(nodes, occupied)

    def propose_ipv6(self, nodes: Sequence[Wish], occupied: Iterable[Endpoint]) -> dict[NodeId, Endpoint]:
        """The same over IPv6. An address is given to the loopback device when its node starts (`give`)."""
        if why := loopback.why_none():
            raise ComputeError(f"{why}; {IPV6_REMEDY}")
        occupied = tuple(occupied)
        standard = sorted({port for _, _, ports in nodes for port in ports.values()})
        # A stranger on the wildcard address has the port of every address, also of those that are not there yet.
        if loopback.why_not() or any(taken(loopback.LOOPBACK, port) for port in standard):
            return self.on(loopback.LOOPBACK, nodes, occupied)
        try:
            network = self.network()
        except NoNetwork:
            return self.on(loopback.LOOPBACK, nodes, occupied)
        used = {endpoint.address for endpoint in occupied}
        found = {}
        for node, zone, ports in nodes:
            free = map(str, addresses6_of(ipv6_network(network, self._token()), zone))
            fit = (each for each in free if each not in used and not any(_held(each, port) for port in ports.values()))
            if (address := next(fit, None)) is None:
                raise ComputeError(f"no IPv6 address is free in zone {zone + 1}; delete clusters that are not needed")
            used.add(address)
            found[node] = Endpoint(address, dict(ports))
        return found

    def on(self, address: str, nodes: Sequence[Wish], occupied: Iterable[Endpoint]) -> dict[NodeId, Endpoint]:
        """A port for each listener on an address that nodes share.

        No port is given twice in a home, on whatever address: Kafka wants those of a node to differ."""
        used = {port for endpoint in occupied for port in endpoint.ports.values()}
        # Each home begins elsewhere, since homes with other registries are not seen.
        blocks = range(SHARED_PORTS[0], SHARED_PORTS[-1] + 1, BLOCK)
        offset = zlib.crc32(os.fsencode(self.home)) % len(blocks)
        names = {
            f"ports-{first}": range(first, first + BLOCK)
            for first in (*blocks[offset:], *blocks[:offset])
            if not used.issuperset(range(first, first + BLOCK))
        }
        candidates = (
            port
            for name in self.claims.ports(tuple(names))
            for port in names[name]
            if port not in used and not taken(address, port)
        )
        found = {}
        for node, _, ports in nodes:
            chosen = {name: next(candidates, 0) for name in ports}
            if 0 in chosen.values():
                raise ComputeError(
                    f"no port from {SHARED_PORTS[0]} to {SHARED_PORTS[-1]} of {address} is free; stop programs or delete clusters"
                )
            found[node] = Endpoint(address, chosen)
        return found

    def give(self, addresses: Iterable[str]) -> None:
        """Those that are the home's own over IPv6 are on the loopback device, also after a restart of the machine."""
        for address in self._ours(addresses):
            if loopback.why_not() is None:
                with told(f"giving the address {address} to the loopback device"):
                    loopback.add(address)

    def take(self, addresses: Iterable[str]) -> None:
        """Those that are the home's own over IPv6 are on the loopback device no more."""
        for address in self._ours(addresses):
            with told(f"taking the address {address} from the loopback device"):
                loopback.remove(address)

    def _why_shared(self, nodes: Sequence[Wish]) -> str | None:
        if not self.own():
            return f"this system has no loopback addresses beside {SHARED}, so all nodes share it and have ports of their own"
        try:
            network = self.network()
        except NoNetwork as error:
            return f"{error}; until then nodes share {SHARED} and have ports of their own"
        for port in sorted({port for _, _, ports in nodes for port in ports.values()}):
            # Nobody is ever given this address, so whoever holds a port of it holds it on the wildcard address.
            if taken(f"{network}.255.254", port):
                return (
                    f"{holder(port)} listens on port {port} of every address, so nodes share {SHARED} and have ports of their own; "
                    "stop that program before creating a cluster if you want MSK's standard ports"
                )
        return None

    def _aliases(self, nodes: Sequence[Wish], occupied: tuple[Endpoint, ...]) -> dict[NodeId, Endpoint]:
        network = self.network()
        used = {endpoint.address for endpoint in occupied}
        found = {}
        for node, zone, ports in nodes:
            for address in addresses_of(network, zone):
                if address not in used and not any(taken(address, port) for port in ports.values()):
                    used.add(address)
                    found[node] = Endpoint(address, dict(ports))
                    break
            else:
                raise ComputeError(
                    f"no address is free in zone {zone + 1} of the network {network}.0.0/16; delete clusters that are not needed"
                )
        return found

    def network(self) -> str:
        """The first two numbers of the home's /16; claimed now if it has none that is still its own. Raises NoNetwork."""
        if network := self.claims.network(NETWORKS):
            return network
        raise NoNetwork(
            f"all {len(NETWORKS)} loopback networks are claimed by homes of this machine; delete claims of unused homes in {self.registry}"
        )

    def release(self) -> None:
        """Give all that the home holds back to the machine; nothing where it holds nothing."""
        token, network = self.claims.token(), self.claims.noted()
        if token and network and loopback.why_none() is None:
            own = ipv6_network(network, token)
            self.take(address for address in loopback.present() if ipaddress.IPv6Address(address) in own)
        self.claims.release()

    def _token(self) -> str:
        token = self.claims.token()
        if token is None:
            raise ComputeError(f"{self.home} has claimed no network in {self.registry}; look into that folder")
        return token

    def _ours(self, addresses: Iterable[str]) -> Sequence[str]:
        """Those among them that only this home gives to nodes."""
        if (token := self.claims.token()) is None:
            return ()
        whole = ipv6_home(token)
        return [address for address in addresses if ":" in address and ipaddress.IPv6Address(address) in whole]


class NoNetwork(ComputeError):
    """Every /16 is claimed."""


IPV6_REMEDY = "run `sysctl -w net.ipv6.conf.lo.disable_ipv6=0`, or give the container IPv6"


def why_not_here(address: str) -> str | None:
    """Why nodes cannot share this address and be reached there, a clause; None where they can."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "it is no IP address: names are not looked up here"
    if parsed.is_unspecified or parsed.is_multicast:
        return "clients cannot be told to connect to it"
    if parsed.version == 6 and parsed.is_link_local:
        return "it means another machine on every network: take one that is not link-local"
    error = why_taken(address, 0)
    return None if error is None else f"this machine does not have it ({error.strerror})"


def ipv6_home(token: str) -> ipaddress.IPv6Network:
    """The /48 of a home: a unique local prefix (RFC 4193) whose 40 random bits are those of its token."""
    return ipaddress.IPv6Network(f"fd{token[:2]}:{token[2:6]}:{token[6:10]}::/48")


def ipv6_network(network: str, token: str) -> ipaddress.IPv6Network:
    """The /64 that goes with a home's /16: in two homes that have the same token, one being a copy, it is another."""
    low = int(ipv6_home(token).network_address) + (int(network.rpartition(".")[2]) << 64)
    return ipaddress.IPv6Network((low, 64))


def addresses6_of(network: ipaddress.IPv6Network, zone: int) -> Iterator[ipaddress.IPv6Address]:
    """Every address of a zone that a node may have over IPv6."""
    low = int(network.network_address) + (zone % ZONES + 1 << 16)
    return (ipaddress.IPv6Address(low + number) for number in range(1, 1 << 16))


def _held(address: str, port: int) -> bool:
    """Does somebody listen there? An address that is not there yet is nobody's."""
    error = why_taken(address, port)
    return error is not None and error.errno == errno.EADDRINUSE


def addresses_of(network: str, zone: int) -> Iterator[str]:
    """Every address of a zone that a node may have: none ends in .0 or .255, so none looks like a network or a broadcast."""
    low = int(ipaddress.IPv4Address(f"{network}.{zone % ZONES * 64}.0"))
    for number in range(low, low + (1 << 14)):
        if number & 0xFF not in (0, 0xFF) and number & 0xFFFF != 0xFFFE:
            yield str(ipaddress.IPv4Address(number))


def holder(port: int, address: str | None = None) -> str:
    """`pid 4242 (java)`: who listens on a port (of an address or of the wildcard), as far as this user may see."""
    wildcards = ("0.0.0.0", "::", "*")  # noqa: S104 - looked for, not bound
    try:
        for connection in psutil.net_connections(kind="tcp"):
            here = connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
            if here and connection.pid and (connection.laddr.ip in wildcards or connection.laddr.ip == address):
                return program(connection.pid)
    except psutil.Error:
        return "another program"
    return "another program"
