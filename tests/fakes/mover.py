"""The moving side of the simulated Kafka behind `control.cluster.admin.Mover`: replicas are copied at a rate, join the ISR when
they have it all, and only then do the old ones go; a broker's volume holds a removed replica for a moment longer.

Brokers that are closed to new replicas stay so by their number, even when they leave and another one comes: it is a
setting in the metadata of the cluster, and unregistering does not take it away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from attrs import define, field

from penstock.kafka.logdirs import LogDir
from penstock.kafka.reassign import RATES, Reassignment
from penstock.kafka.wire import KafkaUnreachable
from penstock.model.ids import NodeId, Role
from penstock.model.rebalance import Key, Throttled

if TYPE_CHECKING:
    from fakes.kafka import FakeKafka
    from fakes.replicas import Replicas

COPIED = 16 * 2**20
"""Bytes that a broker takes in a second, shared by all that comes to it."""
CLEARS = timedelta(seconds=0.5)
"""From the end of a move until the old replica is gone from its volume."""


@define
class FakeMover:
    """Moves of one cluster. `arrived`: bytes that a new replica has; `leaving`: old replicas until their files are gone."""

    kafka: FakeKafka
    arrived: dict[tuple[Key, int], float] = field(factory=dict)
    leaving: list[tuple[datetime, int, Key, int]] = field(factory=list)
    """When it goes, from which broker, which replica, its bytes."""
    cordons: bool = True
    """Can brokers be closed? Kafka before 4.3 cannot."""
    closed: set[int] = field(factory=set)
    rate: int | None = None
    """Bytes a second that each broker spends on throttled replicas."""
    slowed: dict[str, Throttled] = field(factory=dict)
    written: int = 0
    """Bytes a second that producers write to each partition of theirs."""
    moves: int = 0
    """Orders that added a replica somewhere, so far."""
    theirs: dict[Key, tuple[int, ...]] = field(factory=dict)
    """Targets of what somebody else reassigns and what is under way still."""
    copied: Counter[int] = field(factory=Counter)
    """Broker -> bytes a second that it sends and gets for moves now."""

    # -- time

    def tick(self, now: datetime, seconds: float) -> None:
        """Copy, let the new ones join, let the old ones go."""
        self.leaving = [each for each in self.leaving if each[0] > now]
        for partition in self.kafka.topics:
            if not partition.topic.startswith("__") and self._led(partition):
                partition.size += int(self.written * seconds)
        coming = [
            (partition, number)
            for partition in self.kafka.topics
            for number in partition.adding
            if number not in partition.isr and self.kafka.serves(number) and self._led(partition)
        ]
        busy = Counter(number for _, number in coming)
        asked = Counter(partition.leader for partition, _ in coming)
        self.copied.clear()
        for partition, number in coming:
            rate = min(COPIED / busy[number], self._limit(partition, number) / asked[partition.leader])
            self.copied.update({partition.leader: int(rate), number: int(rate)})
            there = self.arrived.get((partition.key, number), 0.0) + rate * seconds
            self.arrived[partition.key, number] = min(there, partition.size)
            if there >= partition.size:
                partition.isr.append(number)
        for partition in self.kafka.topics:
            if partition.removing and set(partition.adding) <= set(partition.isr):
                self._end(partition, now)

    def _limit(self, partition: Replicas, number: int) -> int:
        """What the leader may send to all that copy from it; less where the follower itself is throttled."""
        throttled = self.slowed.get(partition.topic, Throttled())
        places = (
            (partition.index, partition.leader) in throttled.leaders,
            (partition.index, number) in throttled.followers,
        )
        return self.rate if self.rate is not None and any(places) else COPIED

    def forget(self, number: int) -> None:
        """All that lay on the broker's volume is lost."""
        self.arrived = {place: there for place, there in self.arrived.items() if place[1] != number}
        self.leaving = [each for each in self.leaving if each[1] != number]

    def _led(self, partition: Replicas) -> bool:
        return partition.leader >= 0 and self.kafka.serves(partition.leader)

    def _end(self, partition: Replicas, now: datetime) -> None:
        for number in partition.removing:
            self.leaving.append((now + CLEARS, number, partition.key, partition.size))
        for number in partition.adding:
            self.arrived.pop((partition.key, number), None)
        partition.isr[:] = [number for number in partition.isr if number not in partition.removing]
        partition.replicas = partition.facts.target
        if partition.leader in partition.removing:
            partition.leader = -1
        partition.adding = partition.removing = ()
        self.theirs.pop(partition.key, None)

    # -- Mover

    def log_dirs(self, number: int) -> tuple[LogDir, ...]:
        self._ask(number)
        sizes = {key: size for _, where, key, size in self.leaving if where == number}
        for partition in self.kafka.topics:
            if number in partition.adding and number not in partition.isr:
                if (partition.key, number) in self.arrived:
                    sizes[partition.key] = int(self.arrived[partition.key, number])
            elif number in partition.replicas:
                sizes[partition.key] = partition.size
        total = self.kafka.machine.sizes[NodeId(self.kafka.cluster, Role.BROKER, number)] << 30
        return (LogDir("/data", total, total - sum(sizes.values()), sizes),)

    def reassignments(self) -> Mapping[Key, Reassignment]:
        self._controller()
        return {p.key: Reassignment(p.replicas, p.adding, p.removing) for p in self.kafka.topics if p.facts.moving}

    def reassign(self, targets: Mapping[Key, Sequence[int] | None]) -> Mapping[Key, str]:
        self._controller()
        partitions = {partition.key: partition for partition in self.kafka.topics}
        refused: dict[Key, str] = {}
        for key, wanted in targets.items():
            if wanted is None and not all(map(self.kafka.serves, self.theirs.get(key, ()))):
                self.theirs.pop(key, None)  # towards a broker that has left it would be under way for ever
            assert key not in self.theirs, (
                f"somebody else reassigns {key} to {self.theirs[key]}: it was taken to {wanted}"
            )
            partition = partitions.get(key)
            if partition is None:
                refused[key] = "UNKNOWN_TOPIC_OR_PARTITION: it is not there"
            elif why := self._order(partition, partition.facts.origin if wanted is None else tuple(wanted)):
                refused[key] = why
        self.kafka.machine.verbs.append(f"reassign {len(targets)}")
        self.kafka.machine.called()
        return refused

    def reassign_theirs(self, key: Key, wanted: tuple[int, ...]) -> bool:
        """Somebody else orders it. False: Kafka does not take it."""
        (partition,) = [partition for partition in self.kafka.topics if partition.key == key]
        if self.kafka.leader < 0 or self._order(partition, wanted):
            return False
        if partition.facts.moving:
            self.theirs[key] = wanted
        return True

    def _order(self, partition: Replicas, wanted: tuple[int, ...]) -> str:
        """Why Kafka refuses it; empty where it takes it."""
        origin = partition.facts.origin
        if len(set(wanted)) != len(origin):
            return f"INVALID_REPLICATION_FACTOR: it has {len(origin)} replicas and not {len(wanted)}"
        if strangers := [n for n in wanted if n not in origin and n not in self.kafka.registrations]:
            return f"INVALID_REPLICA_ASSIGNMENT: {strangers} are not registered"
        for number in partition.adding:
            if number not in wanted:  # an older order that is taken back: what came so far goes
                partition.isr[:] = [other for other in partition.isr if other != number]
                self.arrived.pop((partition.key, number), None)
        partition.adding = tuple(number for number in wanted if number not in origin)
        partition.removing = tuple(number for number in origin if number not in wanted)
        partition.replicas = (*wanted, *partition.removing)
        if partition.leader not in partition.isr:
            partition.leader = -1
        self.moves += bool(partition.adding)
        return ""

    def cordoned(self, number: int) -> bool | None:
        self._ask(number)
        return number in self.closed if self.cordons else None

    def cordon(self, number: int) -> bool:
        self._ask(number)
        assert self.cordons, f"broker {number} was to be closed, and its Kafka cannot"
        self.closed.add(number)
        self.kafka.machine.verbs.append(f"cordon {number}")
        self.kafka.machine.called()
        return True

    def uncordon(self, number: int) -> None:
        self._ask(number)
        assert self.cordons, f"broker {number} was to be opened, and its Kafka cannot"
        self.closed.discard(number)
        self.kafka.machine.verbs.append(f"uncordon {number}")
        self.kafka.machine.called()

    def limits(self, number: int) -> Mapping[str, int]:
        self._ask(number)
        return {} if self.rate is None else dict.fromkeys(RATES, self.rate)

    def limit(self, rate: int | None) -> None:
        self.kafka.any_broker()
        self.rate = rate
        self.kafka.machine.verbs.append(f"limit {rate}")
        self.kafka.machine.called()

    def throttled(self, topics: Iterable[str]) -> Mapping[str, Throttled]:
        self.kafka.any_broker()
        return {topic: self.slowed[topic] for topic in topics if topic in self.slowed}

    def throttle(self, topics: Mapping[str, Throttled | None]) -> None:
        self._controller()
        for topic, wanted in topics.items():
            self.slowed.pop(topic, None)
            if wanted:
                self.slowed[topic] = wanted
        self.kafka.machine.verbs.append(f"throttle {len(topics)}")
        self.kafka.machine.called()

    def _ask(self, number: int) -> None:
        if not self.kafka.open(number):
            raise KafkaUnreachable(f"broker {number} did not answer")

    def _controller(self) -> None:
        self.kafka.quorum()
        self.kafka.any_broker()
