"""What earlier looks at one cluster saw. It only dates things and measures how long they take; losing it costs time and never
a wrong act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from attrs import define, evolve, field

from penstock.compute.base import ComputeError
from penstock.control.cluster.health import astray, awaited, lagging, serves
from penstock.kafka.recovery import recovery
from penstock.model.ids import NodeId, Role
from penstock.model.observation import ClusterView, Known, Recovery, Running

LOST_SIGHT = timedelta(seconds=15)
"""After a pause between looks as long as this (the machine slept) nothing is concluded from times before it."""
CPU_TICK = 0.011
"""Seconds of CPU time that do not count as work: one tick of the kernel's clock."""


RECENT_LINES = 1000
"""So many lines from the end of a log hold what a broker said of its logs since the last look, its settings printed after it."""


@define
class Start:
    """A run that has not served yet: what it last said of its logs, and when that was news."""

    pid: int
    advanced: datetime
    said: int = -1
    recovery: Recovery | None = None


@define
class Settling:
    """Replicas that catch up and leaders that go home, once all serve: the least that was left, and since when."""

    began: datetime
    least: tuple[int, int]
    since: datetime


@define
class Memory:
    """What earlier looks at one cluster saw of each node's process."""

    tail: Callable[[NodeId, int], Sequence[str]]
    """The last lines of a node's log; may raise ComputeError."""
    cpu: dict[NodeId, tuple[int, float, datetime]] = field(factory=dict)
    """pid, CPU seconds, and since when they are unchanged."""
    served: dict[NodeId, int] = field(factory=dict)
    """pid of the run in which the node last answered."""
    silent: dict[NodeId, datetime] = field(factory=dict)
    looked: datetime | None = None
    starts: dict[NodeId, Start] = field(factory=dict)
    settling: Settling | None = None
    came_back: bool = False
    """Nodes were waited for, and all has not settled since."""

    def dated(self, view: ClusterView, now: datetime) -> ClusterView:
        """The view with since when things are so, and with how far nodes are that start."""
        if self.looked is None or now - self.looked > LOST_SIGHT:
            self.cpu.clear()
            self.silent.clear()
            self.starts.clear()
            self.settling = None
        self.looked = now
        idle: dict[NodeId, datetime] = {}
        silent: dict[NodeId, datetime] = {}
        for node in view.layout:
            running = view.running(node.id)
            if running is None:
                self.cpu.pop(node.id, None)
                self.silent.pop(node.id, None)
                continue
            pid, cpu, since = self.cpu.get(node.id, (0, 0.0, now))
            if pid != running.pid or running.cpu_seconds - cpu > CPU_TICK:
                cpu, since = running.cpu_seconds, now
            self.cpu[node.id] = (running.pid, cpu, since)
            if view.answers.get(node.id) == Known(True):
                self.served[node.id] = running.pid
                self.silent.pop(node.id, None)
            elif self.served.get(node.id) == running.pid:
                silent[node.id] = self.silent.setdefault(node.id, now)
            if view.answers.get(node.id) == Known(False) and since < now:
                idle[node.id] = since
        served = {node for node, pid in self.served.items() if (run := view.running(node)) and run.pid == pid}
        view = evolve(view, idle_since=idle, silent_since=silent, served=frozenset(served))
        if awaited(view):
            self.settling, self.came_back = None, view.status.completed
        return self._starting(view, now)

    def _starting(self, view: ClusterView, now: datetime) -> ClusterView:
        """With how far nodes are that have not served yet, and how long those took that do now."""
        starts: dict[NodeId, Start] = {}
        took = {node.id.name: view.status.pace.starts.get(node.id.name) for node in view.layout}
        for node in view.layout:
            running = view.running(node.id)
            if running is None:
                continue
            known = self.starts.get(node.id)
            if known is not None and known.pid != running.pid:
                known = None
            if not serves(node.id, view):
                if known is not None or node.id not in view.served:
                    starts[node.id] = self._heard(node.id, running, known, view, now)
            elif known is not None:
                took[node.id.name] = round((now - running.since).total_seconds(), 1)
        self.starts = starts
        return evolve(
            view,
            recovering={node: start.recovery for node, start in starts.items() if start.recovery is not None},
            advanced={node: start.advanced for node, start in starts.items()},
            pace=evolve(
                view.status.pace, starts={name: seconds for name, seconds in took.items() if seconds is not None}
            ),
        )

    def _heard(self, node: NodeId, running: Running, known: Start | None, view: ClusterView, now: datetime) -> Start:
        """What a starting node says of its logs. Nothing is concluded from a log or from controllers that cannot be read."""
        start = known or Start(running.pid, now)
        if node.role is not Role.BROKER:
            return start
        if not isinstance(view.brokers, Known):
            start.advanced = now
        if running.said != start.said:
            try:
                at = recovery(self.tail(node, RECENT_LINES), start.recovery)
            except ComputeError:
                start.advanced = now
                return start
            if at != start.recovery:
                start.recovery, start.advanced = at, now
            start.said = running.said
        return start

    def settled(self, view: ClusterView, now: datetime) -> ClusterView:
        """The view with since when nothing settles, and with how long all of it took where it has."""
        if awaited(view) or not isinstance(view.partitions, Known):
            return view
        left = (len(lagging(view)), len(astray(view)))
        last = self.settling
        if last is None:
            last = self.settling = Settling(now, left, now)
        elif left < last.least:
            last.least, last.since = left, now
        if left != (0, 0):
            return evolve(view, unsettled_since=last.since)
        measured, self.settling, self.came_back = self.came_back, None, False
        if not measured or view.pace is None:
            return view
        return evolve(view, pace=evolve(view.pace, settling=round((now - last.began).total_seconds(), 1)))
