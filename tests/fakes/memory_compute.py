"""Compute in memory, on a clock that the test moves, with misbehaviour to choose: what the loop's simulation runs on.

The conformance suite holds it to the same stories as the process provider."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from attrs import define, evolve, field
from cryptography import x509
from fakes.memory_machine import Clock, Crash, Event, Misbehaviour, Place, Process, Volume, gone

from penstock.compute.base import Capabilities, ComputeError, IssuedLeaf, StaleFence
from penstock.model.action import How
from penstock.model.ids import ClusterId, NodeId
from penstock.model.node import NODE, VOLUME, Applies, NodeSpec
from penstock.model.observation import Absent, Bereft, Known, Observed, Running, Sighting, Unknown
from penstock.model.quarantine import Aside, Quarantined
from penstock.model.spec import Endpoint
from penstock.model.volume import VolumeKind, VolumeUse


@define
class MemoryCompute:
    """Nodes in a dict. A "machine" is one of these; a new control plane on it is `reopened()`."""

    clock: Clock = field(factory=Clock)
    own_addresses: bool = True
    places: dict[NodeId, Place] = field(factory=dict)
    volumes: dict[NodeId, Volume] = field(factory=dict)
    kept: dict[str, Volume] = field(factory=dict)
    """The quarantine, by place."""
    aside: list[Quarantined] = field(factory=list)
    """What is known of each in it."""
    misbehaviour: dict[NodeId, Misbehaviour] = field(factory=dict)
    crash_after: int | None = None
    """The control plane crashes after so many further verbs (0: the next one)."""
    events: list[Event] = field(factory=list)
    """Starts, stops and removals that changed something."""
    _pids: int = 1000
    _wake: Callable[[ClusterId], None] | None = None

    # -- what a test does to the machine

    def of(self, node: NodeId) -> Misbehaviour:
        """The node's misbehaviour, to be changed."""
        return self.misbehaviour.setdefault(node, Misbehaviour())

    def kill(self, node: NodeId, code: int = -9) -> None:
        """The node's process ends from outside."""
        self._end(node, self._running(node, required=True), self.clock(), code)

    def suspend(self, node: NodeId, suspended: bool = True) -> None:
        run = self._running(node, required=True)
        assert run is not None
        run.suspended = suspended

    def restart_machine(self) -> None:
        for node in self.places:
            if run := self._running(node):
                run.ended, run.restarted = self.clock(), True

    def reopened(self) -> MemoryCompute:
        """The same machine as a new control plane finds it."""
        return MemoryCompute(
            self.clock,
            self.own_addresses,
            self.places,
            self.volumes,
            self.kept,
            self.aside,
            self.misbehaviour,
            None,
            self.events,
            self._pids + 1000,
        )

    # -- Compute

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(own_addresses=self.own_addresses, unprivileged=True, real_volumes=True)

    def sightings(self, cluster: ClusterId) -> Mapping[NodeId, Observed[Sighting]]:
        return {node: self._sight(node) for node in sorted({*self.places, *self.volumes}) if node.cluster == cluster}

    def clusters(self) -> Sequence[ClusterId]:
        return sorted({node.cluster for node in (*self.places, *self.volumes)})

    def propose(
        self,
        nodes: Sequence[tuple[NodeId, int, Mapping[str, int]]],
        taken: Iterable[Endpoint],
        *,
        ipv6: bool = False,
        shared: str | None = None,
    ) -> Mapping[NodeId, Endpoint]:
        one = shared or (None if self.own_addresses else "::1" if ipv6 else "127.0.0.1")
        used = {(endpoint.address, port) for endpoint in taken for port in endpoint.ports.values()}
        hosts = {address for address, _ in used}
        found = {}
        for node, zone, ports in nodes:
            if one is None:
                form = "fd00::{}:{}" if ipv6 else "127.64.{}.{}"
                address = next(
                    a for n in range(1, 16000) if (a := form.format(zone * 64 + n // 250, n % 250 + 1)) not in hosts
                )
                hosts.add(address)
                found[node] = Endpoint(address, dict(ports))
            else:
                free = (port for port in range(21000, 32000) if port not in {each for _, each in used})
                found[node] = Endpoint(one, {name: next(free) for name in ports})
                used |= {(one, port) for port in found[node].ports.values()}
        return found

    def start(self, node: NodeSpec, leaves: Sequence[IssuedLeaf], fence: int, *, background: bool = False) -> None:
        self._spoken(node.id, fence)
        if self._running(node.id):
            return self._done()
        odd = self.of(node.id)
        place = self.places.setdefault(node.id, Place(node, fence, node.live))
        place.spec, place.live = node, node.live
        if odd.blocked:
            raise ComputeError(f"{odd.blocked.why} {odd.blocked.fix}")
        if odd.start_fails:
            odd.start_fails -= 1
            raise ComputeError(f"{node.id} cannot start: it was told to fail; wait")
        self._volume(node)
        place.ran_on = node.incarnation
        self._write(place, node, (Applies.START, Applies.LIVE), leaves)
        self._pids += 1
        place.runs.append(Process(self._pids, self.clock(), background=background))
        place.log.append(f"run {len(place.runs)} of {node.id}")
        self.events.append(Event("start", node.id))
        return self._done()

    def foreground(self, node: NodeId, fence: int) -> None:
        self._spoken(node, fence)
        if run := self._running(node):
            run.background = False
        self._done()

    def write(self, node: NodeSpec, leaves: Sequence[IssuedLeaf], fence: int) -> None:
        self._spoken(node.id, fence)
        if node.id not in self.places:
            raise ComputeError(f"{node.id} was never started here; start it")
        place = self.places[node.id]
        self._write(place, node, (Applies.LIVE,), leaves)
        place.live = node.live
        self.events.append(Event("write", node.id))
        self._done()

    def grow(self, node: NodeSpec, fence: int) -> None:
        self._spoken(node.id, fence)
        if node.id not in self.places:
            raise ComputeError(f"{node.id} was never started here, so it has no volume; start it")
        volume = self.volumes.get(node.id)
        if volume is None:
            raise ComputeError(f"the volume of {node.id} is not there: put it back")
        if (volume.cluster, volume.node, volume.incarnation) != (node.id.cluster, node.id.name, node.incarnation):
            raise ComputeError(
                f"the volume in the place of {node.id} is another's, so it was not made larger; start it"
            )
        if volume.gib < node.resources.volume_gib:
            volume.gib = node.resources.volume_gib
            self.events.append(Event("grow", node.id))
        self._done()

    def ballast(self, node: NodeId, fence: int, *, held: bool) -> None:
        self._spoken(node, fence)
        volume = self.volumes.get(node)
        if volume is not None:
            due = _use_of(volume).ballast_due
            volume.ballast = volume.ballast + due if held else 0
        self._done()

    def stop(self, node: NodeId, how: How, fence: int) -> None:
        self._spoken(node, fence)
        run, odd = self._running(node), self.of(node)
        if run is not None:
            run.futile = how is How.AS_FUTILE
            run.requested = not run.futile
            self.events.append(Event(f"stop {how}", node))
            if how is not How.GRACEFUL:
                self._end(node, run, self.clock(), -9)
            else:
                run.stopping = run.stopping or self.clock()
                if not odd.stop_takes and not odd.ignores_stop and not run.suspended:
                    self._end(node, run, self.clock(), 143)
        self._done()

    def remove(self, node: NodeId, fence: int, *, keep: bool = False) -> str | None:
        self._spoken(node, fence)
        place, volume = self.places.pop(node, None), self.volumes.pop(node, None)
        if place is not None or volume is not None:
            self.events.append(Event("remove", node))
        moved = None
        if volume is not None:
            own = (volume.cluster, volume.node) == (node.cluster, node.name)
            if not own or (place is not None and volume.incarnation != place.spec.incarnation):
                moved = self._put_away(node, volume, Aside.FOREIGN)
            elif keep:
                moved = self._put_away(node, volume, Aside.UNPROVED if place is None else Aside.RETIRED)
        self._done()
        return moved

    def path(self, node: NodeId, name: str) -> str:
        return f"/memory/nodes/{node.cluster}/{node.name}/files/{name}"

    def quarantined(self, cluster: ClusterId | None = None, *, measured: bool = False) -> Sequence[Quarantined]:
        found = [
            evolve(seen, occupied=_bytes(self.kept[seen.path].content) if measured else None) for seen in self.aside
        ]
        return [seen for seen in found if cluster in (None, seen.cluster)]

    def discard(self, name: str) -> None:
        for seen in [seen for seen in self.aside if seen.name == name]:
            self.aside.remove(seen)
            del self.kept[seen.path]
        self._done()

    def tail(self, node: NodeId, lines: int) -> Sequence[str]:
        place = self.places.get(node)
        return place.log[-lines:] if place and lines > 0 else []

    def watch(self, wake: Callable[[ClusterId], None]) -> None:
        self._wake = wake

    def close(self) -> None:
        self._wake = None

    # -- inside

    def _spoken(self, node: NodeId, fence: int) -> None:
        place = self.places.get(node)
        if place is None:
            return
        if place.fence > fence:
            raise StaleFence(f"term {fence} may not touch {node}: term {place.fence} has spoken to it")
        place.fence = fence

    def _done(self) -> None:
        if self.crash_after is not None:
            self.crash_after -= 1
            if self.crash_after < 0:
                self.crash_after = None
                raise Crash

    def _volume(self, node: NodeSpec) -> None:
        there = self.volumes.get(node.id)
        if there is None and self.places[node.id].ran_on == node.incarnation:
            raise ComputeError(f"the volume of {node.id} is not there: put it back")
        if there is None:
            made = {
                file.path: self._expanded(node.id, file.content)
                for file in node.files
                if file.applies is Applies.FORMAT
            }
            fresh = Volume(node.id.cluster, node.id.name, node.incarnation, made, node.resources.volume_gib)
            fresh.ballast = _use_of(fresh).ballast_due
            self.volumes[node.id] = fresh
        elif (there.cluster, there.node, there.incarnation) != (node.id.cluster, node.id.name, node.incarnation):
            moved = self._put_away(node.id, self.volumes.pop(node.id), Aside.FOREIGN)
            raise ComputeError(
                f"the volume in the place of {node.id} belongs to {there.node} of {there.cluster}; it lies in {moved}"
            )
        else:
            there.gib = max(there.gib, node.resources.volume_gib)

    def _put_away(self, node: NodeId, volume: Volume, why: Aside) -> str:
        self._pids += 1  # a number that nobody else has
        path = f"/memory/quarantine/{self._pids:08}-{node.cluster}-{node.name}-{why}"
        self.kept[path] = volume
        self.aside.append(Quarantined(path, why, node, self.clock()))
        return path

    def _write(self, place: Place, node: NodeSpec, applies: tuple[Applies, ...], leaves: Sequence[IssuedLeaf]) -> None:
        place.files.update({f.path: self._expanded(node.id, f.content) for f in node.files if f.applies in applies})
        for leaf in leaves:
            place.files[leaf.path] = leaf.content
            seen = x509.load_pem_x509_certificates(leaf.content)[0]
            place.leaves[leaf.path] = (seen.not_valid_before_utc, seen.not_valid_after_utc)

    @staticmethod
    def _expanded(node: NodeId, content: bytes) -> bytes:
        base = f"/memory/nodes/{node.cluster}/{node.name}/files"
        return content.replace(NODE.encode(), base.encode()).replace(
            VOLUME.encode(), base.replace("nodes", "volumes").encode()
        )

    def _running(self, node: NodeId, required: bool = False) -> Process | None:
        """The run that goes on, after what time did to it."""
        place, odd = self.places.get(node), self.of(node)
        run = place.runs[-1] if place and place.runs else None
        if run is not None and run.ended is None and not run.suspended:
            if odd.dies_after is not None and self.clock() >= run.since + odd.dies_after:
                self._end(node, run, run.since + odd.dies_after, 1)
            elif run.stopping is not None and not odd.ignores_stop and self.clock() >= run.stopping + odd.stop_takes:
                self._end(node, run, run.stopping + odd.stop_takes, 143)
        if run is None or run.ended is not None:
            assert not required, f"{node} does not run"
            return None
        return run

    def _end(self, node: NodeId, run: Process | None, at: datetime, code: int) -> None:
        assert run is not None
        run.ended, run.code = at, code
        if self._wake is not None:
            self._wake(node.cluster)

    def _use(self, node: NodeId) -> VolumeUse | None:
        volume = self.volumes.get(node)
        if volume is None:
            return None
        return _use_of(volume)

    def _sight(self, node: NodeId) -> Observed[Sighting]:
        odd, place = self.of(node), self.places.get(node)
        if odd.unknown:
            return Unknown(odd.unknown)
        if run := self._running(node):
            assert place is not None
            spec = place.spec
            seconds = 0.0 if run.suspended else (self.clock() - run.since).total_seconds()
            return Known(
                Running(
                    run.since,
                    run.pid,
                    spec.revision,
                    spec.start,
                    place.live,
                    place.fence,
                    seconds,
                    run.stopping,
                    run.suspended,
                    dict(place.leaves),
                    self._use(node),
                    sum(len(line) + 1 for line in place.log),
                    background=run.background,
                )
            )
        if place is not None and place.ran_on is not None and node not in self.volumes:
            return Known(Bereft(place.ran_on, f"the volume of {node} is not there"))
        if odd.blocked and place is not None:
            return Known(odd.blocked)
        if place is None or not place.runs:
            return Known(Absent())
        return Known(evolve(gone(place.runs), volume=self._use(node)))


def _use_of(volume: Volume) -> VolumeUse:
    return VolumeUse(VolumeKind.FILESYSTEM, volume.gib << 30, _bytes(volume.content), 1 << 40, volume.ballast)


def _bytes(content: Mapping[str, bytes]) -> int:
    return sum(len(value) for value in content.values())


def fingerprint(compute: MemoryCompute) -> str:
    """A digest of everything that lies on the machine, for "nothing changed"."""
    return sha256(repr((compute.places, compute.volumes, compute.kept)).encode()).hexdigest()
