"""What a rebalance is decided from, and what it decides: frozen values. Sizes in bytes, rates in bytes a second."""

from __future__ import annotations

from collections.abc import Mapping, Set

from attrs import field, frozen

Key = tuple[str, int]
"""A partition: topic and index."""


@frozen
class BrokerFacts:
    """A registered broker. A broker that is down and will not come back counts as `leaving`."""

    number: int
    rack: str
    capacity_bytes: int
    """Size of its volume."""
    used_bytes: int
    """What lies on the volume, whatever it is."""
    leaving: bool = False
    """It shall hold nothing: never a target."""


@frozen
class PartitionFacts:
    """A partition as Kafka describes it now.

    `replicas` is Kafka's own list: while replicas move it holds the old ones and the new ones."""

    topic: str
    index: int
    replicas: tuple[int, ...]
    leader: int
    """-1: none."""
    isr: tuple[int, ...]
    size_bytes: int
    """Of one full replica."""
    rate: float | None = None
    """What producers write to it; None where it is not known."""
    adding: tuple[int, ...] = ()
    """New replicas of the reassignment under way, as ListPartitionReassignments has them."""
    removing: tuple[int, ...] = ()
    """Old replicas that go when the new ones are in sync."""
    arrived: Mapping[int, int] = field(factory=dict)
    """Broker of a new replica -> bytes that it holds already."""

    @property
    def key(self) -> Key:
        return self.topic, self.index

    @property
    def target(self) -> tuple[int, ...]:
        """The replicas, preferred leader first, once what is under way has ended."""
        return tuple(number for number in self.replicas if number not in self.removing)

    @property
    def origin(self) -> tuple[int, ...]:
        """The replicas before the reassignment under way."""
        return tuple(number for number in self.replicas if number not in self.adding)

    @property
    def moving(self) -> bool:
        return bool(self.adding or self.removing)

    def left_bytes(self, number: int) -> int:
        """What a new replica has still to copy; 0 for one that is not new."""
        return max(0, self.size_bytes - self.arrived.get(number, 0)) if number in self.adding else 0

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"


@frozen
class Facts:
    """One look at a cluster: every broker and every partition, internal topics too."""

    brokers: tuple[BrokerFacts, ...]
    partitions: tuple[PartitionFacts, ...]

    @property
    def leaving(self) -> Set[int]:
        return frozenset(broker.number for broker in self.brokers if broker.leaving)

    @property
    def copying(self) -> bool:
        """Is some new replica on its way?"""
        return any(partition.adding for partition in self.partitions)

    def held_by(self, number: int) -> tuple[Key, ...]:
        """Partitions that have a replica on the broker, or will have, or had before a move that has not ended.

        Empty is the proof, from metadata, that nothing counts on its volume."""
        return tuple(partition.key for partition in self.partitions if number in partition.replicas)


@frozen
class Throttled:
    """The throttled replicas of a topic: (partition, broker) each. Only those out of sync are slowed down by Kafka."""

    leaders: frozenset[tuple[int, int]] = frozenset()
    """Replicas that are copied from."""
    followers: frozenset[tuple[int, int]] = frozenset()
    """Replicas that are filled."""


@frozen
class Traffic:
    """What goes on beside a rebalance and because of it, as recent looks tell."""

    limits: Mapping[int, int | None] = field(factory=dict)
    """Broker that answers -> bytes a second that it may spend on throttled replicas, as it knows; None: no limit is set."""
    throttled: Mapping[str, Throttled] = field(factory=dict)
    """Topics of the operation's own that have throttled replicas, whoever set them."""
    rate: int | None = None
    """What the limit should be while replicas move; None: there is nobody whom they could slow down."""
    writing: bool | None = None
    """Did somebody produce lately? None until two looks."""
    copied: float | None = None
    """Bytes a second that the broker which gets most of them got for new replicas; None until two looks."""
    canary: bool = False
    """Is the topic there that latency is measured with?"""
    calm_ms: float | None = None
    """How long producers wait while nothing moves, a high quantile."""
    latency_ms: float | None = None
    """The same now; None while too little was seen."""
    unmeasured: str = ""
    """Why it is not known what is calm, and will not be: the rate is not steered by latency."""

    @property
    def measured(self) -> bool:
        """Is there nothing more to wait for before moves begin?"""
        return self.calm_ms is not None or bool(self.unmeasured)


@frozen
class Aims:
    """What is good enough. Fractions."""

    band: float = 0.05
    """How far from its share of bytes a broker may be."""
    leader_band: float = 0.10
    """How far from its share of leadership a broker may be."""
    full: float = 0.85
    """Share of a volume that a move may fill."""


@frozen
class Limits:
    """How much may go on at once, for each broker that gives or gets. Zero `moves` starts none; those under way go on."""

    moves: int = 5
    small_bytes: int = 512 * 1024**2
    """Below this sum `small_moves` may be under way: a few seconds' worth, which is done before the next looks."""
    small_moves: int = 40
    leaderships: int = 200
    """Changes of leadership alone in one call."""


@frozen
class Transfer:
    """One replica from one broker to another."""

    key: Key
    source: int
    target: int
    why: str


@frozen
class Move:
    """One order for one partition. Without `adding` it only changes who leads: no byte moves, and an election must follow."""

    key: Key
    replicas: tuple[int, ...]
    """All of them afterwards, preferred leader first: what AlterPartitionReassignments takes."""
    adding: tuple[int, ...]
    removing: tuple[int, ...]
    size_bytes: int
    """Of one replica."""
    needed: bool
    """For a hard rule (a leaving broker, racks), not for balance."""
    why: str

    @property
    def copied_bytes(self) -> int:
        return self.size_bytes * len(self.adding)

    def __str__(self) -> str:
        return self.why


@frozen
class Remaining:
    """What has still to be moved, what is under way included."""

    left_bytes: int
    """To be copied."""
    partitions: int
    busiest_bytes: int
    """What the broker that gets most has still to get: over its rate in bytes a second, it is the time that remains."""


@frozen
class Step:
    """What to do now."""

    moves: tuple[Move, ...]
    """To be ordered now; those without `adding` first, and an election of preferred leaders after them."""
    remaining: Remaining
    waits: tuple[str, ...] = ()
    """Why nothing, or not everything, is started or possible; a sentence each."""
    foreign: tuple[Key, ...] = ()
    """Under way, and nothing that would be ordered here: left alone."""
    stalled: tuple[Key, ...] = ()
    """Under way towards a broker that is not there, and not foreign: to be cancelled."""
    topics: frozenset[str] = frozenset()
    """Topics of which replicas move, or have to; not those that somebody else moves."""
    settled: bool = False
    """Nothing is under way and nothing is left that could be done; `waits` says what is less than perfect."""


@frozen
class Balance:
    """Who has which replicas and bytes, and what is to be done about it: decided once a look, since it takes long."""

    facts: Facts
    step: Step
