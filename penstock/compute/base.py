"""The Compute protocol: the only way to know of nodes and to change them.

Every verb is idempotent. `fence` is the term of the control plane that speaks: a provider refuses an older one
(`StaleFence`). There is no attach step: `sightings` reads the world each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from attrs import frozen

from penstock.model.action import How
from penstock.model.ids import ClusterId, NodeId
from penstock.model.node import NodeSpec
from penstock.model.observation import Observed, Sighting
from penstock.model.quarantine import Quarantined
from penstock.model.spec import Endpoint


class ComputeError(Exception):
    """A provider could not do what it was asked. The text is a sentence: what, why, what to do."""


class StaleFence(ComputeError):
    """A control plane with a newer term has spoken to this node; the caller is not in charge any more."""


@frozen
class Capabilities:
    """What a provider can and cannot do here; `doctor` and `explain` say it in words."""

    own_addresses: bool
    """Each node has an address of its own, so that brokers keep MSK's standard ports."""
    unprivileged: bool
    """Nodes run as another user than the control plane."""
    real_volumes: bool = False
    """A new volume is a filesystem of its size; else a directory that is watched, and a note says why."""
    grows_in_use: bool = True
    """A new volume grows while its node runs; else `grow` raises and the next start of the node makes it larger."""
    no_ipv6: str | None = None
    """Why brokers cannot listen on IPv6 here, and what to do about it: a sentence. None where they can."""
    notes: tuple[str, ...] = ()


@frozen
class IssuedLeaf:
    """PEM of an issued leaf: key and chain in one file."""

    path: str
    content: bytes


class Compute(Protocol):
    """Where nodes run."""

    @property
    def capabilities(self) -> Capabilities: ...

    def sightings(self, cluster: ClusterId) -> Mapping[NodeId, Observed[Sighting]]:
        """Every node labelled with the cluster, and what is known of it. Cheap: no network, no waiting."""

    def clusters(self) -> Sequence[ClusterId]:
        """Every cluster that some node, directory or volume here is labelled with: strays are visible."""

    def propose(
        self,
        nodes: Sequence[tuple[NodeId, int, Mapping[str, int]]],
        taken: Iterable[Endpoint],
        *,
        ipv6: bool = False,
        shared: str | None = None,
    ) -> Mapping[NodeId, Endpoint]:
        """Endpoints for nodes, given (node, index of its zone, standard port of each listener) and those already written down.

        Each at an address of the node's own where there are such, over IPv6 with `ipv6`; with `shared` all on that address
        of this machine, with a port of its own for each listener. Free at the time of asking; the caller writes them down
        before the first start that uses them."""

    def start(self, node: NodeSpec, leaves: Sequence[IssuedLeaf], fence: int, *, background: bool = False) -> None:
        """Volume (made and formatted if there is none, checked if there is one), files, leaves, process. Nothing if it runs.

        Returns once the process exists; in the background it gives way to other nodes until `foreground`, where the machine
        can do that. Raises ComputeError."""

    def foreground(self, node: NodeId, fence: int) -> None:
        """The node has its share of the CPUs; nothing where it has, or does not run. Raises ComputeError."""

    def write(self, node: NodeSpec, leaves: Sequence[IssuedLeaf], fence: int) -> None:
        """Replace LIVE files and the given leaves of a running node, atomically each."""

    def grow(self, node: NodeSpec, fence: int) -> None:
        """The node's volume has at least `resources.volume_gib`: grown while the node runs, satisfied where it is larger.

        Never smaller. The volume of a node that does not run grows at its next start, without this call too. Raises
        ComputeError, also where the machine cannot do it while the node runs."""

    def ballast(self, node: NodeId, fence: int, *, held: bool) -> None:
        """The node's volume holds `VolumeUse.ballast_due` more bytes of ballast (`held`), or none. A fresh volume has its own."""

    def stop(self, node: NodeId, how: How, fence: int) -> None:
        """Ask the process to end (GRACEFUL returns at once, the end is seen later) or end it (the others return when it is dead).

        A run that was ended AS_FUTILE is seen like one that ended by itself soon after its start."""

    def remove(self, node: NodeId, fence: int, *, keep: bool = False) -> str | None:
        """Process, directory, volume. A volume whose label does not match goes to quarantine, and with `keep` any does: the
        node has left its cluster, empty. Its new place is returned."""

    def path(self, node: NodeId, name: str) -> str:
        """The real path of a file of the node, as the node itself sees it."""

    def quarantined(self, cluster: ClusterId | None = None, *, measured: bool = False) -> Sequence[Quarantined]:
        """Volumes that were put aside, out of places of the cluster or of all nodes, oldest first; `measured`: with what each
        takes on its disk. Only looks. RETIRED is said of what is proved to be the retired node's own, and of nothing else."""

    def discard(self, name: str) -> None:
        """Delete one of them, for good; nothing where there is none of that name. One that is cut off is seen as REMOVED
        until the next finishes it. No fence: what lies there is in nobody's use."""

    def tail(self, node: NodeId, lines: int) -> Sequence[str]:
        """The last lines of the node's own log; empty where there is none."""

    def watch(self, wake: Callable[[ClusterId], None]) -> None:
        """From now on call `wake` (from any thread) when a process ends or a node's `ready_line` appears."""

    def close(self) -> None:
        """Stop watching. Nodes go on running."""
