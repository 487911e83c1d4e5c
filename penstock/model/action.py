"""What can be done: each action is complete, and is carried out without choices."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import frozen

from penstock.model.ids import NodeId
from penstock.model.node import NodeSpec
from penstock.model.rebalance import Key, Move, Throttled


@frozen
class Start:
    """Make the node run as specified: volume, files, certificates, process. Nothing where it runs already."""

    node: NodeSpec
    background: bool = False
    """It gives way to the nodes that serve, until `Foreground`."""

    @property
    def target(self) -> NodeId:
        return self.node.id

    def __str__(self) -> str:
        return f"start {self.node.id}{' in the background' if self.background else ''}"


@frozen
class Foreground:
    """Let a node that was started in the background have its share of the CPUs."""

    target: NodeId

    def __str__(self) -> str:
        return f"give {self.target} its share of the CPUs"


class How(StrEnum):
    """How a process is ended."""

    GRACEFUL = "gracefully"
    """The stop signal; leaders leave first."""
    AT_ONCE = "at once"
    """SIGKILL: for what does no work, and for what will not be needed again."""
    AS_FUTILE = "as futile"
    """SIGKILL for a run that never came to serve. It counts like one that ended by itself soon after its start."""


@frozen
class Stop:
    """End the node's process. Its volume and directory stay."""

    target: NodeId
    how: How = How.GRACEFUL

    def __str__(self) -> str:
        return f"stop {self.target} {self.how}"


@frozen
class Unregister:
    """Tell the controllers that a broker that is proved dead is gone, so that it can register again at once."""

    target: NodeId
    via: tuple[NodeId, ...]
    """Live brokers to ask, in order."""

    def __str__(self) -> str:
        return f"unregister {self.target}"


@frozen
class Rehouse:
    """Give a node that has lost its volume another storage identity: written down, so that its next start makes a fresh one."""

    target: NodeId
    directory: str

    def __str__(self) -> str:
        return f"give {self.target} a new volume"


@frozen
class RemoveVoter:
    """Count a controller that has lost its volume no more among the voters of the metadata quorum."""

    target: NodeId
    directory: str
    """Of the lost volume: a voter on another one stays."""

    def __str__(self) -> str:
        return f"take the vote of {self.target}'s lost volume away"


@frozen
class AddVoter:
    """Count a running controller that has the metadata among the voters."""

    target: NodeId
    directory: str
    """Of the volume that it runs on."""
    listeners: Mapping[str, tuple[str, int]]
    """Name -> (address, port), where the other controllers reach it."""

    def __str__(self) -> str:
        return f"give {self.target} a vote"


@frozen
class Renew:
    """Write fresh leaves of the LIVE kind and have the running node read them; no restart."""

    node: NodeSpec
    paths: tuple[str, ...]

    @property
    def target(self) -> NodeId:
        return self.node.id

    def __str__(self) -> str:
        return f"renew {', '.join(self.paths)} of {self.node.id}"


@frozen
class Grow:
    """Give the running node's volume the size that is wanted."""

    node: NodeSpec

    @property
    def target(self) -> NodeId:
        return self.node.id

    def __str__(self) -> str:
        return f"grow the volume of {self.node.id} to {self.node.resources.volume_gib} GiB"


@frozen
class Ballast:
    """Lay ballast into the node's volume (`held`), or delete it so that there is room."""

    target: NodeId
    held: bool

    def __str__(self) -> str:
        return f"{'lay ballast into' if self.held else 'delete the ballast in'} the volume of {self.target}"


@frozen
class Configure:
    """Set dynamic properties of all brokers."""

    target: NodeId
    """The broker that stands for all of them."""
    values: Mapping[str, str]

    def __str__(self) -> str:
        return f"set {', '.join(f'{name}={value}' for name, value in self.values.items())}"


@frozen
class Reassign:
    """Order other replicas for some partitions; Kafka copies them in its own time."""

    target: NodeId
    """The broker that stands for all of them."""
    moves: tuple[Move, ...]

    def __str__(self) -> str:
        return (
            f"move {len(self.moves)} partitions ({self.moves[0].why})"
            if len(self.moves) == 1
            else f"move {len(self.moves)} partitions"
        )


@frozen
class Cancel:
    """Take reassignments back: the old replicas stay."""

    target: NodeId
    """The broker that stands for all of them."""
    partitions: tuple[Key, ...]

    def __str__(self) -> str:
        names = ", ".join(f"{topic}-{index}" for topic, index in self.partitions[:3])
        return f"take back {len(self.partitions)} moves ({names}{', …' if len(self.partitions) > 3 else ''})"


@frozen
class Limit:
    """Let each broker spend so many bytes a second, each way, on throttled replicas; None: as many as it can."""

    target: NodeId
    """The broker that stands for all of them."""
    rate: int | None

    def __str__(self) -> str:
        much = "as fast as it can" if self.rate is None else f"{self.rate / 2**20:.1f} MiB a second"
        return f"let each broker copy {much}"


@frozen
class Throttle:
    """Set which replicas of topics are throttled, in place of those before; None lifts a topic's throttle."""

    target: NodeId
    """The broker that stands for all of them."""
    topics: Mapping[str, Throttled | None]

    def __str__(self) -> str:
        lifted = sum(wanted is None for wanted in self.topics.values())
        told = [(len(self.topics) - lifted, "throttle moving replicas of"), (lifted, "lift the throttle of")]
        return " and ".join(f"{what} {count} topic{'' if count == 1 else 's'}" for count, what in told if count)


@frozen
class MakeCanary:
    """Make the topic that produce latency is measured with."""

    target: NodeId
    """The broker that stands for all of them."""
    placed: tuple[tuple[int, ...], ...]
    """Brokers of each partition, its leader first."""

    def __str__(self) -> str:
        return "make the canary's topic"


@frozen
class Cordon:
    """Close a broker to new replicas, or open it again."""

    target: NodeId
    closed: bool

    def __str__(self) -> str:
        return f"{'close' if self.closed else 'open'} {self.target} {'to' if self.closed else 'for'} new replicas"


@frozen
class Retire:
    """Write down that an emptied and ended broker is no part of the cluster any more."""

    target: NodeId

    def __str__(self) -> str:
        return f"retire {self.target}"


@frozen
class Lead:
    """Elect the preferred leaders of all partitions."""

    target: NodeId
    """The broker that is asked to do it."""

    def __str__(self) -> str:
        return "elect preferred leaders"


@frozen
class Remove:
    """Take away the node: process, directory, endpoint; the volume goes too, or to quarantine where its owner is in doubt."""

    target: NodeId
    keep: bool = False
    """The volume goes to quarantine in any case."""

    def __str__(self) -> str:
        return f"remove {self.target}"


@frozen
class Discard:
    """Delete for good what the node left in quarantine."""

    target: NodeId
    name: str
    """Of the quarantined volume."""

    def __str__(self) -> str:
        return f"delete the volume {self.name} in quarantine"


Action = (
    Start
    | Foreground
    | Stop
    | Unregister
    | RemoveVoter
    | Rehouse
    | AddVoter
    | Renew
    | Grow
    | Ballast
    | Configure
    | MakeCanary
    | Limit
    | Throttle
    | Reassign
    | Cancel
    | Cordon
    | Retire
    | Lead
    | Remove
    | Discard
)
