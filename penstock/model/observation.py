"""What was seen, with the difference between "no" and "not known" kept in the type.

Every observed field is `Known(value)` or `Unknown(why)`; a rule that disrupts something must see `Known`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from attrs import field, frozen

from penstock.model.ids import NodeId
from penstock.model.node import NodeSpec
from penstock.model.operation import OpenOperation, Work
from penstock.model.quarantine import Quarantined
from penstock.model.rebalance import Balance, Traffic
from penstock.model.spec import ClusterSpec, ClusterStatus, Pace
from penstock.model.volume import VolumeUse

T = TypeVar("T")


@frozen
class Known(Generic[T]):
    """Seen, in this pass."""

    value: T


@frozen
class Unknown:
    """Not seen, and why: a sentence for people."""

    why: str


Observed = Known[T] | Unknown


@frozen
class Running:
    """The node's process is there. Says nothing about whether it does its work."""

    since: datetime
    pid: int
    revision: str
    start: str
    live: str
    fence: int
    cpu_seconds: float
    """CPU time of the process so far; a process that uses none for seconds does no work."""
    stopping: datetime | None = None
    """When it was asked to stop gracefully, or was to be asked; None where neither is so."""
    suspended: bool = False
    """The kernel holds it stopped (SIGSTOP): proof that it does no work at all."""
    leaves: Mapping[str, tuple[datetime, datetime]] = field(factory=dict)
    """Path of each leaf certificate -> (not before, not after), as it lies on the node's disk."""
    volume: VolumeUse | None = None
    """None where it cannot be told: not mounted, or on a disk that does not answer."""
    said: int = 0
    """Size of the node's log in bytes: another number means that it has said something. Not only more: logs are rotated."""
    signalled: bool = True
    """False: it is not known whether a stop that was written down was sent as well, so it may go on for ever."""
    background: bool = False
    """It gives way to others wherever a CPU is short."""


@frozen
class Gone:
    """The node ran and its process is gone: proved by pid, birth time and boot id."""

    at: datetime | None
    status: str
    """`exit status 1`, `signal 9 (SIGKILL)`, `the machine restarted`, or `unknown` where no keeper saw the end."""
    short_runs: int = 0
    """How many runs in a row ended soon after their start or were ended as futile, this one included: the base of growing pauses."""
    requested: bool = False
    """Ended because we stopped it."""
    clean: bool = False
    """It left in good order (exit status 0 or the stop signal answered): its log needs no recovery."""
    volume: VolumeUse | None = None
    """As it is now; None where it cannot be told: after the machine restarted, nothing is mounted."""


@frozen
class Absent:
    """The node was never started here: no process, no record of one."""


@frozen
class Blocked:
    """The node cannot run where it should, and no retry by itself helps: a stranger on its port, a foreign volume, no Java."""

    why: str
    fix: str


@frozen
class Bereft:
    """The node is not running and the volume that it ran on is not in its place: quarantined, or lost.

    It must not start on an empty one under the same identity: Kafka would take it for the node that had everything."""

    incarnation: str
    """The volume's, that is missed."""
    why: str


Sighting = Running | Gone | Absent | Blocked | Bereft


@frozen
class Voter:
    """A voter of the metadata quorum. `behind_ms` is the time since it was last caught up, None where never seen."""

    number: int
    behind_ms: int | None
    directory: str = ""


@frozen
class Quorum:
    """The metadata quorum as its leader describes it."""

    leader: int
    epoch: int
    voters: tuple[Voter, ...]
    observers: tuple[Voter, ...] = ()


@frozen
class BrokerSeen:
    """A broker's registration as the controller holds it."""

    number: int
    fenced: bool


@frozen
class Recovery:
    """How far a starting broker is with reading its logs, by its own word. There is one log for each replica."""

    loaded: int
    logs: int
    segment: str = ""
    """The last word about a segment that is recovered: `orders-7: 3 of 12 segments`."""

    def __str__(self) -> str:
        text = f"{self.loaded} of {self.logs} logs" if self.logs else ""
        return ", ".join(filter(None, (text, self.segment)))


@frozen
class Partition:
    """A partition with its replicas. `min_isr` is the effective `min.insync.replicas` of its topic."""

    topic: str
    index: int
    leader: int
    """-1: none."""
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    min_isr: int = 1

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"


@frozen
class ClusterView:
    """One look at one cluster. Everything that a rule may know.

    Invariant: read once at the start of a pass; the deeper fields are Unknown where this pass did not look that deep."""

    spec: ClusterSpec
    status: ClusterStatus
    layout: tuple[NodeSpec, ...]
    """Brokers and controllers as they should run; empty while addresses are not written down, or when removed."""
    sightings: Mapping[NodeId, Observed[Sighting]]
    strays: tuple[NodeId, ...] = ()
    """Nodes labelled with this cluster that the spec does not hold."""
    answers: Mapping[NodeId, Observed[bool]] = field(factory=dict)
    """Did the node do useful work when asked in this pass? Known(False): asked, and no answer within the deadline."""
    idle_since: Mapping[NodeId, datetime] = field(factory=dict)
    """Since when a node neither answered nor used CPU time; absent where it did either."""
    silent_since: Mapping[NodeId, datetime] = field(factory=dict)
    """Since when a node that had served in this run does not answer."""
    served: frozenset[NodeId] = frozenset()
    """Nodes whose present run was seen to do useful work."""
    shown: Mapping[NodeId, Observed[datetime]] = field(factory=dict)
    """Not-before of the certificate that a broker's client listener shows; absent where this pass did not ask."""
    quorum: Observed[Quorum] = field(default=Unknown("not looked at"))
    brokers: Observed[Mapping[int, BrokerSeen]] = field(default=Unknown("not looked at"))
    """Registered brokers by number, fenced ones included."""
    partitions: Observed[tuple[Partition, ...]] = field(default=Unknown("not looked at"))
    operation: OpenOperation | None = None
    settings: Mapping[int, Observed[Mapping[str, str | None]]] = field(factory=dict)
    """Broker -> effective values of the properties that the open operation sets at run time; empty where there are none."""
    defaults: Observed[Mapping[str, str | None]] = field(factory=lambda: Known[Mapping[str, str | None]]({}))
    """What Kafka keeps for all brokers of those properties. A broker that cannot take one of them at its start takes none."""
    balance: Observed[Balance] = field(default=Unknown("not looked at"))
    """Who has which replicas and bytes, and what to do about it; looked at while an operation moves partitions."""
    traffic: Traffic = Traffic()
    """What goes on beside that, and because of it."""
    stored: Mapping[int, int] = field(factory=dict)
    """Running broker -> how many replicas lie on its volume, by its own word."""
    cordoned: Mapping[int, bool] = field(factory=dict)
    """Running broker -> whether it is closed to new replicas; absent where its Kafka knows no such thing."""
    recovering: Mapping[NodeId, Recovery] = field(factory=dict)
    """How far brokers that do not serve yet have come with their logs; absent where they say nothing of it, or are done."""
    advanced: Mapping[NodeId, datetime] = field(factory=dict)
    """When a starting broker was last seen to advance with its logs."""
    unsettled_since: datetime | None = None
    """Since when neither a replica has come back in sync nor a leadership gone home, though some are to; None: nothing is."""
    pace: Pace | None = None
    """How long things take here, with what this look measured; None where it did not look that deep."""
    grows_in_use: bool = True
    """Whether the provider can enlarge a filesystem while its node runs."""
    quarantined: Observed[tuple[Quarantined, ...]] = field(default=Unknown("not looked at"))
    """What was put aside out of places of this cluster's nodes, oldest first; up to an hour old."""
    keep_quarantined: timedelta | None = None
    """For how long what retired brokers left is kept; None: until a person removes it."""
    depth: int = 1
    """1: nodes; 2: and quorum and brokers; 3: and partitions."""

    @property
    def scaling(self) -> OpenOperation | None:
        """The open operation where it is about which brokers may have replicas."""
        return self.operation if self.operation is not None and self.operation.scales else None

    @property
    def live(self) -> Mapping[str, str]:
        """Property -> value that every broker is to have, set at run time; none where no open operation asks for any."""
        return self.operation.live if self.operation is not None else {}

    @property
    def aside(self) -> tuple[Quarantined, ...]:
        """What is known to lie in quarantine; what is not known, nobody deletes."""
        return self.quarantined.value if isinstance(self.quarantined, Known) else ()

    @property
    def work(self) -> Work:
        """What is written down about moving partitions: with that operation, or with the status where one failed too early."""
        return self.scaling.work if self.scaling is not None else Work(throttles=self.status.throttled)

    @property
    def own_topics(self) -> frozenset[str]:
        """Topics whose throttles are the loop's to set and to lift."""
        return frozenset((*self.work.throttles, *self.status.throttled))

    def sighting(self, node: NodeId) -> Observed[Sighting]:
        seen = self.sightings.get(node)
        return Unknown("the provider did not mention it") if seen is None else seen

    def running(self, node: NodeId) -> Running | None:
        """The node's process where it is known to run, else None."""
        seen = self.sightings.get(node)
        return seen.value if isinstance(seen, Known) and isinstance(seen.value, Running) else None

    def volume(self, node: NodeId) -> VolumeUse | None:
        """How the volume of a node stands that runs or ran; None where it cannot be told."""
        match self.sighting(node):
            case Known(Running(volume=volume)) | Known(Gone(volume=volume)):
                return volume
            case _:
                return None

    def node(self, node: NodeId) -> NodeSpec:
        for spec in self.layout:
            if spec.id == node:
                return spec
        raise KeyError(node)
