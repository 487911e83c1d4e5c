"""A node as a provider gets it: whole. A provider knows nothing of Kafka, the planner nothing of pids."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from penstock.model.ids import NodeId
from penstock.model.spec import Endpoint

NODE = "@node@"
"""Stands in commands and files for the node's own directory; the provider puts the real path there."""
VOLUME = "@volume@"
"""Stands for the directory of the node's volume."""


class Applies(StrEnum):
    """When a change of a file takes effect."""

    START = "start"
    """Only a restart applies it."""
    LIVE = "live"
    """Replaceable while the node runs."""
    FORMAT = "format"
    """Written into the volume once, when the volume is made; never again."""


@frozen
class File:
    """A file of a node: a path relative to the node's directory (or to its volume, for FORMAT), content, and when it applies."""

    path: str
    content: bytes = field(repr=False)
    applies: Applies = Applies.START
    secret: bool = False
    """Readable by the node's user alone; never printed."""


class Issuer(StrEnum):
    """Which authority signs a leaf certificate."""

    HOME = "home"
    """Client listeners: the CA of the home, which users trust."""
    CLUSTER = "cluster"
    """Inner listeners: the CA of this cluster alone."""


@frozen
class Leaf:
    """A leaf certificate that the node needs: key and chain in one PEM file, issued when it is applied.

    Not part of a digest: a fresh leaf is no change of configuration."""

    path: str
    issuer: Issuer
    common_name: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    days: int
    applies: Applies = Applies.START
    """START: written fresh before every start. LIVE: also renewed while the node runs."""


@frozen
class Resources:
    """What a node may use. `volume_gib` is reported and watched; `files` is the open-files limit."""

    memory_mib: int
    volume_gib: int
    files: int = 100_000


@frozen
class NodeSpec:
    """Everything a provider needs to run one node.

    Invariant: equal `revision` means that no restart is wanted, whatever Penstock renders today; `start` and `live` are
    digests of what is rendered, so a difference under an equal revision is pending maintenance and never drift."""

    id: NodeId
    zone: str
    command: tuple[str, ...]
    files: tuple[File, ...]
    leaves: tuple[Leaf, ...]
    address: str
    ports: Mapping[str, int]
    incarnation: str
    """The volume's identity with (cluster, node): another one in that place is quarantined, never used."""
    resources: Resources
    revision: str
    """Digest of the desired facts that only a restart applies."""
    beside: tuple[Endpoint, ...] = ()
    """Where else it listens than at `address` with `ports`. No listener is at two places."""
    environment: Mapping[str, str] = field(factory=dict)
    ready_line: str = ""
    """A text in the node's output after which it is worth looking again; a hint, never a proof."""

    @property
    def sockets(self) -> Mapping[str, tuple[str, int]]:
        """Address and port of each listener."""
        places = (Endpoint(self.address, self.ports), *self.beside)
        return {name: (place.address, port) for place in places for name, port in place.ports.items()}

    @property
    def start(self) -> str:
        """Digest of what is rendered and only a restart applies."""
        parts = [self.command, sorted(self.environment.items())]
        parts += [(f.path, hashlib.sha256(f.content).hexdigest()) for f in self.files if f.applies is Applies.START]
        return digest(parts)

    @property
    def live(self) -> str:
        """Digest of what is rendered and replaceable while the node runs."""
        return digest(
            [(f.path, hashlib.sha256(f.content).hexdigest()) for f in self.files if f.applies is Applies.LIVE]
        )


def digest(value: object) -> str:
    """16 hexadecimal digits of SHA-256 over the value's canonical JSON; for comparing, not for secrecy."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
