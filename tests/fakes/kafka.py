"""Kafka behind `control.cluster.admin.Admin`, as far as the loop can tell: what kafka.md 3.2 and 3.3 say, on simulated time.

A broker that starts while its old session lives is refused until that ends; a broker whose registration was taken away
while it ran never comes back by itself; a new leader of the quorum gives every session three seconds more; a controlled
shutdown needs a leader, and without one never ends; ISRs shrink at the end of a session and grow some time after.
Moves of replicas are in `fakes.mover`, properties that are set at run time in `fakes.settings`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from attrs import define, field
from fakes.mover import FakeMover
from fakes.replicas import MIB, Replicas
from fakes.settings import FakeSettings
from fakes.world import Machine, Process

from penstock.kafka.format import FIRST_SNAPSHOT
from penstock.kafka.wire import AnswerLost, KafkaRefused, KafkaUnreachable
from penstock.model.ids import ClusterId, NodeId, Role
from penstock.model.observation import BrokerSeen, Partition, Quorum, Voter

SESSION = timedelta(seconds=3)
BOOT = timedelta(seconds=1.2)
ELECTION = timedelta(seconds=1)
LEAVES = timedelta(seconds=0.4)
"""From the stop signal to the end of leaderships, and as long again to the end of the process."""
CATCH_UP = timedelta(seconds=1.5)
CALM_MS = 2.0
"""How long a producer waits while nothing moves, in milliseconds."""


@define
class Registration:
    """A broker as the controllers hold it: which run, and until when they believe in it unheard."""

    pid: int
    until: datetime
    fenced: bool = True
    since: datetime | None = None
    """When it was unfenced."""


@define
class FakeKafka:
    """One cluster's Kafka, over the processes of a machine."""

    machine: Machine
    cluster: ClusterId
    voters: tuple[int, ...]
    """Numbers of the controllers, whether they vote or not."""
    topics: list[Replicas]
    registrations: dict[int, Registration] = field(factory=dict)
    votes_of: dict[int, str] = field(factory=dict)
    """Voter -> directory id of the volume that it votes with."""
    founders: dict[int, str] = field(factory=dict)
    """Controller -> its first volume, which has its vote in it. No other one may claim to."""
    leader: int = -1
    epoch: int = 0
    caught_up: dict[int, datetime] = field(factory=dict)
    electing: datetime | None = None
    losses: list[str] = field(factory=list)
    """How the next unregistrations go wrong: the answer is lost and the order `applied`, carried out `late`, or `dropped`."""
    late: list[tuple[datetime, int]] = field(factory=list)
    """Orders that are carried out when their time comes, whoever has the number then."""
    settings: FakeSettings = field(factory=FakeSettings)
    bears: int = 8 * MIB
    """Bytes a second that a broker sends or gets for moves while producers wait for it twice as long as in calm."""
    moving: FakeMover = field(init=False)
    _ticked: datetime = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.moving, self._ticked = FakeMover(self), self.machine.now

    # -- the truth

    def process(self, number: int) -> Process | None:
        role = Role.CONTROLLER if number in self.voters else Role.BROKER
        return self.machine.process(NodeId(self.cluster, role, number))

    def up(self, number: int) -> bool:
        """It runs, has booted and moves."""
        process = self.process(number)
        if process is None or not process.moves or self.machine.read(process) < process.reads:
            return False
        return self.machine.now >= process.since + BOOT

    def votes(self) -> list[int]:
        return [number for number in self.voters if self.up(number) and self.counted(number)]

    def counted(self, number: int) -> bool:
        """The controller's process is on the volume that it votes with."""
        process = self.process(number)
        return process is not None and self.votes_of.get(number) == process.spec.incarnation

    def serves(self, number: int) -> bool:
        """A broker that the controllers rightly count on; a controller that follows the leader."""
        process = self.process(number)
        if process is None or not self.up(number) or process.leaves_when is not None:
            return False
        if number in self.voters:
            return self.leader >= 0 and self.counted(number)
        registration = self.registrations.get(number)
        return registration is not None and registration.pid == process.pid and not registration.fenced

    def open(self, number: int) -> bool:
        """Its port answers: a broker opens it when it has registered."""
        process = self.process(number)
        return self.up(number) and process is not None and (number in self.voters or process.registered)

    def holds(self, number: int) -> list[Replicas]:
        """Partitions that count on the broker, or will, or did before a move that has not ended."""
        return [partition for partition in self.topics if number in partition.replicas]

    # -- what clients do

    def make_topic(self, name: str, partitions: int, replicas: int, min_isr: int) -> bool:
        """A new topic lands on the brokers that have least, of those that are open to it. False: Kafka refuses it."""
        free = [n for n in self.registrations if self._live(n) and self.serves(n) and n not in self.moving.closed]
        if len(free) < replicas or self.leader < 0 or any(partition.topic == name for partition in self.topics):
            return False
        for index in range(partitions):
            chosen = sorted(free, key=lambda number: (len(self.holds(number)), number))[:replicas]
            self.topics.append(Replicas(name, index, tuple(chosen), list(chosen), min_isr, chosen[0], MIB))
        return True

    # -- time

    def tick(self) -> None:
        now = self.machine.now
        seconds, self._ticked = (now - self._ticked).total_seconds(), now
        self._elect(now)
        for process in self.machine.running():
            if process.leaves_when is not None and process.moves:
                self._go_down(process, process.leaves_when, now)
        if self.leader < 0:
            return
        for order in [order for order in self.late if order[0] <= now]:
            self.late.remove(order)
            self._unregister(order[1])
        for process in self.machine.running():
            if process.spec.id.role is Role.BROKER and process.leaves_when is None and self.up(process.spec.id.number):
                self._heartbeat(process.spec.id.number, process, now)
        for number, registration in self.registrations.items():
            if registration.until <= now and not registration.fenced:
                self._fence(number)
        for partition in self.topics:
            self._replicate(partition, now)
        self.moving.tick(now, seconds)
        self.settings.tick(self.registrations, now)

    def _elect(self, now: datetime) -> None:
        self._found()
        votes = self.votes()
        majority = (len(self.votes_of) + len(self.voters) - len(self.founders)) // 2 + 1
        if self.leader >= 0 and (self.leader not in votes or len(votes) < majority):
            self.leader = -1
        if self.leader < 0:
            if len(votes) < majority:
                self.electing = None
            elif self.electing is None:
                self.electing = now + ELECTION
            elif now >= self.electing:
                self.leader, self.epoch, self.electing = votes[self.epoch % len(votes)], self.epoch + 1, None
                for registration in self.registrations.values():
                    registration.until = now + SESSION
        if self.leader >= 0:
            self.caught_up |= dict.fromkeys(votes, now)

    def _found(self) -> None:
        for number in self.voters:
            process = self.process(number)
            if process is None:
                continue
            spec = process.spec
            if number not in self.founders:
                self.founders[number] = self.votes_of[number] = spec.incarnation
            claims = any(file.path == FIRST_SNAPSHOT for file in spec.files)
            assert claims == (self.founders[number] == spec.incarnation), f"{number} votes with an empty volume"

    def _go_down(self, process: Process, asked: datetime, now: datetime) -> None:
        number = process.spec.id.number
        if process.spec.id.role is Role.BROKER and process.registered and number in self.registrations:
            if self.leader < 0:
                return  # it waits for controllers, for ever
            if now >= asked + LEAVES:
                self._fence(number)
        if now >= asked + 2 * LEAVES:
            self.machine.end(process, "exit status 143", clean=True)

    def _heartbeat(self, number: int, process: Process, now: datetime) -> None:
        registration = self.registrations.get(number)
        if registration is not None and registration.pid == process.pid:
            registration.until = now + SESSION
            if registration.fenced:
                registration.fenced, registration.since = False, now
        elif not process.registered and not process.turned_away and (registration is None or registration.until <= now):
            self._fence(number)
            self.registrations[number] = Registration(process.pid, now + SESSION)
            process.registered = True
            self.settings.started(number)

    def _fence(self, number: int) -> None:
        if registration := self.registrations.get(number):
            registration.fenced = True
        for partition in self.topics:
            if number in partition.isr and len(partition.isr) > 1:
                partition.isr.remove(number)
            if partition.leader == number:
                partition.leader = -1

    def _unregister(self, number: int) -> None:
        self._fence(number)
        self.registrations.pop(number, None)

    def _live(self, number: int) -> bool:
        registration = self.registrations.get(number)
        return registration is not None and not registration.fenced

    def _replicate(self, partition: Replicas, now: datetime) -> None:
        if partition.leader not in partition.isr or not self._live(partition.leader):
            partition.leader = next((n for n in partition.replicas if n in partition.isr and self._live(n)), -1)
        if partition.leader < 0 or not self.serves(partition.leader):
            return
        for number in partition.replicas:
            if number not in partition.isr and number not in partition.adding and self.serves(number):
                since = self.registrations[number].since
                if since is not None and now >= since + CATCH_UP:
                    partition.isr.append(number)

    # -- Admin

    def brokers(self) -> Mapping[int, BrokerSeen]:
        self.any_broker()
        return {number: BrokerSeen(number, held.fenced) for number, held in self.registrations.items()}

    def quorum(self) -> Quorum:
        if self.leader < 0 or not self.up(self.leader):
            raise KafkaUnreachable("there is no leader of the quorum now")
        return Quorum(
            self.leader,
            self.epoch,
            tuple(Voter(number, self._behind(number), directory) for number, directory in self.votes_of.items()),
            tuple(observer for number in self.voters if (observer := self._observer(number))),
        )

    def partitions(self) -> tuple[Partition, ...]:
        self.quorum()
        self.any_broker()
        return tuple(Partition(p.topic, p.index, p.leader, p.replicas, tuple(p.isr), p.min_isr) for p in self.topics)

    def ping(self, number: int) -> bool:
        return self.open(number)

    def unregister(self, broker: int, via: Sequence[int]) -> None:
        process = self.process(broker)
        assert process is None, f"broker {broker} runs and was unregistered"
        assert broker not in via
        assert all(self.process(number) is not None for number in via), "asked through a broker that is not there"
        for other in self.registrations:
            there = self.process(other)
            away = other != broker and (there is None or there.suspended)
            assert not (away and self.holds(other) and self.holds(broker)), f"{broker} is not alone, {other} is away"
        for partition in self.topics:
            others = [number for number in partition.isr if number != broker and self._live(number)]
            assert broker not in partition.replicas or others, f"{partition} has no other live replica in sync"
        if self.leader < 0 or not any(self.open(number) for number in via):
            raise KafkaUnreachable("no broker took the order")
        self.machine.verbs.append(f"unregister {broker}")
        loss = self.losses.pop() if self.losses else ""
        if loss == "late":
            self.late.append((self.machine.now + timedelta(seconds=6), broker))
        elif loss != "dropped":
            self._unregister(broker)
        if loss:
            raise AnswerLost("the answer did not come", timed_out=True)
        self.machine.called()

    def remove_voter(self, number: int, directory: str) -> None:
        self.quorum()
        if self.votes_of.get(number) == directory:
            process, node = self.process(number), NodeId(self.cluster, Role.CONTROLLER, number)
            assert process is None or process.spec.incarnation != directory, f"{number} runs and lost its vote"
            assert self.machine.volumes.get(node) != directory, f"{number} has its volume and lost its vote"
            self.machine.before("take the vote", node)
            del self.votes_of[number]
            self.machine.verbs.append(f"take the vote of {number}")
        self.machine.called()

    def add_voter(self, number: int, directory: str, listeners: Mapping[str, tuple[str, int]]) -> None:
        self.quorum()
        assert list(listeners) == ["CONTROLLER"]
        if number in self.votes_of:
            raise KafkaRefused(f"adding voter {number}", 126)
        observer = self._observer(number)
        if observer is None or observer.directory != directory or observer.behind_ms is None:
            raise KafkaRefused(f"adding voter {number}", 7)
        self.votes_of[number] = directory
        self.machine.verbs.append(f"give {number} a vote")
        self.machine.called()

    def elect_preferred(self, via: int | None = None) -> Mapping[str, str]:
        self.quorum()
        for partition in self.topics:
            if (first := partition.replicas[0]) in partition.isr and self._live(first):
                partition.leader = first
        self.machine.verbs.append("elect")
        self.machine.called()
        return {}

    def set_config(self, number: int, values: Mapping[str, str]) -> None:
        if not self.open(number):
            raise KafkaUnreachable(f"node {number} did not answer")
        self.machine.called()

    def set_default(self, values: Mapping[str, str]) -> None:
        self.any_broker()
        self.settings.order(values, self.machine.now)
        self.machine.verbs += [f"set {name}={value}" for name, value in values.items()]
        self.machine.called()

    def config(self, number: int, names: Iterable[str]) -> Mapping[str, str | None]:
        if not self.open(number):
            raise KafkaUnreachable(f"node {number} did not answer")
        return {name: self.settings.of(number, name) for name in names}

    def defaults(self, names: Iterable[str]) -> Mapping[str, str | None]:
        self.any_broker()
        return {name: value for name, value in self.settings.kept.items() if name in names}

    def mover(self) -> FakeMover:
        return self.moving

    def create_topic(self, name: str, placed: Sequence[Sequence[int]], config: Mapping[str, str]) -> None:
        self.any_broker()
        if self.leader < 0 or any(partition.topic == name for partition in self.topics):
            raise KafkaRefused(f"creating {name}", 36)
        if not all(number in self.registrations for brokers in placed for number in brokers):
            raise KafkaRefused(f"creating {name}", 39)
        for index, brokers in enumerate(placed):
            there = [n for n in brokers if self._live(n) and self.serves(n)]
            self.topics.append(Replicas(name, index, tuple(brokers), there, 1, there[0] if there else -1, MIB))
        self.machine.verbs.append(f"create {name}")
        self.machine.called()

    def canary(self) -> FakeKafka:
        return self

    def probe(self, leaders: Mapping[int, int]) -> Sequence[float]:
        self.any_broker()
        return [CALM_MS * (1 + self.moving.copied[leader] / self.bears) for leader in leaders.values()]

    def close(self) -> None:
        """Nothing is open."""

    def _behind(self, number: int) -> int | None:
        seen = self.caught_up.get(number)
        return None if seen is None else int((self.machine.now - seen).total_seconds() * 1000)

    def _observer(self, number: int) -> Voter | None:
        """A controller that follows and does not vote."""
        process = self.process(number)
        if process is None or not self.up(number) or self.counted(number):
            return None
        there = self.machine.now >= process.since + BOOT + CATCH_UP
        return Voter(number, 0 if there else None, process.spec.incarnation)

    def any_broker(self) -> None:
        """Some broker takes questions, or KafkaUnreachable."""
        if not any(self.open(number) for number in range(1, 1 + 64) if self.process(number)):
            raise KafkaUnreachable("no broker answered")
