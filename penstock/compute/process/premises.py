"""What nodes would find on this machine: addresses, ports, volumes. Looked at; nothing is made or claimed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

from penstock.compute.process import loopback
from penstock.compute.process.addresses import IPV6_REMEDY, NETWORKS, SHARED_PORTS, Addresses, holder, why_not_here
from penstock.compute.process.files import read_object
from penstock.compute.process.filesystem import why_not
from penstock.compute.process.gauge import Laid, census, uses
from penstock.compute.process.home import Home
from penstock.compute.process.records import Records
from penstock.compute.process.run import taken
from penstock.compute.process.volumes import chosen
from penstock.model.volume import VolumeKind, VolumeUse


@frozen
class Premises:
    """One look at the machine, for one home."""

    own_addresses: bool
    """Does the system have loopback aliases?"""
    noted: str | None
    """First two numbers of the /16 that the home has written down; None before its first create."""
    ours: bool
    """Does the machine's registry still say that this network is the home's?"""
    claimed: int
    """How many of the `networks` are claimed by homes of this machine, abandoned ones included."""
    networks: int
    strangers: Mapping[int, str]
    """Asked port -> who listens on it on every address, which keeps all nodes from it."""
    shared_ports: range
    """The ports that nodes get where they share one address."""
    no_shared_address: str | None
    """Why nodes cannot listen on the shared address that was asked about, a clause; None where they can, or none was."""
    no_ipv6: str | None
    """Why brokers cannot listen on IPv6, a clause; None where they can."""
    no_own_ipv6: str | None
    """Why they would share `::1` then, a clause; None where each would have an address of its own."""
    ipv6_remedy: str
    """What to do for IPv6 where there is none."""
    real_volumes: bool
    """Would a new volume be a filesystem of its size?"""
    volume_note: str | None
    """What there is to know about that: a clause."""
    no_filesystems: str | None
    """Why volumes cannot be filesystems here at all, a clause; None where they can."""
    volumes: tuple[Laid, ...]
    """The volumes of the home, by kind."""
    uses: tuple[tuple[str, VolumeUse], ...]
    """How full each of them is that can be looked at: `broker 1 of <cluster>`."""


def look(
    home: Path,
    registry: Path,
    ports: Iterable[int],
    volumes: VolumeKind | None = VolumeKind.DIRECTORY,
    shared: str | None = None,
) -> Premises:
    """The premises of a home that need not exist; `shared` is the address that its nodes are to share for clients."""
    addresses = Addresses(home, registry)
    noted = read_object(home / "network.json")
    network = str(noted["network"]) if noted.get("network") in NETWORKS else None
    claim = read_object(registry / network) if network else {}
    # Nobody is ever given this address, so whoever holds a port of it holds it on the wildcard address.
    probe = f"{network or NETWORKS[0]}.255.254"
    own = addresses.own()
    kind, note = chosen(volumes)
    return Premises(
        own_addresses=own,
        noted=network,
        ours=(claim.get("home"), claim.get("token")) == (str(home), noted.get("claim")),
        claimed=sum((registry / each).exists() for each in NETWORKS),
        networks=len(NETWORKS),
        strangers={port: holder(port) for port in ports if own and taken(probe, port)},
        shared_ports=SHARED_PORTS,
        no_shared_address=why_not_here(shared) if shared is not None else None,
        no_ipv6=loopback.why_none(),
        no_own_ipv6=loopback.why_not(),
        ipv6_remedy=IPV6_REMEDY,
        real_volumes=kind is VolumeKind.FILESYSTEM,
        volume_note=note,
        no_filesystems=why_not(),
        volumes=tuple(census(Home(home))),
        uses=tuple(uses(Home(home), Records().object)),
    )
