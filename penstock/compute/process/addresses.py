"""Addresses of nodes: one each from a /16 that the home owns, or one for all with a port for each listener."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import json
import os
import socket
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_hex

import psutil
from attrs import define, field

from penstock.compute.base import ComputeError
from penstock.compute.process.files import told, write
from penstock.compute.process.process import program
from penstock.compute.process.run import taken
from penstock.model.ids import NodeId
from penstock.model.spec import Endpoint

REGISTRY = Path("/var/tmp/penstock-networks")  # noqa: S108 - shared by all users of the machine on purpose
NETWORKS = tuple(f"127.{second}" for second in range(64, 192))
"""The /16 networks that homes choose from, by their first two numbers."""
SHARED = "127.0.0.1"
SHARED_PORTS = range(21000, 32000)
"""Below Linux's ip_local_port_range (from 32768): an outgoing connection can never sit on one (kafka.md 2.3)."""
ZONES = 4
"""A zone is a /18, a quarter of the home's network."""
PATIENCE_SECONDS = 5.0


@define
class Addresses:
    """What a home may give to its nodes.

    Invariant: a network belongs to one home at a time: a claim file in the machine's registry holds the home's path and
    a token, and `network.json` in the home holds the same token; a claim whose home does not say so is stale."""

    home: Path
    registry: Path = REGISTRY
    notes: tuple[str, ...] = field(default=(), init=False)
    """Why the last proposal gave no addresses of their own; empty where it did."""

    def own(self) -> bool:
        """Does this system have loopback aliases? Linux does; macOS knows 127.0.0.1 alone."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((f"{NETWORKS[0]}.255.254", 0))
            except OSError:
                return False
        return True

    def propose(
        self, nodes: Sequence[tuple[NodeId, int, Mapping[str, int]]], occupied: Iterable[Endpoint]
    ) -> dict[NodeId, Endpoint]:
        """An endpoint for each (node, zone index, standard ports), none of it occupied or held by a stranger."""
        occupied = tuple(occupied)
        why = self._why_shared(nodes)
        self.notes = (why,) if why else ()
        return self._shared(nodes, occupied) if why else self._aliases(nodes, occupied)

    def _why_shared(self, nodes: Sequence[tuple[NodeId, int, Mapping[str, int]]]) -> str | None:
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

    def _aliases(
        self, nodes: Sequence[tuple[NodeId, int, Mapping[str, int]]], occupied: tuple[Endpoint, ...]
    ) -> dict[NodeId, Endpoint]:
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

    def _shared(
        self, nodes: Sequence[tuple[NodeId, int, Mapping[str, int]]], occupied: tuple[Endpoint, ...]
    ) -> dict[NodeId, Endpoint]:
        used = {port for endpoint in occupied if endpoint.address == SHARED for port in endpoint.ports.values()}
        # Each home begins elsewhere, so that two homes that propose at the same time do not choose the same ports.
        offset = zlib.crc32(os.fsencode(self.home)) % len(SHARED_PORTS)
        candidates = (
            port
            for port in (*SHARED_PORTS[offset:], *SHARED_PORTS[:offset])
            if port not in used and not taken(SHARED, port)
        )
        found = {}
        for node, _, ports in nodes:
            chosen = {name: next(candidates, 0) for name in ports}
            if 0 in chosen.values():
                raise ComputeError(
                    f"no port from {SHARED_PORTS[0]} to {SHARED_PORTS[-1]} of {SHARED} is free; stop programs or delete clusters"
                )
            found[node] = Endpoint(SHARED, chosen)
        return found

    def network(self) -> str:
        """The first two numbers of the home's /16; claimed now if it has none that is still its own. Raises NoNetwork."""
        with told(f"claiming a network in {self.registry}"), self._registry_lock():
            record = _read(self.home / "network.json")
            network, token = str(record.get("network", "")), str(record.get("claim", "")) or token_hex(8)
            order = sorted(NETWORKS, key=lambda candidate: candidate != network)
            for candidate in order:
                claim = _read(self.registry / candidate)
                if claim.get("token") == token and claim.get("home") == str(self.home):
                    if candidate != network:
                        self._note(candidate, token)
                    return candidate
                if self._free(candidate, claim) and self._claim(candidate, token):
                    return candidate
        raise NoNetwork(
            f"all {len(NETWORKS)} loopback networks are claimed by homes of this machine; delete claims of unused homes in {self.registry}"
        )

    def release(self) -> None:
        """Give the home's network back to the machine; nothing where it has none."""
        record = _read(self.home / "network.json")
        if not record:
            return
        with told(f"giving a network back to {self.registry}"), self._registry_lock():
            path = self.registry / str(record.get("network"))
            claim = _read(path)
            if claim.get("token") == record.get("claim") and claim.get("home") == str(self.home):
                path.unlink()

    def _claim(self, network: str, token: str) -> bool:
        path = self.registry / network
        try:
            write(path, json.dumps({"home": str(self.home), "token": token}).encode(), durable=True)
        except PermissionError:
            return False  # another user's stale claim in a sticky directory: only its owner may replace it
        self._note(network, token)
        return True

    def _note(self, network: str, token: str) -> None:
        write(self.home / "network.json", json.dumps({"network": network, "claim": token}).encode(), durable=True)

    def _free(self, network: str, claim: Mapping[str, object]) -> bool:
        if not os.path.lexists(self.registry / network):
            return True
        if not claim:
            return False  # unreadable: not proved stale
        home = Path(str(claim.get("home")))
        try:
            theirs = json.loads((home / "network.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return True
        except OSError:
            return False  # another user's home that we may not look into
        return (theirs.get("network"), theirs.get("claim")) != (network, claim.get("token"))

    def _registry_lock(self) -> _Lock:
        return _Lock(self.registry)


class NoNetwork(ComputeError):
    """Every /16 is claimed."""


@define
class _Lock:
    """The machine-wide lock on the registry, held for milliseconds; any user may take it."""

    registry: Path
    _held: int = field(default=-1, init=False)

    def __enter__(self) -> None:
        try:
            self.registry.mkdir(parents=True)
            self.registry.chmod(0o1777)
        except FileExistsError:
            if self.registry.is_symlink():
                raise ComputeError(
                    f"{self.registry} is a symbolic link, which anybody could have put there; remove it"
                ) from None
        path = self.registry / "lock"
        try:
            # Without O_CREAT first: Linux refuses it for another user's file in a sticky directory (fs.protected_regular).
            self._held = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            self._held = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno != errno.EWOULDBLOCK or time.monotonic() > until:
                    os.close(self._held)
                    raise ComputeError(
                        f"the lock {path} is held by another process for {PATIENCE_SECONDS:.0f} s; look who holds it and end it"
                    ) from error
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        os.close(self._held)


def _read(path: Path) -> Mapping[str, object]:
    """A JSON object, or an empty one where there is none that can be read."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


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
