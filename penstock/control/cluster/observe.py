"""One look at one cluster: the provider's sightings and Kafka's own view, put into a ClusterView.

What is remembered between looks only dates things (`Memory`) and keeps a connection open; losing it costs time and never
a wrong act."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import TypeVar

from attrs import evolve

from penstock.compute.base import Compute, ComputeError
from penstock.control.cluster.admin import Admin
from penstock.control.cluster.canary import glimpsed
from penstock.control.cluster.draft import PARTITIONS
from penstock.control.cluster.health import missing
from penstock.control.cluster.memory import Memory
from penstock.control.cluster.rebalance import gather
from penstock.control.cluster.rebalance.meter import Meter
from penstock.control.cluster.rebalance.pace import gentle
from penstock.control.cluster.rebalance.step import weighed
from penstock.control.cluster.safety import alive_voters
from penstock.kafka.listeners import CLIENT_SECURE
from penstock.kafka.logdirs import held
from penstock.kafka.reassign import Reassignment
from penstock.kafka.wire import KafkaError
from penstock.model.ids import NodeId, Role
from penstock.model.node import NodeSpec
from penstock.model.observation import (
    Absent,
    Bereft,
    ClusterView,
    Known,
    Observed,
    Running,
    Sighting,
    Unknown,
)
from penstock.model.operation import OpenOperation
from penstock.model.quarantine import Quarantined
from penstock.model.rebalance import Key, Limits, Traffic
from penstock.model.spec import ClusterSpec, ClusterState, ClusterStatus, NodePlace
from penstock.model.volume import GIB

T = TypeVar("T")

Probe = Callable[[str, int], datetime]
"""Address and port of a TLS listener -> the not-before of the certificate that it shows. Raises KafkaError."""


QUARANTINE_EVERY = timedelta(hours=1)


class Observer:
    """Looks at one cluster, again and again."""

    def __init__(
        self,
        compute: Compute,
        admin: Callable[[ClusterSpec, Sequence[NodeSpec]], Admin],
        probe: Probe | None = None,
        keep_quarantined: timedelta | None = None,
    ) -> None:
        self._compute = compute
        self._connect = admin
        self._probe = probe
        self._keep_quarantined = keep_quarantined
        self._quarantined: Observed[tuple[Quarantined, ...]] = Unknown("not looked at")
        self._quarantined_at: datetime | None = None
        self._lock = Lock()
        self._reassignments: Mapping[Key, Reassignment] = {}
        self._meter = Meter("")
        self._grows_in_use = compute.capabilities.grows_in_use  # a fact of the machine: asked once
        self._memory = Memory(compute.tail)
        self._admin: Admin | None = None
        self._known: tuple[NodeId, ...] = ()

    def look(
        self,
        spec: ClusterSpec,
        status: ClusterStatus,
        layout: tuple[NodeSpec, ...],
        operation: OpenOperation | None,
        depth: int,
        now: datetime,
    ) -> ClusterView:
        """A look of the given depth. Nodes that are not known to run are not asked anything."""
        sightings = dict(self._compute.sightings(spec.id))
        wanted = {node.id for node in layout}
        view = ClusterView(
            spec=spec,
            status=status,
            layout=layout,
            sightings=sightings
            if spec.removed
            else {**sightings, **{n.id: _seen(sightings, spec.place(n.id)) for n in layout}},
            strays=tuple(sorted(set(sightings) - wanted)) if not spec.removed and layout else (),
            operation=operation,
            grows_in_use=self._grows_in_use,
            quarantined=self._aside(spec, now),
            keep_quarantined=self._keep_quarantined,
        )
        return self.deepen(view, depth, now) if depth > 1 and layout else view

    def _aside(self, spec: ClusterSpec, now: datetime) -> Observed[tuple[Quarantined, ...]]:
        """Days count there, so one look an hour is enough; a cluster that is being deleted is gone only when they are."""
        if spec.removed or self._quarantined_at is None or now - self._quarantined_at >= QUARANTINE_EVERY:
            try:
                self._quarantined = Known(tuple(self._compute.quarantined(spec.id)))
            except ComputeError as error:
                self._quarantined = Unknown(str(error))
            self._quarantined_at = now
        return self._quarantined

    def discarded(self, names: Collection[str]) -> None:
        """These are gone, or could not be deleted: the next look into the quarantine tells."""
        if names and isinstance(self._quarantined, Known):
            left = tuple(volume for volume in self._quarantined.value if volume.name not in names)
            self._quarantined = Known(left)

    def deepen(self, view: ClusterView, depth: int, now: datetime) -> ClusterView:
        """The same look with quorum and brokers (2), and partitions (3)."""
        admin = self.admin(view.spec, view.layout)
        brokers = [node.id.number for node in view.layout if _asked(node, view, Role.BROKER)]
        controllers = [node.id.number for node in view.layout if _asked(node, view, Role.CONTROLLER)]
        if view.depth < 2:
            view = evolve(
                view,
                quorum=_known(admin.quorum) if controllers else Unknown("no controller runs"),
                brokers=_known(admin.brokers) if brokers else Unknown("no broker runs"),
                depth=2,
            )
            view = evolve(view, answers=_answers(view, admin, self._memory.served))
            if _unregistered(view):  # it may have registered after that was asked, and before it was itself
                view = evolve(view, brokers=_known(admin.brokers))
            view = self._memory.dated(view, now)
            view = evolve(view, settings=self._settings(view, admin), defaults=_defaults(view, admin))
        if depth >= PARTITIONS and _weighed(view):
            view = evolve(self._balanced(view, admin, now), depth=PARTITIONS)
            view = self._memory.settled(view, now)
        elif depth >= PARTITIONS:
            partitions = _known(admin.partitions) if brokers else Unknown("no broker runs")
            view = evolve(view, partitions=partitions, shown=self._shown(view), depth=PARTITIONS)
            view = self._memory.settled(view, now)
        return view

    def _balanced(self, view: ClusterView, admin: Admin, now: datetime) -> ClusterView:
        """With partitions, who holds how much of them, and what that costs. Reassignments are asked before and after:
        metadata lags."""
        mover, last = admin.mover(), self._reassignments
        nodes = [node for node in view.layout if node.id.role is Role.BROKER]
        up = [node.id.number for node in nodes if view.running(node.id) is not None]
        try:
            before = mover.reassignments()
            partitions = admin.partitions()
            self._reassignments = mover.reassignments()
            dirs = {number: mover.log_dirs(number) for number in up}
            stored = {number: len(held(found)) for number, found in dirs.items()}
            cordoned = {number: closed for number in up if (closed := mover.cordoned(number)) is not None}
            glimpse = glimpsed(admin, partitions, up, view.own_topics)
        except (KafkaError, ValueError) as error:
            return evolve(view, partitions=Unknown(str(error)), balance=Unknown(str(error)))
        leaving = {place.id for place in view.spec.brokers if place.leaving}
        brokers = [
            gather.broker(
                node.id.number,
                node.zone,
                dirs.get(node.id.number, ()),
                node.resources.volume_gib * GIB,
                leaving=node.id in leaving,
            )
            for node in nodes
        ]
        operation = view.scaling.id if view.scaling is not None else ""
        if self._meter.operation != operation:
            self._meter = Meter(operation)
        facts = gather.facts(brokers, partitions, (last, before, self._reassignments), dirs, self._meter.rates)
        traffic = Traffic(limits=glimpse.limits, throttled=glimpse.throttled)
        if not missing(view):  # what is measured while brokers start would be no measure
            traffic = self._meter.look(facts, glimpse, view.work.calm_ms, now)
        measured = traffic.calm_ms is not None
        balance = weighed(facts, Limits() if traffic.rate is None else gentle(traffic.rate, measured=measured))
        view = evolve(view, balance=Known(balance), traffic=traffic, stored=stored, cordoned=cordoned)
        return evolve(view, partitions=Known(partitions))

    def admin(self, spec: ClusterSpec, layout: Sequence[NodeSpec]) -> Admin:
        """The connection to this cluster; a new one where its nodes changed."""
        nodes = tuple(node.id for node in layout)
        with self._lock:  # acts of several nodes ask for it at once
            if self._admin is None or nodes != self._known:
                self.close()
                self._admin, self._known = self._connect(spec, layout), nodes
            return self._admin

    def close(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _settings(self, view: ClusterView, admin: Admin) -> Mapping[int, Observed[Mapping[str, str | None]]]:
        """What each broker has of the properties that the open operation sets at run time."""
        if not view.live:
            return {}
        return {
            node.id.number: _known(partial(admin.config, node.id.number, sorted(view.live)))
            if _asked(node, view, Role.BROKER)
            else Unknown("it does not run")
            for node in view.layout
            if node.id.role is Role.BROKER
        }

    def _shown(self, view: ClusterView) -> Mapping[NodeId, Observed[datetime]]:
        """What client listeners show, of a cluster where all is quiet: the file on the disk proves nothing."""
        if self._probe is None or view.status.state is not ClusterState.ACTIVE:
            return {}
        probe = self._probe
        return {
            node.id: _known(partial(probe, *node.sockets[CLIENT_SECURE]))
            for node in view.layout
            if CLIENT_SECURE in node.sockets and view.answers.get(node.id) == Known(True)
        }


def _defaults(view: ClusterView, admin: Admin) -> Observed[Mapping[str, str | None]]:
    return _known(partial(admin.defaults, sorted(view.live))) if view.live else Known({})


def _weighed(view: ClusterView) -> bool:
    """Is it to be known who holds how much? Brokers come or go, or what slowed their moves down is still to be lifted, and
    closed brokers to be opened."""
    leaving = any(place.leaving for place in view.spec.brokers)
    return view.scaling is not None or leaving or bool(view.status.throttled) or view.status.restrained


def _seen(sightings: Mapping[NodeId, Observed[Sighting]], place: NodePlace) -> Observed[Sighting]:
    """What there is of the node. Where nothing is left of one that has served, it was not "never started": its data is gone."""
    seen = sightings.get(place.id, Known(Absent()))
    if seen == Known(Absent()) and place.served == place.directory:
        return Known(Bereft(place.directory, f"nothing is left of {place.id}: neither its directory nor its volume"))
    return seen


def _unregistered(view: ClusterView) -> bool:
    """Does a broker serve that was not among those registered?"""
    registered = view.brokers.value if isinstance(view.brokers, Known) else None
    return registered is not None and any(
        answer == Known(True) and node.role is Role.BROKER and node.number not in registered
        for node, answer in view.answers.items()
    )


def _asked(node: NodeSpec, view: ClusterView, role: Role) -> bool:
    running: Running | None = view.running(node.id)
    return node.id.role is role and running is not None and not running.suspended


def _known(ask: Callable[[], T]) -> Observed[T]:
    try:
        return Known(ask())
    except KafkaError as error:
        return Unknown(str(error))


def _answers(view: ClusterView, admin: Admin, served: Mapping[NodeId, int]) -> Mapping[NodeId, Observed[bool]]:
    """Who does useful work: by the cluster's own word where it counts on the node, by a question of ours else.

    The word counts only for a run that has answered before: until its session ends it is about the run that ended."""
    answers: dict[NodeId, Observed[bool]] = {}
    trusted: set[tuple[Role, int]] = set()
    if isinstance(view.brokers, Known):
        trusted |= {(Role.BROKER, number) for number, seen in view.brokers.value.items() if not seen.fenced}
    if isinstance(view.quorum, Known):
        trusted |= {(Role.CONTROLLER, number) for number in alive_voters(view.quorum.value)}
    for node in view.layout:
        running = view.running(node.id)
        if running is None:
            answers[node.id] = Unknown("it does not run")
        elif running.suspended:
            answers[node.id] = Known(False)
        elif (node.id.role, node.id.number) in trusted and served.get(node.id) == running.pid:
            answers[node.id] = Known(True)
        else:
            answers[node.id] = Known(admin.ping(node.id.number))
    return answers
