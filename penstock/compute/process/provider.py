"""The process provider: nodes are processes of this machine that outlive the control plane."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from logging import getLogger
from pathlib import Path
from signal import Signals
from threading import Lock

from penstock.compute.base import Capabilities, ComputeError, IssuedLeaf
from penstock.compute.process import ballast, ending, files, filesystem, gauge, loopback, nodefile, probe, process
from penstock.compute.process.addresses import IPV6_REMEDY, Addresses
from penstock.compute.process.claims import REGISTRY
from penstock.compute.process.files import told
from penstock.compute.process.gauge import EVERY_SECONDS, Gauge
from penstock.compute.process.home import PASSABLE, Home, Place
from penstock.compute.process.launch import Launcher, Refusal
from penstock.compute.process.run import Run, Witness
from penstock.compute.process.user import choose
from penstock.compute.process.volumes import Volumes, chosen
from penstock.compute.process.watcher import Watcher
from penstock.model.action import How
from penstock.model.ids import ClusterId, NodeId
from penstock.model.node import Applies, NodeSpec
from penstock.model.observation import Observed, Sighting
from penstock.model.quarantine import Quarantined
from penstock.model.spec import Endpoint
from penstock.model.volume import VolumeKind

_log = getLogger(__name__)


class ProcessCompute:
    """Compute on the processes of one Linux machine.

    `home` is where nodes and volumes lie, `run_as` the user that nodes run as when this process is root (`nobody` where
    None), `registry` where the homes of the machine claim their loopback networks, `boot` names the time since the machine
    started, `began` is what the clock of those who look says now (all that is seen is dated by it). `volumes` is what new
    volumes are (None: filesystems where the machine can), directories are measured every `measure_seconds`. Raises
    ComputeError where nodes could not live here. Verbs on one node wait for each other; nodes do not."""

    def __init__(
        self,
        home: Path,
        *,
        run_as: str | None = None,
        registry: Path = REGISTRY,
        boot: Callable[[], str] = process.boot_id,
        volumes: VolumeKind | None = VolumeKind.DIRECTORY,
        began: datetime | None = None,
        measure_seconds: float = EVERY_SECONDS,
        rotate_bytes: int = 64 << 20,
        rotate_seconds: float = 10.0,
    ) -> None:
        if sys.platform != "linux":
            raise ComputeError(
                f"nodes as processes need Linux (pidfd, /proc), and this is {sys.platform}; run Penstock in a Linux virtual machine"
            )
        self._user = choose(run_as)
        self._home = Home(home.absolute())
        self._home.prepare(self._user)
        self._witness = Witness(boot=boot, user=self._user, began=began or datetime.now(UTC))
        self._launcher = Launcher(self._witness, self._user, rotate_bytes, rotate_seconds)
        self._volumes = Volumes(self._home, self._user, volumes)
        self._gauge = Gauge(self._home, self._turn, measure_seconds)
        self._addresses = Addresses(self._home.root, registry)
        self._watcher: Watcher | None = None
        self._turns: dict[NodeId, Lock] = {}
        self._turns_lock = Lock()

    @property
    def capabilities(self) -> Capabilities:
        own, notes = self._addresses.own(), list(self._addresses.notes)
        if self._user is None and os.geteuid() == 0:
            notes.append("nodes run as root; PENSTOCK_RUN_AS names another user")
        no_ipv6 = loopback.why_none()
        kind, note = chosen(self._volumes.kind)
        notes += [note] if note else []
        return Capabilities(
            own_addresses=own and not self._addresses.notes,
            unprivileged=self._user is not None,
            real_volumes=kind is VolumeKind.FILESYSTEM,
            grows_in_use=kind is VolumeKind.DIRECTORY or filesystem.why_not_in_use() is None,
            no_ipv6=f"Brokers cannot listen on IPv6: {no_ipv6}; {IPV6_REMEDY}." if no_ipv6 else None,
            notes=tuple(notes),
        )

    def sightings(self, cluster: ClusterId) -> Mapping[NodeId, Observed[Sighting]]:
        return {node: self._witness.sight(self._home.place(node)) for node in self._home.members(cluster)}

    def clusters(self) -> Sequence[ClusterId]:
        return self._home.clusters()

    def propose(
        self,
        nodes: Sequence[tuple[NodeId, int, Mapping[str, int]]],
        taken: Iterable[Endpoint],
        *,
        ipv6: bool = False,
        shared: str | None = None,
    ) -> Mapping[NodeId, Endpoint]:
        if shared is not None:
            return self._addresses.on(shared, nodes, taken)
        return self._addresses.propose_ipv6(nodes, taken) if ipv6 else self._addresses.propose(nodes, taken)

    def start(self, node: NodeSpec, leaves: Sequence[IssuedLeaf], fence: int, *, background: bool = False) -> None:
        """A volume in the node's place that is not its own goes to quarantine and the call raises ComputeError. A fresh volume
        is made for an incarnation that never ran: one that did and is missed is told by sightings (Bereft). A taken port and
        a missing program are remembered: sightings say Blocked while they last. After a run that failed the disk is tried."""
        with self._turn(node.id) as place:
            label = nodefile.read(self._witness.records, place, fence)
            if self._witness.alive(self._run(place)):
                nodefile.raise_fence(place, label, fence)
                self._keep(place)
                return
            ending.release(self._witness, place)
            with told(f"preparing {node.id}"):
                files.make_directory(place.directory.parent, PASSABLE)
                files.make_directory(place.directory, PASSABLE)
                nodefile.write(place, nodefile.of(node, leaves, fence))
                wanted = {endpoint.address for endpoint in node.beside}
                self._addresses.take(nodefile.beside(label) - wanted)
                self._addresses.give(wanted)
                try:
                    self._launcher.check(node)
                except Refusal as refusal:
                    told_later = {
                        "kind": refusal.kind,
                        "why": refusal.why,
                        "fix": refusal.fix,
                        "command": node.command[0],
                    }
                    files.write(place.record("refused"), json.dumps(told_later).encode())
                    raise
                place.record("refused").unlink(missing_ok=True)
            self._volumes.ensure(place, node, self._made(place))
            if probe.due(self._witness.sight(place)):
                probe.probe(place)
            with told(f"writing down the volume of {node.id}"):
                self._gauge.first(place)
                if self._made(place) != node.incarnation:
                    self._lay_ballast(place)
                    files.write(
                        place.record("volume"), json.dumps({"incarnation": node.incarnation}).encode(), durable=True
                    )
            with told(f"writing the files of {node.id}"):
                self._write_files(place, node, (Applies.START, Applies.LIVE), leaves)
            self._launcher.start(place, node, background=background)
            if self._watcher is not None:
                self._watcher.add(place)

    def foreground(self, node: NodeId, fence: int) -> None:
        with self._turn(node) as place, told(f"giving {node} its share of the CPUs"):
            nodefile.raise_fence(place, nodefile.read(self._witness.records, place, fence), fence)
            run = self._run(place)
            if run is not None and self._witness.alive(run):
                process.weigh(run.process.pid, 0)

    def write(self, node: NodeSpec, leaves: Sequence[IssuedLeaf], fence: int) -> None:
        with self._turn(node.id) as place:
            label = nodefile.read(self._witness.records, place, fence)
            if label is None:
                raise ComputeError(f"{node.id} was never started here, so there is nothing to renew; start it")
            with told(f"renewing files of {node.id}"):
                self._write_files(place, node, (Applies.LIVE,), leaves)
                renewed = sorted({*label["leaves"], *(leaf.path for leaf in leaves)})
                nodefile.write(place, {**label, "live": node.live, "leaves": renewed, "fence": fence})

    def grow(self, node: NodeSpec, fence: int) -> None:
        with self._turn(node.id) as place:
            said = nodefile.read(self._witness.records, place, fence)
            if said is None:
                raise ComputeError(f"{node.id} was never started here, so it has no volume; start it")
            nodefile.raise_fence(place, said, fence)
            self._volumes.grow(place, node, in_use=self._witness.alive(self._run(place)))

    def ballast(self, node: NodeId, fence: int, *, held: bool) -> None:
        with self._turn(node) as place:
            said = nodefile.read(self._witness.records, place, fence)
            if not held:  # first of all: where the disk is full, not even the term can be written down
                with told(f"deleting the ballast of {node}"):
                    ballast.drop(place)
            nodefile.raise_fence(place, said, fence)
            if held:
                with told(f"laying the ballast of {node}"):
                    self._lay_ballast(place)

    def stop(self, node: NodeId, how: How, fence: int) -> None:
        with self._turn(node) as place, told(f"stopping {node}"):
            nodefile.raise_fence(place, nodefile.read(self._witness.records, place, fence), fence)
            run = self._run(place)
            if run is None or not self._witness.alive(run):
                return
            if how is How.GRACEFUL:
                self._ask(place, run)
            else:
                self._note_stop(place, run, how)
                ending.kill(self._witness, place, run)

    def _ask(self, place: Place, run: Run) -> None:
        """Send the stop signal. The wish is written down first, so that the end counts as ours; that it was sent, afterwards.

        Asked again, it is still the first signal that counts: patience begins there."""
        opened = process.handle(run.process)  # before anything is written: whoever cannot be signalled was not asked
        if opened is None:
            return
        try:
            stopping = self._witness.stopping(place, run)
            known = stopping is not None and stopping.signalled
            if not known:
                self._note_stop(place, run, How.GRACEFUL)
            if process.signal_by(opened, Signals.SIGTERM) and not known:
                self._note_stop(place, run, How.GRACEFUL, signalled=True)
        finally:
            os.close(opened)

    @staticmethod
    def _note_stop(place: Place, run: Run, how: How, *, signalled: bool = False) -> None:
        asked = {"run": run.run, "how": how, "at": time.time(), "clock": process.boot_clock(), "signalled": signalled}
        files.write(place.record("stop"), json.dumps(asked).encode())

    def remove(self, node: NodeId, fence: int, *, keep: bool = False) -> str | None:
        with self._turn(node) as place:
            # A damaged record must not make a node immortal: the lock proves below that no process is left.
            label = nodefile.read(self._witness.records, place, fence, damaged=True)
            try:
                run = self._witness.run(place)
            except (OSError, ValueError):
                run = None
            if run is not None and self._witness.alive(run):
                ending.kill(self._witness, place, run)
            ending.release(self._witness, place)
            ending.prove_unused(place)
            self._addresses.take(nodefile.beside(label))
            moved = self._volumes.remove(place, label["incarnation"] if label else None, keep=keep)
            with told(f"deleting the directory of {node}"):
                files.delete(place.work)
                files.delete(place.files)
                files.delete(place.directory)
                files.delete_if_empty(place.directory.parent)
            self._witness.records.forget(place.directory)
            return str(moved) if moved else None

    def path(self, node: NodeId, name: str) -> str:
        return str(files.inside(self._home.place(node).files, name))

    def quarantined(self, cluster: ClusterId | None = None, *, measured: bool = False) -> Sequence[Quarantined]:
        return self._volumes.quarantine.look(cluster, measured=measured)

    def discard(self, name: str) -> None:
        self._volumes.quarantine.discard(name)

    def tail(self, node: NodeId, lines: int) -> Sequence[str]:
        log = self._home.place(node).log
        with told(f"reading the log of {node}"):
            last = files.last_lines(log, lines)
            if len(last) < lines:
                last = files.last_lines(log.with_name("node.log.1"), lines - len(last)) + last
        return last

    def watch(self, wake: Callable[[ClusterId], None]) -> None:
        if self._watcher is not None:
            raise ComputeError("this provider watches already; close it first")
        self._watcher = Watcher(self._witness, self._launcher, wake)
        self._watcher.start()
        self._gauge.start()
        for cluster in self.clusters():
            try:
                members = self._home.members(cluster)
            except ComputeError as error:
                _log.warning("nodes of %s are not watched: %s", cluster, error)
                continue
            for node in members:
                self._lend(node)
                self._watcher.add(self._home.place(node))

    def _lend(self, node: NodeId) -> None:
        """The addresses of a node that was here before us: a restart of the machine has taken those on its loopback device."""
        try:
            said = self._witness.records.object(self._home.place(node).record("node"))
            self._addresses.give(nodefile.beside(said))
        except (ComputeError, OSError, ValueError) as error:
            _log.warning("%s may lack addresses: %s", node, error)

    def release(self) -> None:
        """The home is about to go: what it holds of the machine beside its nodes is free again."""
        self._addresses.release()

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._gauge.close()
            self._watcher = None

    @contextmanager
    def _turn(self, node: NodeId) -> Iterator[Place]:
        place = self._home.place(node)
        with self._turns_lock:
            turn = self._turns.setdefault(node, Lock())
        with turn, told(f"work on {node}"):
            yield place

    def _lay_ballast(self, place: Place) -> None:
        volume = gauge.use(place, self._witness.records.object)
        if volume is not None:
            ballast.lay(place, volume.ballast_due)

    def _made(self, place: Place) -> str | None:
        """The incarnation of the volume that the node last started on."""
        with told(f"reading the records of {place.id}"):
            record = self._witness.records.object(place.record("volume"))
        return None if record is None else str(record["incarnation"])

    def _run(self, place: Place) -> Run | None:
        try:
            return self._witness.run(place)
        except (OSError, ValueError) as error:
            raise ComputeError(
                f"it is not known whether {place.id} runs: {error}; delete {place.record('run')} if no process of the node is left"
            ) from error

    def _write_files(
        self, place: Place, node: NodeSpec, applies: tuple[Applies, ...], leaves: Sequence[IssuedLeaf]
    ) -> None:
        owner = self._user.owner if self._user else None
        files.make_directory(place.files)
        files.make_directory(place.work, 0o750, owner)
        for file in node.files:
            if file.applies in applies:
                path = files.inside(place.files, file.path)
                files.make_directory(path.parent)
                content = files.expand_bytes(file.content, place.files, place.data)
                files.write(path, content, 0o600 if file.secret else 0o644, owner)
        for leaf in leaves:
            path = files.inside(place.files, leaf.path)
            files.make_directory(path.parent)
            files.write(path, leaf.content, 0o600, owner)  # the key is in it

    def _keep(self, place: Place) -> None:
        """A running node has a keeper."""
        if self._witness.keeper(place) is None:
            self._launcher.attach(place)
