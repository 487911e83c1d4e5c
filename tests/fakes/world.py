"""A machine and its clock for the simulation: processes that start, end, freeze and fail as the test says.

Single-threaded. Every verb of the control plane is checked here against what is really so: a breach of a safety gate is an
AssertionError out of the verb. Kafka itself is in `fakes.kafka`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from attrs import define, field

from penstock.compute.base import Capabilities, ComputeError, IssuedLeaf, StaleFence
from penstock.model.action import How
from penstock.model.ids import ClusterId, NodeId
from penstock.model.node import Applies, NodeSpec
from penstock.model.observation import Absent, Bereft, Gone, Known, Observed, Running, Sighting, Unknown
from penstock.model.quarantine import Aside, Quarantined
from penstock.model.spec import Endpoint
from penstock.model.volume import VolumeKind, VolumeUse

SHORT = timedelta(seconds=30)
CPU_PER_SECOND = 0.05
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class Crash(BaseException):
    """The control plane died right after a call had its effect. No Exception: nobody may handle a death."""


@define
class Process:
    """One run of a node. `hung`: it does no work and the kernel does not say so. `registered`: as a broker, in this run."""

    pid: int
    since: datetime
    spec: NodeSpec
    fence: int
    leaves: dict[str, tuple[datetime, datetime]]
    cpu: float = 0.0
    suspended: bool = False
    hung: bool = False
    hung_at: datetime = NEVER
    stopping: datetime | None = None
    signalled: bool = True
    dies_at: datetime = NEVER
    registered: bool = False
    ended: datetime | None = None
    status: str = ""
    requested: bool = False
    futile: bool = False
    clean: bool = False
    reads: int = 0
    """So many logs it reads after its boot, one each second, before it comes to anything else."""
    turned_away: bool = False
    """Controllers never register it."""
    background: bool = False

    @property
    def leaves_when(self) -> datetime | None:
        """When it was told to stop; None where it was not."""
        return self.stopping if self.signalled else None

    @property
    def moves(self) -> bool:
        return not self.suspended and not self.hung


@define
class Ill:
    """What goes wrong with one node."""

    fails: int = 0
    """So many of the next runs end by themselves soon after their start."""
    refuses: int = 0
    """So many of the next starts raise."""
    unseen: bool = False
    unheard: bool = False
    """Its log cannot be read."""
    reads: int = 0
    """The next run reads so many logs before it serves."""
    turned_away: int = 0
    """So many of the next runs are never registered."""


@define
class Machine:
    """Compute over runs in memory. `before` is asked about each verb first; it raises what must never happen."""

    now: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    runs: dict[NodeId, list[Process]] = field(factory=dict)
    ills: dict[NodeId, Ill] = field(factory=dict)
    volumes: dict[NodeId, str] = field(factory=dict)
    """Incarnation of the volume that each node has."""
    lost: dict[NodeId, str] = field(factory=dict)
    """And of the one that it had."""
    sizes: dict[NodeId, int] = field(factory=dict)
    """GiB of each node's volume."""
    kept: dict[NodeId, list[str]] = field(factory=dict)
    """Incarnations of its volumes that were put into quarantine."""
    quarantine: list[Quarantined] = field(factory=list)
    """What lies there."""
    discarding: Quarantined | None = None
    """What is being deleted there."""
    used: dict[NodeId, int] = field(factory=dict)
    """Bytes that lie in it; none where nothing is said. In a full volume a run ends soon after its start."""
    ballasts: dict[NodeId, int] = field(factory=dict)
    """Bytes of ballast in it."""
    verbs: list[str] = field(factory=list)
    """Every verb that changed something, oldest first."""
    crash_after: int | None = None
    """The control plane dies after so many further calls of any kind (0: the next one)."""
    unknown: str = ""
    """Why nothing can be known of any node."""
    dies_in_stop: bool = False
    """The control plane dies in its next graceful stop, after that was written down and before the node hears of it."""
    deaths: int = 0
    before: Callable[[str, NodeId], None] = lambda verb, node: None
    _pids: int = 1000

    # -- what befalls it

    def ill(self, node: NodeId) -> Ill:
        return self.ills.setdefault(node, Ill())

    def process(self, node: NodeId) -> Process | None:
        """The node's run that goes on."""
        last = self.runs.get(node, [])[-1:]
        return last[0] if last and last[0].ended is None else None

    def running(self) -> list[Process]:
        return [process for node in self.runs if (process := self.process(node))]

    def end(self, process: Process, status: str, *, clean: bool = False) -> None:
        process.ended, process.status, process.clean = self.now, status, clean
        self.deaths += 1

    def kill(self, node: NodeId) -> None:
        if process := self.process(node):
            self.end(process, "signal 9 (SIGKILL)")

    def suspend(self, node: NodeId) -> None:
        if process := self.process(node):
            process.suspended = True

    def hang(self, node: NodeId) -> None:
        """It does nothing any more, and no signal did that."""
        if process := self.process(node):
            process.hung, process.hung_at = True, self.now

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        for process in self.running():
            if process.moves:
                process.cpu += CPU_PER_SECOND * seconds
                if self.now >= process.dies_at:
                    self.end(process, "exit status 1")

    def called(self) -> None:
        """A call of the control plane has had its effect."""
        if self.crash_after is not None:
            self.crash_after -= 1
            if self.crash_after < 0:
                self.crash_after = None
                raise Crash

    # -- Compute

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(own_addresses=True, unprivileged=False)

    def sightings(self, cluster: ClusterId) -> Mapping[NodeId, Observed[Sighting]]:
        if self.unknown:
            raise ComputeError(self.unknown)
        return {node: self._sighting(node) for node in sorted({*self.runs, *self.volumes}) if node.cluster == cluster}

    def clusters(self) -> Sequence[ClusterId]:
        return sorted({node.cluster for node in (*self.runs, *self.volumes)})

    def propose(
        self,
        nodes: Sequence[tuple[NodeId, int, Mapping[str, int]]],
        taken: Iterable[Endpoint],
        *,
        ipv6: bool = False,
        shared: str | None = None,
    ) -> Mapping[NodeId, Endpoint]:
        used = {endpoint.address for endpoint in taken}
        if shared is not None:
            ports = iter(set(range(21000, 32000)) - {port for endpoint in taken for port in endpoint.ports.values()})
            return {node: Endpoint(shared, {name: next(ports) for name in names}) for node, _, names in nodes}
        form = "fd00::{}:{}" if ipv6 else "127.64.{}.{}"
        free = (form.format(n // 250, n % 250 + 1) for n in range(60_000))
        return {
            node: Endpoint(next(address for address in free if address not in used), ports) for node, _, ports in nodes
        }

    def start(self, node: NodeSpec, leaves: Sequence[IssuedLeaf], fence: int, *, background: bool = False) -> None:
        self._heard(node.id, fence)
        if self.process(node.id) is None:
            self.before("start", node.id)
            ill = self.ill(node.id)
            if ill.refuses:
                ill.refuses -= 1
                self.runs.setdefault(node.id, [])  # its directory is there
                raise ComputeError(f"{node.id} cannot start: it was told to refuse. Wait.")
            assert self.volumes.setdefault(node.id, node.incarnation) == node.incarnation
            assert self.lost.pop(node.id, "") != node.incarnation, "a fresh volume under the identity of the lost one"
            assert {leaf.path for leaf in leaves} == {leaf.path for leaf in node.leaves}
            self.sizes[node.id] = max(self.sizes.get(node.id, 0), node.resources.volume_gib)
            if node.id not in self.ballasts:
                self.ballasts[node.id] = self.use(node.id).ballast_due
            self._pids += 1
            life = {leaf.path: (self.now, self.now + timedelta(days=leaf.days)) for leaf in node.leaves}
            process = Process(self._pids, self.now, node, fence, life, background=background)
            if ill.fails:
                ill.fails -= 1
                process.dies_at = self.now + timedelta(seconds=0.7)
            process.reads, ill.reads = ill.reads, 0
            if ill.turned_away:
                ill.turned_away -= 1
                process.turned_away = True
            if self.use(node.id).left == 0:
                process.dies_at = self.now + timedelta(seconds=0.7)
            self.runs.setdefault(node.id, []).append(process)
            self.verbs.append(f"start {node.id}")
        self.called()

    def foreground(self, node: NodeId, fence: int) -> None:
        self._heard(node, fence)
        process = self.process(node)
        if process is not None:
            process.background = False
            self.verbs.append(f"foreground {node}")
        self.called()

    def write(self, node: NodeSpec, leaves: Sequence[IssuedLeaf], fence: int) -> None:
        self._heard(node.id, fence)
        process = self.process(node.id)
        if process is None:
            raise ComputeError(f"{node.id} does not run. Start it.")
        for leaf in node.leaves:
            if leaf.applies is Applies.LIVE and leaf.path in {issued.path for issued in leaves}:
                process.leaves[leaf.path] = (self.now, self.now + timedelta(days=leaf.days))
        self.verbs.append(f"write {node.id}")
        self.called()

    def grow(self, node: NodeSpec, fence: int) -> None:
        self._heard(node.id, fence)
        if self.volumes.get(node.id) != node.incarnation:
            raise ComputeError(f"the volume of {node.id} is not there. Put it back.")
        if self.sizes[node.id] < node.resources.volume_gib:
            self.before("grow", node.id)
            self.sizes[node.id] = node.resources.volume_gib
            self.verbs.append(f"grow {node.id}")
        self.called()

    def ballast(self, node: NodeId, fence: int, *, held: bool) -> None:
        self._heard(node, fence)
        self.ballasts[node] = self.ballasts.get(node, 0) + self.use(node).ballast_due if held else 0
        self.verbs.append(f"{'lay' if held else 'drop'} ballast {node}")
        self.called()

    def stop(self, node: NodeId, how: How, fence: int) -> None:
        self._heard(node, fence)
        if process := self.process(node):
            if self.dies_in_stop and how is How.GRACEFUL:
                self.dies_in_stop, process.signalled = False, False
                process.stopping, process.requested = self.now, True
                raise Crash
            self.before(f"stop {how}", node)
            process.futile = how is How.AS_FUTILE
            process.requested = not process.futile
            self.verbs.append(f"stop {node} {how}")
            if how is not How.GRACEFUL:
                self.end(process, "signal 9 (SIGKILL)")
            else:
                process.stopping = process.leaves_when or self.now
                process.signalled = True
        self.called()

    def remove(self, node: NodeId, fence: int, *, keep: bool = False) -> str | None:
        self._heard(node, fence)
        verb = "quarantine" if keep else "remove"
        self.before(verb, node)
        self.runs.pop(node, None)
        self.sizes.pop(node, None)
        self.ballasts.pop(node, None)
        volume = self.volumes.pop(node, None)
        if keep and volume is not None:
            self.kept.setdefault(node, []).append(volume)
            path = f"/quarantine/{len(self.verbs)}-{volume}"
            self.quarantine.append(Quarantined(path, Aside.RETIRED, node, self.now))
        self.verbs.append(f"{verb} {node}")
        self.called()
        return f"/quarantine/{volume}" if keep and volume is not None else None

    def path(self, node: NodeId, name: str) -> str:
        return f"/memory/{node.name}/{name}"

    def quarantined(self, cluster: ClusterId | None = None, *, measured: bool = False) -> Sequence[Quarantined]:
        return [volume for volume in self.quarantine if cluster in (None, volume.cluster)]

    def discard(self, name: str) -> None:
        self.discarding = next((volume for volume in self.quarantine if volume.name == name), None)
        if self.discarding is not None and self.discarding.node is not None:
            self.before("discard", self.discarding.node)
            self.quarantine.remove(self.discarding)
            self.verbs.append(f"discard {name}")
        self.called()

    def tail(self, node: NodeId, lines: int) -> Sequence[str]:
        if self.ill(node).unheard:
            raise ComputeError(f"reading the log of {node} failed: Input/output error; the disk has errors")
        process = self.process(node)
        said = ["the last line"] if process is None else [*self._read(process), "the last line"]
        return said[-lines:]

    def read(self, process: Process) -> int:
        """How many of its logs it has read."""
        return min(process.reads, int((self.now - process.since).total_seconds()))

    def _read(self, process: Process) -> list[str]:
        """What Kafka says of that."""
        if not process.reads:
            return []
        begun = f"Recovering {process.reads} logs from /data since no clean shutdown file was found"
        lines = [
            f"Completed load of Log() ({n + 1}/{process.reads} completed in /data)" for n in range(self.read(process))
        ]
        return [begun, *lines, *([f"Loaded {process.reads} logs in 9ms"] if len(lines) == process.reads else [])]

    def watch(self, wake: Callable[[ClusterId], None]) -> None:
        """The simulation counts deaths itself."""

    def close(self) -> None:
        """Nothing is open."""

    # -- inside

    def _heard(self, node: NodeId, fence: int) -> None:
        for process in self.runs.get(node, [])[-1:]:
            if process.fence > fence:
                raise StaleFence(f"term {fence} may not touch {node}: term {process.fence} has spoken to it")
            process.fence = fence

    def use(self, node: NodeId) -> VolumeUse:
        """How its volume stands."""
        size, held = self.sizes[node] << 30, self.ballasts.get(node, 0)
        return VolumeUse(VolumeKind.FILESYSTEM, size, min(self.used.get(node, 0), size - held), 1 << 40, held)

    def _sighting(self, node: NodeId) -> Observed[Sighting]:
        if self.ill(node).unseen:
            return Unknown("its folder cannot be read")
        runs = self.runs.get(node, [])
        if not runs:
            return Known(Absent())
        last = runs[-1]
        if last.ended is None:
            spec = last.spec
            return Known(
                Running(
                    since=last.since,
                    pid=last.pid,
                    revision=spec.revision,
                    start=spec.start,
                    live=spec.live,
                    fence=last.fence,
                    cpu_seconds=last.cpu,
                    stopping=last.stopping,
                    signalled=last.signalled,
                    suspended=last.suspended,
                    leaves=dict(last.leaves),
                    # A broker that is turned away says so all the time.
                    said=self.read(last) + (int(last.cpu * 1000) if last.turned_away else 0),
                    volume=self.use(node),
                    background=last.background,
                )
            )
        if node in self.lost:
            return Known(Bereft(self.lost[node], f"the volume of {node} is not there"))
        short = 0
        for run in reversed(runs):
            if run.ended is None or (run.ended - run.since >= SHORT and not run.futile):
                break
            short += not run.requested
        volume = self.use(node) if node in self.volumes else None
        return Known(Gone(last.ended, last.status, 0 if last.requested else short, last.requested, last.clean, volume))
