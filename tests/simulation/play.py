"""The real reconciler and the real store over a simulated machine and a simulated Kafka, one thread, one clock.

What a user asks is in `calls`, what must never happen in `judge`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from attrs import define, evolve, field
from fakes.kafka import FakeKafka
from fakes.replicas import Replicas
from fakes.views import SUBNETS, desired, frame
from fakes.world import Crash, Machine
from simulation.calls import Calls, call, shown
from simulation.judge import Judge
from simulation.watched import Watched

from penstock.api.rooms import Operation
from penstock.api.updates import reboot_broker
from penstock.api.views import shown_state
from penstock.control.cluster.layout import Frame, lay_out
from penstock.control.cluster.sentences import explained
from penstock.control.cluster.surroundings import Surroundings
from penstock.kafka.configuration import effective_of
from penstock.kafka.properties import CLIENT_LEAF, INNER_LEAF
from penstock.model.ids import FIRST_CONTROLLER, ClusterId, NodeId, Role
from penstock.model.node import NodeSpec
from penstock.model.operation import OpenOperation, OperationKind
from penstock.model.plan import Plan
from penstock.model.spec import ClusterSpec, ClusterState, ClusterStatus
from penstock.store.records import ClusterRecord, OperationRecord
from penstock.store.store import Store
from penstock.wire.errors import BadRequest

KEY = b"k" * 32
TICK = 0.1


@define
class Play:
    """One cluster from its create on. `brokers`: how many it begins with. `wake_ups`: deaths of processes wake the loop."""

    store: Store
    brokers: int = 3
    topics: tuple[tuple[int, int], ...] = ((3, 2), (3, 2), (2, 1), (1, 1))
    """(replicas, min ISR) of each partition."""
    wake_ups: bool = True
    network_address: str | None = None
    """The setting, as the next control plane reads it."""
    patience: float = 600.0
    """Seconds without progress after which an operation is given up: the setting."""
    keep_quarantined: timedelta | None = None
    """The setting, as the next control plane reads it."""
    written: int = 64 * 1024
    """Bytes a second that producers write to each partition."""
    cluster: ClusterId = field(factory=lambda: ClusterId(f"{uuid4()}-1"))
    machine: Machine = field(factory=Machine)
    kafka: FakeKafka = field(init=False)
    plane: Watched = field(init=False)
    judge: Judge = field(init=False)
    calls: Calls = field(init=False)
    deleted: bool = False
    passes: int = 0
    crashes: int = 0
    _woken: bool = True
    _nodes: list[NodeId] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        partitions = []
        for index, (copies, minimum) in enumerate(self.topics):
            replicas = tuple(1 + (index + n) % self.brokers for n in range(min(copies, self.brokers)))
            partitions.append(Replicas("orders", index, replicas, list(replicas), minimum))
        voters = tuple(range(FIRST_CONTROLLER, FIRST_CONTROLLER + 3))
        self.kafka = FakeKafka(self.machine, self.cluster, voters, partitions)
        self.kafka.moving.written = self.written
        self.judge = Judge(self)
        self.machine.before = self.judge.verb
        self.calls = Calls(self.store, self.cluster, lambda: self.machine.now)
        name = f"c{self.cluster[:13]}"
        spec = desired(
            self.cluster,
            self.brokers,
            placed=False,
            name=name,
            arn=self.calls.arn(name),
            account=self.calls.account,
            created=self.machine.now,
            api=shown(SUBNETS),
        )
        self._nodes = [place.id for place in spec.nodes]
        with self.store.write() as rows:
            rows.clusters.insert(spec, ClusterStatus(since=self.machine.now))
        self.begin()

    # -- the control plane

    def begin(self) -> None:
        """A control plane starts and is in charge."""
        term = self.store.raise_term()
        self.plane = Watched(
            Surroundings(
                store=self.store,
                compute=self.machine,
                clock=lambda: self.machine.now,
                fence=term,
                frame=self._frame,
                connect=lambda spec, layout: self.kafka,
                issue=lambda spec, leaf: b"a leaf",
                patience=timedelta(seconds=60),
                operation_patience=timedelta(seconds=self.patience),
                still_ours=lambda: self.store.term() == term,
                network_address=self.network_address,
                keep_quarantined=self.keep_quarantined,
            )
        )
        self._woken = True

    def once(self) -> float | None:
        """One pass; returns when the next one is due (None: the cluster is gone). After a crash another plane begins."""
        woken, self._woken = self._woken, False
        self.passes += 1
        before = len(self.machine.verbs)
        self.plane.last = None
        try:
            verdict = self.plane.reconcile(self.cluster, woken=woken)
        except Crash:
            self.crashes += 1
            self.begin()
            return 0.0
        if self.record() is not None:
            self.judge.passed(acted=len(self.machine.verbs) > before)
        return verdict.next_in

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self.machine.now + timedelta(seconds=seconds)
        while self.machine.now < end:
            due = self.once()
            if due is None:
                self._sleep((end - self.machine.now).total_seconds())
                return
            self._sleep(min(due, (end - self.machine.now).total_seconds()))

    def until(self, done: object, seconds: float = 60.0) -> float:
        """Let time pass until it is so; returns how long it took."""
        began = self.machine.now
        while not done():  # type: ignore[operator]
            taken = (self.machine.now - began).total_seconds()
            assert taken < seconds, f"not after {taken:.0f} s: {self.told()}"
            due = self.once()
            if not done():  # type: ignore[operator]
                self._sleep(TICK if due is None else due)
        return (self.machine.now - began).total_seconds()

    def settle(self, seconds: float = 400.0) -> None:
        """Nothing more befalls the cluster: it comes to rest, ACTIVE and whole, or gone."""
        for ill in self.machine.ills.values():
            ill.fails = ill.refuses = 0
            ill.unseen = False
        self.kafka.losses.clear()
        self.machine.crash_after = None
        self.wake_ups = self._woken = True
        self.once()
        self.until(self.at_rest, seconds)

    def down(self, seconds: float) -> None:
        """No control plane for so long; then another one."""
        for _ in range(round(seconds / TICK)):
            self._tick()
        self.begin()

    def clear_up(self) -> None:
        """The store is shared by all stories, so each one deletes its cluster."""
        if self.record() is not None:
            self.delete()
            self.settle(60)
        self.plane.forget(self.cluster)

    # -- what can be known of it

    def record(self) -> ClusterRecord | None:
        with self.store.read() as rows:
            return rows.clusters.get(self.cluster)

    @property
    def state(self) -> ClusterState | None:
        record = self.record()
        return None if record is None else record.status.state

    def operations(self) -> list[OperationRecord]:
        with self.store.read() as rows:
            return list(rows.operations.list(self.cluster))

    def sentences(self) -> list[str]:
        with self.store.read() as rows:
            return [event.sentence for event in rows.events.last(self.cluster, 100)]

    def nodes(self) -> list[NodeId]:
        """Those that should exist, brokers first; of a cluster that is gone, those that should have."""
        if (record := self.record()) is not None:
            self._nodes = [place.id for place in record.spec.nodes]
        return self._nodes

    def layout(self) -> tuple[NodeSpec, ...]:
        record = self.record()
        return () if record is None else lay_out(record.spec, self._frame(record.spec))

    def whole(self, *, leaders: bool = True) -> bool:
        """Really: every node serves, every replica is in sync, and leaders are where they belong."""
        return all(self.kafka.serves(node.number) for node in self.nodes()) and all(
            set(p.isr) == set(p.replicas) and (not leaders or p.leader == p.replicas[0]) for p in self.kafka.topics
        )

    def at_rest(self) -> bool:
        if self.deleted:
            return self.record() is None and not self.machine.runs and not self.machine.volumes
        if self.state is not ClusterState.ACTIVE or not self.whole() or self.kafka.late:
            return False
        return self.plane.last is not None and self.plane.last[1] == Plan() and self.open() is None

    def open(self) -> OpenOperation | None:
        """The operation that goes on."""
        with self.store.read() as rows:
            return rows.operations.current(self.cluster)

    def told(self) -> str:
        """The cluster in words, for a test that fails."""
        record, last = self.record(), self.plane.last
        lines = [str(record.status) if record else "gone"]
        if last is not None:
            lines += explained(*last, lambda node: "")
        return "\n".join([*lines, *self.machine.verbs[-20:]])

    # -- what befalls it

    def node(self, index: int) -> NodeId:
        return self.nodes()[index % len(self.nodes())]

    def kill(self, node: NodeId) -> None:
        self.judge.disturbed()
        self.machine.kill(node)

    def suspend(self, node: NodeId) -> None:
        self.judge.disturbed()
        self.machine.suspend(node)

    def hang(self, node: NodeId) -> None:
        self.judge.disturbed()
        self.machine.hang(node)

    def lose_an_answer(self, how: str) -> None:
        self.judge.disturbed()
        self.kafka.losses.append(how)

    def fail_starts(self, node: NodeId, times: int) -> None:
        self.judge.disturbed()
        self.machine.ill(node).fails += times

    def age(self, node: NodeId, path: str) -> None:
        """Two thirds of a certificate's life are over."""
        process = self.machine.process(node)
        if process is not None and path in process.leaves:
            self.judge.disturbed()
            self.judge.reason(node)
            start, end = process.leaves[path]
            life = end - start
            process.leaves[path] = (self.machine.now - life * 0.7, self.machine.now + life * 0.3)

    def age_inner(self, node: NodeId) -> None:
        self.age(node, INNER_LEAF)

    def age_client(self, node: NodeId) -> None:
        self.age(node, CLIENT_LEAF)

    def refuse_starts(self, node: NodeId, times: int) -> None:
        self.judge.disturbed()
        self.machine.ill(node).refuses = times

    def unsee(self, node: NodeId) -> None:
        self.judge.disturbed()
        self.machine.ill(node).unseen = True

    def lose_volume(self, node: NodeId) -> None:
        self.kill(node)
        self.machine.lost[node] = self.machine.volumes.pop(node)
        self.kafka.moving.forget(node.number)

    def reassign(self, index: int) -> None:
        """Somebody else, with a tool of Kafka's own, gives a partition's last replica to another broker, or its lead away."""
        still = [partition for partition in self.kafka.topics if not partition.facts.moving]
        if still:
            partition = still[index % len(still)]
            *kept, last = partition.replicas
            others = [number for number in sorted(self.kafka.registrations) if number not in partition.replicas]
            wanted = (*kept, others[index % len(others)]) if others else (last, *kept)
            if self.kafka.moving.reassign_theirs(partition.key, wanted):
                self.judge.disturbed()
                self.judge.reassigned(partition.key, wanted)
                for number in wanted:  # one that was on its way out is started again, and leaves later
                    self.judge.reason(NodeId(self.cluster, Role.BROKER, number))

    # -- what its user asks

    def reboot(self, node: NodeId) -> str | None:
        return self._ask(lambda: self.calls.update(reboot_broker, BrokerIds=[str(node.number)]))

    def update(self, operation: Operation, **members: Any) -> str | None:
        return self._ask(lambda: self.calls.update(operation, **members))

    def configure(self, *properties: str) -> str | None:
        return self._ask(lambda: self.calls.configure(*properties))

    def change(self, kind: OperationKind) -> str | None:
        """Any change of that kind."""
        return self._ask(lambda: call(self.calls, kind))

    def scale_out(self, *, rebalance: bool = True) -> str | None:
        """A broker more in each zone."""
        self.calls.rebalance = rebalance
        return self.change(OperationKind.INCREASE_BROKER_COUNT)

    def scale_in(self) -> str | None:
        """A broker less in each zone."""
        return self.change(OperationKind.DECREASE_BROKER_COUNT)

    def _ask(self, ask: Callable[[], str]) -> str | None:
        """The operation's id; None where the cluster is not ACTIVE: then the API refuses, and nothing changes. Larger volumes
        alone may be asked for while the cluster heals."""
        record, operation = self.record(), self.open()
        if record is None or self.deleted:
            return None
        if shown_state(record, operation) is not ClusterState.ACTIVE:
            try:
                identity = ask()
            except BadRequest:
                assert (self.record(), self.open()) == (record, operation), "what was refused has changed something"
                return None
            opened = self.open()
            assert opened is not None
            rescue = operation is None and opened.kind is OperationKind.UPDATE_BROKER_EBS_VOLUME
            assert rescue, f"taken while the cluster is {record.status.state} with {operation}"
            self.judge.opened(identity, disturbed=True)
            self._woken = True
            return identity
        lively = self.whole() and all(process.moves for process in self.machine.running())
        ills = any(ill.fails or ill.refuses or ill.unseen for ill in self.machine.ills.values())
        identity = ask()
        self.judge.opened(
            identity,
            disturbed=not lively or bool(self.kafka.losses or self.kafka.late or self.kafka.settings.refused or ills),
        )
        self._woken = True
        return identity

    def lose_a_vote(self, index: int) -> None:
        """A controller's volume goes, if all of them have theirs and vote: what two lose, nobody can give back."""
        controllers = [node for node in self.nodes() if node.role is Role.CONTROLLER]
        if all(node in self.machine.volumes for node in controllers) and self.kafka.votes_of == {
            node.number: self.machine.volumes[node] for node in controllers
        }:
            self.lose_volume(controllers[index])

    def delete(self) -> None:
        with self.store.write() as rows:
            record = rows.clusters.get(self.cluster)
            if record is not None and not record.spec.removed:
                rows.clusters.put_spec(evolve(record.spec, removed=True))
                rows.queue.wake(self.cluster)
        self.deleted = True
        self._woken = True

    # -- inside

    def _sleep(self, seconds: float) -> None:
        """Time goes on until the next pass is due, or something wakes the loop."""
        end = self.machine.now + timedelta(seconds=seconds)
        while self.machine.now < end and not self._woken:
            deaths = self.machine.deaths
            self._tick()
            if self.wake_ups and self.machine.deaths > deaths:
                self._woken = True

    def _tick(self) -> None:
        self.machine.tick(TICK)
        self.kafka.tick()
        self.judge.ticked()

    def _frame(self, spec: ClusterSpec) -> Frame:
        if spec.configuration is None:
            return frame()
        with self.store.read() as rows:
            return frame(user=effective_of(rows.configurations.properties_of(spec), spec.kafka_version))
