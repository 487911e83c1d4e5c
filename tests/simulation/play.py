"""The real reconciler and the real store over a simulated machine and a simulated Kafka, one thread, one clock.

What must never happen is asserted at each verb against the truth of the simulation, not against what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

from attrs import define, evolve, field
from fakes.kafka import FakeKafka, Replicas
from fakes.views import desired, frame
from fakes.world import Crash, Machine, Process

from penstock.control.cluster.health import missing
from penstock.control.cluster.reconciler import ClusterReconciler
from penstock.control.cluster.sentences import explained
from penstock.control.cluster.surroundings import Surroundings
from penstock.kafka.properties import CLIENT_LEAF, INNER_LEAF
from penstock.model.ids import FIRST_CONTROLLER, ClusterId, NodeId, Role
from penstock.model.observation import ClusterView
from penstock.model.operation import OperationKind, OperationState
from penstock.model.plan import Plan
from penstock.model.spec import ClusterState, ClusterStatus
from penstock.store.records import ClusterRecord, OperationRecord
from penstock.store.store import Store

KEY = b"k" * 32
TICK = 0.1
UNKNOWABLE = timedelta(seconds=3.5)
"""A process that hangs, and that no signal stopped, is believed in until its session ends."""


class Watched(ClusterReconciler):
    """The real one; keeps what its last pass saw and planned."""

    last: tuple[ClusterView, Plan] | None = None

    def decide(self, *arguments: object, **options: object) -> tuple[ClusterView, Plan]:  # type: ignore[override]
        self.last = super().decide(*arguments, **options)  # type: ignore[arg-type]
        return self.last


@define
class Reboot:
    """A reboot that was asked for, and whether anything else befell its broker meanwhile."""

    operation: str
    node: NodeId
    starts: int
    disturbed: bool = False


@define
class Play:
    """One cluster from its create on. `wake_ups`: deaths of processes wake the loop."""

    store: Store
    brokers: int = 3
    topics: tuple[tuple[int, int], ...] = ((3, 2), (3, 2), (2, 1), (1, 1))
    """(replicas, min ISR) of each partition."""
    wake_ups: bool = True
    network_address: str | None = None
    """The setting, as the next control plane reads it."""
    cluster: ClusterId = field(factory=lambda: ClusterId(f"{uuid4()}-1"))
    machine: Machine = field(factory=Machine)
    kafka: FakeKafka = field(init=False)
    plane: Watched = field(init=False)
    reboots: list[Reboot] = field(factory=list)
    disrupted: dict[NodeId, int] = field(factory=dict)
    """Nodes that were asked to go down and have not served since, and in which pass that was."""
    deleted: bool = False
    passes: int = 0
    crashes: int = 0
    _woken: bool = True

    def __attrs_post_init__(self) -> None:
        numbers = range(1, self.brokers + 1)
        partitions = []
        for index, (copies, minimum) in enumerate(self.topics):
            replicas = tuple(1 + (index + n) % self.brokers for n in range(min(copies, self.brokers)))
            partitions.append(Replicas("orders", index, replicas, list(replicas), minimum))
        voters = tuple(range(FIRST_CONTROLLER, FIRST_CONTROLLER + 3))
        self.kafka = FakeKafka(self.machine, self.cluster, voters, partitions)
        self.machine.before = self.judge
        spec = desired(self.cluster, len(numbers), placed=False, name=f"c{self.cluster[:13]}", created=self.machine.now)
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
                frame=lambda spec: frame(),
                connect=lambda spec, layout: self.kafka,
                issue=lambda spec, leaf: b"a leaf",
                patience=timedelta(seconds=60),
                operation_patience=timedelta(seconds=600),
                still_ours=lambda: self.store.term() == term,
                network_address=self.network_address,
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
            self._check_reboots()
            self._check_reason(len(self.machine.verbs) > before)
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
        return [
            *(NodeId(self.cluster, Role.BROKER, n) for n in range(1, self.brokers + 1)),
            *(NodeId(self.cluster, Role.CONTROLLER, n) for n in self.kafka.voters),
        ]

    def whole(self) -> bool:
        """Really: every node serves, every replica is in sync, and leaders are where they belong."""
        return all(self.kafka.serves(node.number) for node in self.nodes()) and all(
            set(p.isr) == set(p.replicas) and p.leader == p.replicas[0] for p in self.kafka.topics
        )

    def _in_sync(self) -> bool:
        return all(set(p.isr) == set(p.replicas) for p in self.kafka.topics)

    def at_rest(self) -> bool:
        if self.deleted:
            return self.record() is None and not self.machine.runs and not self.machine.volumes
        if self.state is not ClusterState.ACTIVE or not self.whole() or self.kafka.late:
            return False
        return self.plane.last is not None and self.plane.last[1] == Plan() and self._open() is None

    def told(self) -> str:
        """The cluster in words, for a test that fails."""
        record, last = self.record(), self.plane.last
        lines = [str(record.status) if record else "gone"]
        if last is not None:
            lines += explained(*last, self.machine.now, lambda node: "")
        return "\n".join([*lines, *self.machine.verbs[-20:]])

    # -- what befalls it

    def node(self, index: int) -> NodeId:
        return self.nodes()[index % len(self.nodes())]

    def kill(self, node: NodeId) -> None:
        self._disturb(node)
        self.machine.kill(node)

    def suspend(self, node: NodeId) -> None:
        self._disturb(node)
        self.machine.suspend(node)

    def hang(self, node: NodeId) -> None:
        self._disturb(node)
        self.machine.hang(node)

    def lose_an_answer(self, how: str) -> None:
        for node in self.nodes():
            self._disturb(node)
        self.kafka.losses.append(how)

    def fail_starts(self, node: NodeId, times: int) -> None:
        self._disturb(node)
        self.machine.ill(node).fails += times

    def age(self, node: NodeId, path: str) -> None:
        """Two thirds of a certificate's life are over."""
        process = self.machine.process(node)
        if process is not None and path in process.leaves:
            self._disturb(node)
            start, end = process.leaves[path]
            life = end - start
            process.leaves[path] = (self.machine.now - life * 0.7, self.machine.now + life * 0.3)

    def age_inner(self, node: NodeId) -> None:
        self.age(node, INNER_LEAF)

    def age_client(self, node: NodeId) -> None:
        self.age(node, CLIENT_LEAF)

    def reboot(self, node: NodeId) -> None:
        """RebootBroker, which needs ACTIVE and no open operation."""
        with self.store.write() as rows:
            record = rows.clusters.get(self.cluster)
            if node.role is not Role.BROKER or record is None or record.status.state is not ClusterState.ACTIVE:
                return
            if record.spec.removed or rows.operations.current(self.cluster) is not None:
                return
            place = record.spec.place(node)
            operation = rows.operations.open(
                OperationKind.REBOOT_NODE,
                self.cluster,
                source={},
                target={"node": node.name, "number": node.number},
                client_request_id="r",
                now=self.machine.now,
            )
            rows.clusters.put_spec(record.spec.with_place(evolve(place, restarts=place.restarts + 1)))
            rows.queue.wake(self.cluster)
        lively = self.whole() and all(process.moves for process in self.machine.running())
        pending = self.kafka.losses or self.kafka.late or any(i.fails or i.refuses for i in self.machine.ills.values())
        self.reboots.append(Reboot(operation, node, self._starts(node), disturbed=not lively or bool(pending)))
        self._woken = True

    def update(self, kind: OperationKind, target: Mapping[str, object], **wanted: object) -> None:
        """An update of an ACTIVE cluster: other fields of its spec, and the way back to what they were."""
        with self.store.write() as rows:
            record = rows.clusters.get(self.cluster)
            assert record is not None
            before = {name: getattr(record.spec, name) for name in wanted}
            told = {**target, **({"before": before} if before else {})}
            rows.operations.open(
                kind, self.cluster, source={}, target=told, client_request_id="u", now=self.machine.now
            )
            rows.clusters.put_spec(evolve(record.spec, **wanted))
            rows.queue.wake(self.cluster)
        self._woken = True

    def lose_volume(self, node: NodeId) -> None:
        self.kill(node)
        self.machine.lost[node] = self.machine.volumes.pop(node)

    def delete(self) -> None:
        with self.store.write() as rows:
            record = rows.clusters.get(self.cluster)
            if record is not None and not record.spec.removed:
                rows.clusters.put_spec(evolve(record.spec, removed=True))
                rows.queue.wake(self.cluster)
        self.deleted = True
        self._woken = True

    # -- what must never happen

    def judge(self, verb: str, node: NodeId) -> None:
        """Asked by the machine before each verb."""
        assert self.deleted or verb != "remove", f"{node} of a cluster that should exist was removed"
        assert not self.deleted or verb == "remove", f"{verb} {node} of a deleted cluster"
        process = self.machine.process(node)
        if verb == "stop gracefully":
            assert process is not None
            assert process.stopping is None, f"{node} was asked to stop a second time"
            self._judge_disruption(node)
            self.disrupted[node] = self.passes
        elif verb == "start" and node in self.machine.lost and node.role is Role.BROKER:
            held = [p for p in self.kafka.topics if node.number in p.replicas]
            assert all(set(p.isr) - {node.number} for p in held), (
                f"{node} starts empty and was the last to have the data"
            )
        elif verb in ("stop at once", "stop as futile"):
            assert process is not None
            assert self._useless(process), f"{node} works and was killed"

    def _judge_disruption(self, node: NodeId) -> None:
        away = set(self.disrupted) - {node}
        if away:
            one_batch = {self._zone(other) for other in (*away, node)} == {
                self._zone(node)
            } and node.role is Role.BROKER
            one_pass = set(self.disrupted.values()) == {self.passes}
            assert one_batch, f"{node} goes down beside {away} of elsewhere"
            assert one_pass, f"{node} goes down while {away} are not back"
        if node.role is Role.CONTROLLER:
            left = {n for n in self.kafka.voters if n != node.number and self._believable(n)}
            assert len(left) >= 2, f"the quorum loses its majority with {node}"
            return
        for p in self.kafka.topics:
            if node.number in p.isr and len(p.replicas) > p.min_isr:
                gone = {other.number for other in (*away, node)}
                left = {n for n in p.isr if n not in gone and self._believable(n)}
                assert len(left) >= p.min_isr, f"{p} goes below its minimum with {node}"

    def _zone(self, node: NodeId) -> str:
        record = self.record()
        assert record is not None
        return f"{node.role} in {record.spec.place(node).subnet.zone}"

    def _believable(self, number: int) -> bool:
        process = self.kafka.process(number)
        fresh = process is not None and process.hung and self.machine.now - process.hung_at <= UNKNOWABLE
        return self.kafka.serves(number) or (fresh and process is not None and not process.suspended)

    def _useless(self, process: Process) -> bool:
        number = process.spec.id.number
        registration = self.kafka.registrations.get(number)
        lost = process.spec.id.role is Role.BROKER and (registration is None or registration.pid != process.pid)
        hopeless = process.stopping is not None and self.machine.now - process.stopping >= timedelta(seconds=120)
        reading = process.moves and self.machine.read(process) < process.reads
        return not process.moves or hopeless or (lost and not reading)

    def _check_reboots(self) -> None:
        for reboot in list(self.reboots):
            with self.store.read() as rows:
                operation = rows.operations.get(reboot.operation)
            if operation is not None and operation.ended is not None:
                self.reboots.remove(reboot)
                assert operation.state is OperationState.REBOOT_COMPLETE
                started = self._starts(reboot.node) - reboot.starts
                assert started >= 1, "a reboot was complete without a restart"
                assert started == 1 or reboot.disturbed, f"{reboot.node} was restarted {started} times for one reboot"
                assert reboot.disturbed or self._in_sync(), "a reboot was complete before the cluster was whole"

    def _check_reason(self, acted: bool) -> None:
        """A pass that does nothing while something is wrong says on what it waits."""
        record = self.record()
        if record is None or self.plane.last is None or acted:
            return
        view, plan = self.plane.last
        if record.status.state in (ClusterState.ACTIVE, ClusterState.FAILED, ClusterState.DELETING):
            return
        assert plan.actions or plan.waits or missing(view) or record.status.message or view.operation, self.told()
        lines = explained(view, plan, self.machine.now, lambda node: "")
        assert record.status.message or view.operation or "There is nothing to do." not in lines, self.told()

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
        self.disrupted = {node: when for node, when in self.disrupted.items() if not self.kafka.serves(node.number)}

    def _open(self) -> object:
        with self.store.read() as rows:
            return rows.operations.current(self.cluster)

    def _starts(self, node: NodeId) -> int:
        return self.machine.verbs.count(f"start {node}")

    def _disturb(self, node: NodeId) -> None:
        for reboot in self.reboots:
            reboot.disturbed = True
