"""One pass over one cluster: layout, observe, plan, act, commit, in that order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from attrs import define, evolve

from penstock.compute.base import ComputeError
from penstock.control.cluster import obstacles, sentences
from penstock.control.cluster.act import Done, Failure, Hands, carry_out
from penstock.control.cluster.course import Course, course
from penstock.control.cluster.draft import PARTITIONS
from penstock.control.cluster.due import BROKERS_EVERY, due
from penstock.control.cluster.health import missing
from penstock.control.cluster.layout import Layout, renewed
from penstock.control.cluster.memory import LOST_SIGHT
from penstock.control.cluster.observe import Observer
from penstock.control.cluster.outcome import ended
from penstock.control.cluster.places import dated, endowed, undated
from penstock.control.cluster.retreat import gone_back
from penstock.control.cluster.rules import plan as run_rules
from penstock.control.cluster.state import resumed
from penstock.control.cluster.state import status as computed_status
from penstock.control.cluster.steps import left
from penstock.control.cluster.surroundings import Surroundings
from penstock.control.reconciler import Verdict
from penstock.kafka.runtimes import NotPrepared
from penstock.model.ids import ClusterId, NodeId
from penstock.model.node import NodeSpec
from penstock.model.observation import ClusterView
from penstock.model.operation import OpenOperation
from penstock.model.plan import Plan
from penstock.model.spec import ClusterSpec, ClusterState, ClusterStatus
from penstock.store.records import ClusterRecord

log = structlog.get_logger(__name__)

PARTITIONS_EVERY = timedelta(seconds=30)
PARTITIONS_AFTER_AN_EVENT = timedelta(seconds=5)
"""A look this young is good enough when something happened: what starts has no core to spare for answering us."""
LAYOUT_KEPT = timedelta(seconds=30)
LOOK_HOLDS = timedelta(seconds=3)
"""What a look proves about others holds so long: a node may die right after it, and its session is as long."""


@define
class _Room:
    """What is kept for one cluster between passes, for speed alone."""

    observer: Observer
    partitions_seen: datetime | None = None
    seen: datetime | None = None
    """When the last look of any depth ended."""
    looked: datetime | None = None
    """When the last pass was made that acted."""
    lost_sight: bool = True
    """It was long ago: time in which nobody looked is no time without progress."""
    layout: Layout | None = None
    layout_at: datetime | None = None
    """When it was last compared with what a new one would be made from."""


class ClusterReconciler:
    """Brings one cluster after another towards its spec."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._rooms: dict[str, _Room] = {}
        self._lock = threading.Lock()

    def reconcile(self, resource: str, *, woken: bool) -> Verdict:
        """One pass: look, decide, act, write down what came of it."""
        cluster = ClusterId(resource)
        with self._around.store.read() as rows:
            record = rows.clusters.get(cluster)
            operation = rows.operations.current(cluster)
            asked = rows.queue.asked(cluster)
        if record is None:
            return Verdict(None)
        try:
            verdict = self._pass(record, operation, woken=woken)
        except ComputeError as error:  # it cannot be asked: acts that do not work are failures of their own
            verdict = self._unseen(record, operation, error)
        if asked is not None:
            with self._around.store.write() as rows:
                rows.queue.done(cluster, asked)
        return verdict

    def _pass(self, record: ClusterRecord, operation: OpenOperation | None, *, woken: bool) -> Verdict:
        around = self._around
        now = around.clock()
        room = self._room(record.spec.id)
        room.lost_sight = room.looked is None or now - room.looked > LOST_SIGHT
        status = resumed(record.status) if room.lost_sight else record.status
        try:
            spec = endowed(record.spec, around.store, around.compute, around.network_address)
        except ComputeError as error:
            view = room.observer.look(record.spec, status, (), operation, 1, now)
            return self._commit(view, obstacles.unplaced(str(error)), [], [], now)
        view, plan = self.decide(spec, status, operation, now, woken=woken)
        if spec.paused or (plan.actions and not around.still_ours()):  # what is only written down, the store refuses
            return Verdict(BROKERS_EVERY, "paused")
        failed = record.status.state is ClusterState.FAILED and not spec.removed
        done, failures = ([], []) if failed else self._act(view, plan)
        if spec.removed and not (view.sightings or plan.waits or done or failures):
            return self._gone(view, now)
        return self._commit(view, plan, done, failures, now)

    def decide(
        self, spec: ClusterSpec, status: ClusterStatus, operation: OpenOperation | None, now: datetime, *, woken: bool
    ) -> tuple[ClusterView, Plan]:
        """The look and the plan of a pass, without acting: what `penstock plan` shows."""
        room = self._room(spec.id)
        layout: tuple[NodeSpec, ...] = ()
        unprepared: NotPrepared | None = None
        try:
            layout = self._laid_out(room, spec, now)
        except NotPrepared as error:
            unprepared = error
        view = room.observer.look(spec, status, layout, operation, self._depth(room, status, now, woken=woken), now)
        busy = status.completed and (status.state is not ClusterState.ACTIVE or operation is not None)
        if busy and layout and view.depth < PARTITIONS and not missing(view):
            view = room.observer.deepen(view, PARTITIONS, now)  # all serve: whether all is in sync is what is left
        room.seen = self._around.clock()
        if unprepared is not None:
            return view, obstacles.unprepared(spec.kafka_version, unprepared)
        plan, wanted = run_rules(view, now)
        if wanted > view.depth and layout:
            view = room.observer.deepen(view, wanted, now)
            room.seen = self._around.clock()
            plan, _ = run_rules(view, now)
        if view.depth >= PARTITIONS:
            room.partitions_seen = now
        if layout and room.layout_at != now and plan.writes:
            room.layout_at = None  # what is about to be written must be of now
            view = evolve(view, layout=self._laid_out(room, spec, now))
            plan, _ = run_rules(view, now)
        return view, sentences.quoting(plan, view, self._around.compute.tail)

    def _laid_out(self, room: _Room, spec: ClusterSpec, now: datetime) -> tuple[NodeSpec, ...]:
        """The layout, kept for a while: much of a quiet pass would go into what it would be made from."""
        if spec.removed:
            return ()
        stale = room.layout_at is None or now - room.layout_at > LAYOUT_KEPT
        if room.layout is None or stale or room.layout.spec != spec:
            room.layout, room.layout_at = renewed(room.layout, spec, self._around.frame(spec)), now
        return room.layout.nodes

    def forget(self, resource: str) -> None:
        """The cluster is gone: close what was open for it."""
        with self._lock:
            room = self._rooms.pop(resource, None)
        if room is not None:
            room.observer.close()

    def _room(self, cluster: str) -> _Room:
        with self._lock:
            if cluster not in self._rooms:
                around = self._around
                self._rooms[cluster] = _Room(
                    Observer(around.compute, around.connect, around.probe, around.keep_quarantined)
                )
            return self._rooms[cluster]

    def _depth(self, room: _Room, status: ClusterStatus, now: datetime, *, woken: bool) -> int:
        """How deep to look at first. Rules ask for more where they need it, and so does what waits for replicas."""
        kept = PARTITIONS_AFTER_AN_EVENT if woken else PARTITIONS_EVERY
        stale = room.partitions_seen is None or now - room.partitions_seen >= kept
        return PARTITIONS if status.completed and stale else 2

    def _act(self, view: ClusterView, plan: Plan) -> tuple[list[Done], list[Failure]]:
        around = self._around
        room = self._room(view.spec.id)
        observer, seen = room.observer, room.seen
        hands = Hands(
            compute=around.compute,
            admin=lambda: observer.admin(view.spec, view.layout),
            issue=lambda leaf: around.issue(view.spec, leaf),
            fence=around.fence,
            write_down=self._rehouse,
            retire=self._retire,
            fresh=lambda: seen is not None and around.clock() - seen <= LOOK_HOLDS,
        )
        outcomes = carry_out(plan.actions, hands, around.together)
        observer.discarded(plan.discards)
        return outcomes

    def _rehouse(self, node: NodeId, directory: str) -> None:
        self._amend(
            node.cluster, lambda spec: spec.with_place(evolve(spec.place(node), directory=directory, joins=True))
        )

    def _retire(self, node: NodeId) -> None:
        self._amend(node.cluster, lambda spec: spec.without(node))

    def _amend(self, cluster: ClusterId, change: Callable[[ClusterSpec], ClusterSpec]) -> None:
        """Write down what the loop itself decided about nodes: no update of the user's, so no other `CurrentVersion`."""
        with self._around.store.write() as rows:
            record = rows.clusters.get(cluster)
            if record is not None:
                rows.clusters.put_spec(change(record.spec), bump=False)

    def _commit(
        self, view: ClusterView, plan: Plan, done: Sequence[Done], failures: Sequence[Failure], now: datetime
    ) -> Verdict:
        """One transaction: status, operation steps, one event sentence. A pass that finds nothing to do writes nothing."""
        around = self._around
        if failures:
            plan = evolve(plan, waits=(*plan.waits, *(sentences.failed(failure) for failure in failures)))
        self._room(view.spec.id).looked = now
        status = computed_status(view, plan, now, around.patience)
        at = self._course(view, plan, status, done, failures, now)
        if at is not None and at.ending is not None:
            later = computed_status(evolve(view, operation=None), plan, now, around.patience)
            ending = at.ending
            if ending.why is None and later.state is not ClusterState.ACTIVE:
                at = evolve(at, ending=None)  # complete means ACTIVE again (msk.md 2.2)
            else:
                throttled = tuple(sorted({*later.throttled, *ending.throttled}))
                status = evolve(later, throttled=throttled, restrained=later.restrained or ending.restrained)
        sentence = sentences.passed(view, status, done, failures, at)
        new = status.state is ClusterState.ACTIVE and any(map(undated, view.spec.nodes))
        operation = at.operation if at is not None else None
        done_with = view.operation is None and view.spec.retired and left(view)
        changed = new or done_with or (status, operation) != (view.status, view.operation)
        if changed or sentence:
            with around.store.write() as rows:
                current = rows.clusters.get(view.spec.id)
                if current is None or current.spec.removed != view.spec.removed:
                    return Verdict(0.0)
                spec = dated(current.spec, view, now) if new else current.spec
                spec = evolve(spec, retired=()) if done_with else spec
                if status != view.status:
                    rows.clusters.put_status(view.spec.id, status)
                if at is not None and at.goes_back:
                    spec = gone_back(spec, at.operation)
                if operation is not None and operation != view.operation:
                    rows.operations.put(operation)
                if at is not None and at.ending is not None:
                    ending = at.ending
                    rows.operations.close(at.operation.id, ending.state, now, ending.code, ending.why)
                    rows.clusters.put_spec(ended(spec, at.operation, ending))
                elif spec != current.spec:
                    rows.clusters.put_spec(spec, bump=False)
                if sentence:
                    rows.events.append(view.spec.id, now, sentence)
        if sentence:
            log.info(sentence, cluster=view.spec.name)
        return Verdict(due(view, plan, status, done, now, around.clock()), sentence)

    def _course(
        self,
        view: ClusterView,
        plan: Plan,
        status: ClusterStatus,
        done: Sequence[Done],
        failures: Sequence[Failure],
        now: datetime,
    ) -> Course | None:
        """The open operation as it stands after this pass."""
        if view.operation is None:
            return None
        return course(
            view,
            view.operation,
            status,
            failures,
            now,
            self._around.operation_patience,
            lambda node: sentences.said(node, self._around.compute.tail),
            lost_sight=self._room(view.spec.id).lost_sight,
            ordered=plan.ordered,
            done=[each.reasoned for each in done],
        )

    def _unseen(self, record: ClusterRecord, operation: OpenOperation | None, error: ComputeError) -> Verdict:
        """Nothing can be known of the nodes, so nothing is done and nothing concluded; the status says why."""
        now, plan = self._around.clock(), obstacles.unseen(str(error))
        view = ClusterView(record.spec, record.status, (), {}, operation=operation)
        status = computed_status(view, plan, now, self._around.patience)
        sentence = sentences.passed(view, status, (), ())
        if status != record.status:
            log.warning(str(error), cluster=record.spec.name)
            with self._around.store.write() as rows:
                if rows.clusters.get(record.spec.id) is not None:
                    rows.clusters.put_status(record.spec.id, status)
                    if sentence:
                        rows.events.append(record.spec.id, now, sentence)
        return Verdict(BROKERS_EVERY, sentence)

    def _gone(self, view: ClusterView, now: datetime) -> Verdict:
        """Nothing of the deleted cluster is left: its rows go too, but for a history entry."""
        with self._around.store.write() as rows:
            rows.clusters.forget(view.spec.id, now, "deleted by its owner", [kept.path for kept in view.aside])
        log.info("deleted", cluster=view.spec.name)
        return Verdict(None, f"{view.spec.name} is deleted")
