"""What must never happen, asked at each verb and after each pass, against the truth of the simulation and not against what
the control plane saw of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import define, field
from fakes.world import Process

from penstock.control.cluster.health import missing
from penstock.control.cluster.sentences import explained
from penstock.model.ids import NodeId, Role
from penstock.model.operation import OperationKind, OperationState
from penstock.model.quarantine import Aside
from penstock.model.rebalance import Key
from penstock.model.spec import ClusterSpec, ClusterState
from penstock.store.records import OperationRecord

if TYPE_CHECKING:
    from simulation.play import Play

UNKNOWABLE = timedelta(seconds=3.5)
"""A process that hangs, and that no signal stopped, is believed in until its session ends."""
COMPLETE = (OperationState.UPDATE_COMPLETE, OperationState.REBOOT_COMPLETE)
SCALING = (OperationKind.INCREASE_BROKER_COUNT, OperationKind.DECREASE_BROKER_COUNT)
RANK = {"PENDING": 0, "IN_PROGRESS": 1, "COMPLETED": 2}


@define
class Account:
    """An operation from its call to its end. `disturbed`: something befell the cluster meanwhile that nobody asked for."""

    operation: str
    runs: Counter[NodeId]
    """How often each node had started."""
    copies: dict[Key, int]
    """Replicas of each partition."""
    disturbed: bool = False
    stops: Counter[NodeId] = field(factory=Counter)
    """Graceful stops of each node since."""
    reasons: Counter[NodeId] = field(factory=Counter)
    """Reasons to restart a node that arose beside it: certificates."""
    shown: list[tuple[tuple[str, str], ...]] = field(factory=list)
    """Names and statuses of its steps, each time that they changed."""


@define
class Judge:
    """Of one play."""

    play: Play
    accounts: list[Account] = field(factory=list)
    """Of the operations that go on."""
    disrupted: dict[NodeId, int] = field(factory=dict)
    """Nodes that were asked to go down and have not served since, and in which pass that was."""
    rebuilt: set[NodeId] = field(factory=set)
    """Brokers whose storage was given up, until they have everything again."""
    quarantined: list[NodeId] = field(factory=list)
    """Nodes whose storage was put away in this pass."""
    theirs: dict[Key, tuple[int, ...]] = field(factory=dict)
    """Where somebody else took partitions while no operation moved any, and none has since."""
    grown: int = 0
    """The last pass in which storage was made larger that was in use."""
    discarded: int = 0
    """The last pass in which something was deleted in quarantine."""

    # -- what it is told

    def opened(self, operation: str, *, disturbed: bool) -> None:
        machine, kafka = self.play.machine, self.play.kafka
        runs = Counter({node: len(runs) for node, runs in machine.runs.items()})
        copies = {partition.key: len(partition.facts.target) for partition in kafka.topics}
        self.accounts.append(Account(operation, runs, copies, disturbed))
        if self._record(self.accounts[-1]).kind in SCALING:
            self.theirs.clear()

    def reassigned(self, key: Key, wanted: tuple[int, ...]) -> None:
        """Somebody else has ordered it."""
        if not any(self._record(account).kind in SCALING for account in self.accounts):
            self.theirs[key] = wanted

    def settled(self) -> None:
        """All has come to rest: what somebody else ordered stands."""
        assert not self.play.kafka.moving.theirs, "a reassignment of somebody else's has not ended"
        now = {partition.key: partition.replicas for partition in self.play.kafka.topics}
        changed = {key: now.get(key) for key, wanted in self.theirs.items() if now.get(key) != wanted}
        assert not changed, f"somebody else took partitions to {self.theirs}, and now they are on {changed}"

    def disturbed(self) -> None:
        for account in self.accounts:
            account.disturbed = True

    def reason(self, node: NodeId) -> None:
        """There is another reason to restart the node."""
        for account in self.accounts:
            account.reasons[node] += 1

    def ticked(self) -> None:
        """Time has gone on."""
        serves = self.play.kafka.serves
        self.disrupted = {node: when for node, when in self.disrupted.items() if not serves(node.number)}
        self.rebuilt = {node for node in self.rebuilt if not self._has_all(node)}

    # -- at each verb

    def verb(self, verb: str, node: NodeId) -> None:
        """Asked before each verb."""
        deleted = self.play.deleted
        assert deleted or verb != "remove", f"{node} of a cluster that should exist was removed"
        assert not deleted or verb in ("remove", "discard"), f"{verb} {node} of a deleted cluster"
        process = self.play.machine.process(node)
        match verb:
            case "start":
                assert node in self.play.nodes(), f"{node} is no part of the cluster and was started"
                self._judge_empty_start(node)
            case "stop gracefully":
                assert process is not None
                assert process.leaves_when is None, f"{node} was asked to stop a second time"
                self._judge_disruption(node)
                self.disrupted[node] = self.play.passes
                self._count_stop(node)
            case "stop at once" | "stop as futile":
                assert process is not None
                retired = node in self._spec().retired
                assert retired or self._useless(process), f"{node} works and was killed"
                assert not retired or not self._counted_on(node), (
                    f"{node} was killed and {self._counted_on(node)} count on it"
                )
            case "take the vote":
                others = [number for number in self.play.kafka.votes_of if number != node.number]
                assert len(others) >= 2, f"the vote of {node} is taken and the others are no majority"
                assert all(map(self._believable, others)), f"the vote of {node} is taken while others are away"
            case "retire":
                assert self._spec().place(node).leaving, f"{node} was written out and nobody asked for that"
                assert process is None, f"{node} runs and was written out"
                assert not self._counted_on(node), f"{node} was written out and {self._counted_on(node)} count on it"
            case "rehouse":
                self._judge_storage(node)
                self.rebuilt.add(node)
            case "grow":
                brokers = [place.id for place in self._spec().brokers if place.id in self.play.machine.volumes]
                away = [other for other in brokers if other != node and not self._believable(other.number)]
                assert not away, f"the volume of {node} is grown while {away} do not serve"
                assert self.grown < self.play.passes, f"the volume of {node} is grown beside another one"
                self.grown = self.play.passes
            case "discard":
                volume, keep = self.play.machine.discarding, self.play.keep_quarantined
                assert volume is not None
                assert node.cluster == self.play.cluster, f"{volume.path} is of another cluster"
                assert volume.why is Aside.RETIRED, f"{volume.path} is in doubt and was deleted"
                if not deleted:
                    assert volume.at is not None
                    assert keep is not None
                    assert volume.at + keep <= self.play.machine.now, f"{volume.path} was deleted too early"
                    assert self.play.whole(leaders=False), f"{volume.path} was deleted while the cluster was not whole"
                    assert self.discarded < self.play.passes, f"{volume.path} was deleted beside another one"
                self.discarded = self.play.passes
            case "quarantine":
                assert node in self._spec().retired, f"the volume of {node} was put away, and it has not retired"
                assert process is None, f"the volume of {node} was taken from under it"
                assert not self._counted_on(node), f"{node} was put away and {self._counted_on(node)} count on it"
                assert node.number not in self.play.kafka.registrations, f"{node} was put away and is still registered"
                self._judge_storage(node)
                self.quarantined.append(node)

    def _judge_storage(self, node: NodeId) -> None:
        self.rebuilt = {other for other in self.rebuilt if other in self.play.nodes() and not self._has_all(other)}
        # Records are on brokers and metadata is on controllers: neither is put at risk by the other's being rebuilt.
        others = [other for other in (*self.rebuilt, *self.quarantined) if other != node and other.role is node.role]
        assert not others, f"the storage of {node} was given up while that of {others} is not whole again"

    def _judge_empty_start(self, node: NodeId) -> None:
        if node in self.play.machine.lost and node.role is Role.CONTROLLER:
            assert node.number not in self.play.kafka.votes_of, f"{node} starts empty and votes"
        elif node in self.play.machine.lost:
            for partition in self.play.kafka.holds(node.number):
                left = set(partition.isr) - {node.number}
                assert left, f"{node} starts empty and was the last to have {partition.key}"

    def _judge_disruption(self, node: NodeId) -> None:
        away = {other: when for other, when in self.disrupted.items() if other in self.play.nodes() and other != node}
        for other, when in away.items():
            assert self._zone(other) == self._zone(node), f"{node} goes down beside {other} of elsewhere"
            assert node.role is Role.BROKER, f"{node} goes down beside {other}"
            assert when == self.play.passes, f"{node} goes down while {other} is not back"
        kafka = self.play.kafka
        if node.role is Role.CONTROLLER:
            left = {n for n in kafka.votes_of if n != node.number and self._believable(n)}
            assert len(left) >= 2, f"the quorum loses its majority with {node}"
            return
        if self._spec().place(node).leaving and not any(account.reasons[node] for account in self.accounts):
            assert not self._counted_on(node), f"{node} leaves and {self._counted_on(node)} count on it"
        for p in kafka.topics:
            if node.number in p.isr and len(p.replicas) > p.min_isr:
                gone = {other.number for other in (*away, node)}
                left = {n for n in p.isr if n not in gone and self._believable(n)}
                assert len(left) >= p.min_isr, f"{p} goes below its minimum with {node}"

    def _count_stop(self, node: NodeId) -> None:
        for account in self.accounts:
            account.stops[node] += 1
            most = 1 + account.reasons[node] + bool(self._record(account).work.setback)
            assert account.stops[node] <= most, f"{node} was stopped {account.stops[node]} times for one operation"

    # -- after each pass

    def passed(self, *, acted: bool) -> None:
        self.quarantined.clear()
        for account in list(self.accounts):
            operation = self._record(account)
            self._check_steps(account, operation)
            if operation.ended is not None:
                self.accounts.remove(account)
                self._check_end(account, operation)
        self._check_reason(acted)

    def _check_steps(self, account: Account, operation: OperationRecord) -> None:
        now = tuple((step.name, step.status) for step in operation.steps)
        before = account.shown[-1] if account.shown else ()
        if now == before:
            return
        for (name, was), (same, is_) in zip(before, now, strict=bool(before)):
            assert (name, RANK[was]) <= (same, RANK[is_]), f"a step went backwards: {before}, then {now}"
        account.shown.append(now)

    def _check_end(self, account: Account, operation: OperationRecord) -> None:
        if operation.state not in COMPLETE:
            assert account.disturbed, f"{operation.kind} failed though nothing befell it: {operation.error_string}"
            return
        play = self.play
        assert play.state is ClusterState.ACTIVE, f"{operation.kind} is complete and the cluster is {play.state}"
        assert {status for _, status in account.shown[-1]} == {"COMPLETED"}
        self._check_true(account, operation)
        if not account.disturbed:
            assert play.whole(leaders=False), f"{operation.kind} is complete and the cluster is not whole"
            for node in play.nodes():
                started = len(play.machine.runs[node]) - account.runs[node]
                assert started <= 1, f"{node} was started {started} times for one {operation.kind}"

    def _check_true(self, account: Account, operation: OperationRecord) -> None:
        """What the operation was to bring about is so, at least as far as the living can show it."""
        play, spec, kafka = self.play, self._spec(), self.play.kafka
        brokers = [place.id for place in spec.brokers]
        for node in play.layout():
            process = play.machine.process(node.id)
            assert process is not None, f"{operation.kind} is complete and {node.id} does not run"
            assert process.spec.revision == node.revision, (
                f"{operation.kind} is complete and {node.id} runs an old revision"
            )
        for key, copies in account.copies.items():
            now = [len(p.facts.target) for p in kafka.topics if p.key == key]
            assert now in ([copies], []), f"{key} had {copies} replicas and has {now}"  # a topic may be deleted
        match operation.kind:
            case OperationKind.REBOOT_NODE:
                (node,) = (node for node in brokers if node.name == operation.target["node"])
                assert len(play.machine.runs[node]) > account.runs[node], "a reboot was complete without a restart"
            case OperationKind.INCREASE_BROKER_COUNT | OperationKind.DECREASE_BROKER_COUNT:
                assert len(brokers) == operation.target["NumberOfBrokerNodes"]
                assert set(kafka.registrations) <= {node.number for node in brokers}, (
                    "one that left is still registered"
                )
                assert not any(p.facts.moving for p in kafka.topics), "complete, and replicas move"
                assert not kafka.moving.slowed, "complete, and replicas are throttled"
                assert kafka.moving.rate is None, "complete, and brokers have limits"
                assert not kafka.moving.closed.intersection(node.number for node in brokers), (
                    "a broker gets no new topics"
                )
                gone = {n for p in kafka.topics for n in p.replicas} - {node.number for node in brokers}
                assert not gone, f"replicas are on {gone}, which are no part of the cluster"
                assert not spec.retired
                assert {node for node in play.machine.runs if node.role is Role.BROKER} == set(brokers)
            case OperationKind.UPDATE_BROKER_EBS_VOLUME:
                assert {play.machine.sizes[node] for node in brokers} == {spec.volume_gib}
            case _:
                pass
        for name, value in (operation.target.get("live") or {}).items():
            assert {kafka.settings.of(node.number, name) for node in brokers} == {value}

    def _check_reason(self, acted: bool) -> None:
        """A pass that does nothing while something is wrong says on what it waits."""
        play = self.play
        record = play.record()
        if record is None or play.plane.last is None or acted:
            return
        view, plan = play.plane.last
        if record.status.state in (ClusterState.ACTIVE, ClusterState.FAILED, ClusterState.DELETING):
            return
        assert plan.actions or plan.waits or missing(view) or record.status.message or view.operation, play.told()
        lines = explained(view, plan, lambda node: "")
        assert record.status.message or view.operation or "There is nothing to do." not in lines, play.told()

    # -- the truth

    def _spec(self) -> ClusterSpec:
        record = self.play.record()
        assert record is not None
        return record.spec

    def _record(self, account: Account) -> OperationRecord:
        with self.play.store.read() as rows:
            operation = rows.operations.get(account.operation)
        assert operation is not None
        return operation

    def _counted_on(self, node: NodeId) -> list[Key]:
        return [partition.key for partition in self.play.kafka.holds(node.number)]

    def _has_all(self, node: NodeId) -> bool:
        held = self.play.kafka.holds(node.number)
        return self.play.kafka.serves(node.number) and all(
            node.number in p.isr or node.number in p.adding for p in held
        )

    def _believable(self, number: int) -> bool:
        process = self.play.kafka.process(number)
        fresh = process is not None and process.hung and self.play.machine.now - process.hung_at <= UNKNOWABLE
        return self.play.kafka.serves(number) or (fresh and process is not None and not process.suspended)

    def _useless(self, process: Process) -> bool:
        number = process.spec.id.number
        registration = self.play.kafka.registrations.get(number)
        lost = process.spec.id.role is Role.BROKER and (registration is None or registration.pid != process.pid)
        hopeless = process.leaves_when is not None and self.play.machine.now - process.leaves_when >= timedelta(
            seconds=120
        )
        reading = process.moves and self.play.machine.read(process) < process.reads
        return not process.moves or hopeless or (lost and not reading)

    def _zone(self, node: NodeId) -> str:
        return f"{node.role} in {self._spec().place(node).subnet.zone}"
