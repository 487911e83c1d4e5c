"""The composition root: the only file that knows every concrete class. It wires and decides nothing."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
from attrs import frozen
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from penstock.api.registry import handlers, slow
from penstock.api.rooms import Rooms
from penstock.compute.process.home import Home
from penstock.compute.process.premises import Premises, look
from penstock.compute.process.provider import ProcessCompute
from penstock.compute.process.quarantine import Quarantine
from penstock.compute.process.user import User, choose
from penstock.control.cluster.layout import Frame
from penstock.control.cluster.reconciler import ClusterReconciler
from penstock.control.cluster.surroundings import Surroundings
from penstock.control.loop import Loop, boot_seconds
from penstock.kafka.admin import ClusterAdmin
from penstock.kafka.configuration import effective_of
from penstock.kafka.listeners import CONTROLLER, REPLICATION, standard_ports
from penstock.kafka.plugin import AUTHORIZER
from penstock.kafka.properties import PLANE_NAME
from penstock.kafka.reach import Reach
from penstock.kafka.runtimes import Runtimes
from penstock.kafka.sizes import heap_mib
from penstock.kafka.versions import catalogue
from penstock.kafka.wire import NodeAddress, mutual_tls_of, shown_since
from penstock.model.ids import ClusterId, Role
from penstock.model.node import Issuer, Leaf, NodeSpec
from penstock.model.quarantine import Quarantined
from penstock.model.spec import ClientBroker, ClusterSpec, ClusterState
from penstock.pki.authority import Authority
from penstock.pki.client_certificate import ClientCertificate
from penstock.pki.private_file import write_private
from penstock.settings import Realism, Settings
from penstock.store.reserve import RESERVE_FILE, Reserve
from penstock.store.seal import load_key
from penstock.store.store import Store
from penstock.telemetry.metrics import CONTENT_TYPE, Metrics
from penstock.wire.gateway import Gateway
from penstock.wire.identity import Identity, root
from penstock.wire.pages import Pages

KEY_FILE = "key"
CA_FILE = "ca.pem"
HOME_OWNER = "home"
"""Owner of the home's own secrets in the store."""
AUTHORITY_DAYS = 7300
PLANE_LEAF_DAYS = 365
THREADS_TAKE_TURNS = 0.0001
"""Seconds that one thread computes while others wait for the interpreter. Each answer of the API waits so a dozen times: with
Python's own 5 ms it takes a third of a second while the loop plans thousands of partitions."""
ACTS_AT_ONCE = 8
"""Nodes that are started beside each other: enough for one cluster, so that a start does not wait for another's disk."""


class SteadyClock:
    """The wall clock as it stood at the start, carried on by the boot-time clock: it never jumps."""

    def __init__(self) -> None:
        self._wall, self._boot = datetime.now(UTC), boot_seconds()

    def __call__(self) -> datetime:
        return self._wall + timedelta(seconds=boot_seconds() - self._boot)


@frozen
class App:
    """A home, opened: its store, its provider, and the reconciler over both."""

    settings: Settings
    store: Store
    compute: ProcessCompute
    runtimes: Runtimes
    reconciler: ClusterReconciler
    around: Surroundings
    """What the reconciler was given: how nodes are laid out and certificates issued."""
    clock: Callable[[], datetime]
    fence: int
    """The term in which this process speaks to nodes."""

    @property
    def home_ca(self) -> bytes:
        """PEM of the authority that signs client listeners."""
        return _authority(self.store, HOME_OWNER, self.settings.home.name, self.clock()).certificate_pem

    def write_api_certificate(self, path: Path, host: str) -> None:
        """A certificate for the API's own listener, signed by the home's authority."""
        leaf = Leaf(path.name, Issuer.HOME, "penstock-api", ("localhost",), (host,), self.settings.client_leaf_days)
        authority = _authority(self.store, HOME_OWNER, self.settings.home.name, self.clock())
        write_private(path, authority.issue(leaf, self.clock()))

    def close(self) -> None:
        """Let go of everything. Nodes go on running."""
        for cluster in self._live():
            self.reconciler.forget(cluster)
        self.compute.close()
        self.store.close()

    def _live(self) -> Sequence[ClusterId]:
        with self.store.read() as rows:
            return rows.clusters.live_ids()


def open_home(settings: Settings, *, wake: Callable[[str], None] = lambda _: None, in_charge: bool = False) -> App:
    """Open the home, founding it where it is new. `in_charge`: begin a new term, as a control plane does."""
    settings.home.mkdir(parents=True, exist_ok=True)
    store = Store(settings.database, load_key(settings.home / KEY_FILE), on_wake=wake)
    fence = store.raise_term() if in_charge else store.term()
    clock = SteadyClock()
    compute = ProcessCompute(
        settings.home,
        registry=settings.network_registry,
        run_as=settings.run_as,
        volumes=settings.volume_kind,
        began=clock(),
    )
    runtimes = open_runtimes(settings, bring=in_charge)
    around = Surroundings(
        store=store,
        compute=compute,
        clock=clock,
        fence=fence,
        frame=partial(_frame, store, settings, runtimes, clock),
        connect=partial(_connect, store, clock),
        issue=partial(_issue, store, settings, clock),
        patience=timedelta(seconds=settings.create_patience_seconds),
        operation_patience=timedelta(seconds=settings.operation_patience_seconds),
        still_ours=lambda: store.term() == fence,
        probe=shown_since,
        together=ThreadPoolExecutor(ACTS_AT_ONCE, "act").map,
        keep_quarantined=settings.keep_quarantined,
        network_address=settings.network_address,
    )
    return App(settings, store, compute, runtimes, ClusterReconciler(around), around, clock, fence)


def open_runtimes(settings: Settings, *, bring: bool = True) -> Runtimes:
    """The Kafka versions of the cache that the settings name, readable by the user that nodes run as."""
    user = choose(settings.run_as)
    return Runtimes(
        cache=settings.cache,
        mirror=settings.maven_mirror,
        java_home=settings.java_home,
        node_uid=user.uid if user else None,
        archives=settings.archives,
        bring=bring,
    )


def node_user(settings: Settings) -> User | None:
    """Whom nodes of this home run as; None where they run as we do. Raises ComputeError."""
    return choose(settings.run_as)


def premises(settings: Settings) -> Premises:
    """What nodes of this home would find on this machine. Nothing is made or claimed, the home included."""
    ports = sorted({port for role in Role for port in standard_ports(role, ClientBroker.TLS_PLAINTEXT).values()})
    return look(settings.home, settings.network_registry, ports, settings.volume_kind, settings.network_address)


def put_aside(settings: Settings) -> Sequence[Quarantined]:
    """What lies in quarantine of this home, which need not exist, measured. Raises ComputeError."""
    return Quarantine(Home(settings.home)).look(measured=True)


def _frame(
    store: Store, settings: Settings, runtimes: Runtimes, clock: Callable[[], datetime], spec: ClusterSpec
) -> Frame:
    runtime = runtimes.get(spec.kafka_version)
    with store.read() as rows:
        user = effective_of(rows.configurations.properties_of(spec), spec.kafka_version)
    return Frame(
        distribution=runtime.kafka.distribution,
        java=runtime,
        authorizer=AUTHORIZER,
        inner_ca=_authority(store, spec.id, f"{spec.name} inner", clock()).certificate_pem,
        unclean_leaders=settings.realism is Realism.MSK,
        broker_heap_mib=heap_mib(spec.instance_type, settings.broker_heap_mib, psutil.virtual_memory().total // 2**20),
        controller_heap_mib=settings.controller_heap_mib,
        client_leaf_days=settings.client_leaf_days,
        cores=os.cpu_count() or 1,
        user=user,
    )


def _authority(store: Store, owner: str, name: str, now: datetime) -> Authority:
    """The authority of the home or of one cluster; made and sealed at first need."""
    with store.read() as rows:
        certificate, key = rows.secrets.get(owner, "ca"), rows.secrets.get(owner, "ca-key")
    if certificate is None or key is None:
        made = Authority.create(f"Penstock {name}", now, AUTHORITY_DAYS)
        with store.write() as rows:
            if rows.secrets.get(owner, "ca") is None:
                rows.secrets.put(owner, "ca", made.certificate_pem)
                rows.secrets.put(owner, "ca-key", made.key_pem)
        return _authority(store, owner, name, now)
    return Authority.from_pem(certificate, key)


def _issue(store: Store, settings: Settings, clock: Callable[[], datetime], spec: ClusterSpec, leaf: Leaf) -> bytes:
    owner, name = (HOME_OWNER, settings.home.name) if leaf.issuer is Issuer.HOME else (spec.id, f"{spec.name} inner")
    return _authority(store, owner, name, clock()).issue(leaf, clock())


def _connect(
    store: Store, clock: Callable[[], datetime], spec: ClusterSpec, layout: Sequence[NodeSpec]
) -> ClusterAdmin:
    return ClusterAdmin(_inner(layout, Role.BROKER), _inner(layout, Role.CONTROLLER), _plane_tls(store, clock, spec))


def _plane_tls(store: Store, clock: Callable[[], datetime], spec: ClusterSpec) -> ClientCertificate:
    """How the control plane shows itself to a cluster's inner listeners."""
    authority = _authority(store, spec.id, f"{spec.name} inner", clock())
    leaf = Leaf("", Issuer.CLUSTER, PLANE_NAME, (), (), PLANE_LEAF_DAYS)
    return ClientCertificate(partial(authority.issue, leaf), partial(mutual_tls_of, authority.certificate_pem), clock)


def _inner(layout: Sequence[NodeSpec], role: Role) -> list[NodeAddress]:
    listener = REPLICATION if role is Role.BROKER else CONTROLLER
    return [NodeAddress(n.id.number, n.address, n.ports[listener]) for n in layout if n.id.role is role]


class ControlPlane:
    """A home in charge: the loop over its clusters and the API in front of them."""

    def __init__(self, settings: Settings) -> None:
        reserve = Reserve(settings.home / RESERVE_FILE)
        reserve.let_go()  # on a full disk the start needs it
        self.app = open_home(settings, wake=self._wake, in_charge=True)
        reserve.hold()
        self.metrics = Metrics(self._states)
        self.reach = Reach(partial(_plane_tls, self.app.store, self.app.clock))
        self.loop = Loop(self.app.reconciler, observe=self.metrics.passed, gone=self.reach.forget)
        self.app.runtimes.on_change(self._wake_all)
        with self.app.store.read() as rows:
            self._account = rows.identity.account()
        rooms = Rooms(
            store=self.app.store,
            settings=settings,
            clock=lambda: datetime.now(UTC),
            versions=catalogue(),
            pages=Pages(load_key(settings.home / KEY_FILE)),
            topics=self.reach.topics,
            no_ipv6=lambda: self.app.compute.capabilities.no_ipv6,
        )
        self.gateway = Gateway(
            handlers(rooms),
            self._identity,
            lambda: datetime.now(UTC),
            insecure=settings.insecure_no_auth,
            account=self._account,
            observe=self.metrics.request,
            routes=self._routes(),
            slow=slow(settings),
        )
        self._serving = False

    def start(self) -> None:
        """Look at every cluster, and go on doing so."""
        sys.setswitchinterval(THREADS_TAKE_TURNS)
        gc.freeze()  # what is there by now stays: without it the collector stops every thread for 70 ms now and then
        (self.app.settings.home / CA_FILE).write_bytes(self.app.home_ca)
        self.app.compute.watch(self._wake)
        with self.app.store.read() as rows:
            live = rows.clusters.live_ids()
        self.loop.start(live)
        self._serving = True

    def stop(self) -> None:
        """Finish the passes under way. Nodes go on running."""
        self._serving = False
        self.loop.stop()
        self.reach.close()
        self.app.close()

    def _wake(self, cluster: str) -> None:
        self.loop.wake(cluster)

    def _wake_all(self) -> None:
        with self.app.store.read() as rows:
            for cluster in rows.clusters.live_ids():
                self.loop.wake(cluster)

    def _states(self) -> list[ClusterState]:
        with self.app.store.read() as rows:
            return [
                record.status.state for cluster in rows.clusters.live_ids() if (record := rows.clusters.get(cluster))
            ]

    def _identity(self, access_key: str) -> Identity | None:
        with self.app.store.read() as rows:
            key = rows.identity.find(access_key)
        return None if key is None else root(key.account, key.id, key.secret)

    def _routes(self) -> list[Route]:
        def healthz(_: Request) -> Response:
            return PlainTextResponse("ok\n")

        def readyz(_: Request) -> Response:
            return PlainTextResponse("ok\n" if self._serving else "starting\n", 200 if self._serving else 503)

        def metrics(_: Request) -> Response:
            return Response(self.metrics.text(), media_type=CONTENT_TYPE)

        return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
