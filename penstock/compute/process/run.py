"""The records of a node's directory, and what is known of the node from them and from /proc."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import Signals
from typing import Any

from attrs import evolve, field, frozen

from penstock.compute.process import gauge, process
from penstock.compute.process.home import Place
from penstock.compute.process.process import Process
from penstock.compute.process.records import Records
from penstock.compute.process.user import User, refused_at
from penstock.compute.process.volumes import missing, there
from penstock.model.action import How
from penstock.model.observation import Absent, Bereft, Blocked, Gone, Known, Observed, Running, Sighting, Unknown

SHORT_SECONDS = 30.0
"""A run that ends within so many seconds of its start is a short one."""
FUTILE = ", ours, since it did not come to serve"
"""Added to the end of such a run."""
SETTLE_SECONDS = 0.2
"""How long to wait for a living keeper to write down the end of its node; it takes a millisecond or two."""
TERMINATED = (-Signals.SIGTERM, 128 + Signals.SIGTERM)
"""How a process ends that obeys SIGTERM: by the signal itself, or by exit status 143 (Java after its shutdown hooks)."""


@frozen
class Run:
    """The last run of a node, as `run.json` tells it."""

    run: str
    boot: str
    process: Process
    clock: float
    """Boot-time clock at the start, in seconds."""
    log: int
    """Where in node.log the run's own output begins, in bytes."""
    background: bool
    """It was started in the background; others are never looked at for it."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Run:
        return cls(
            record["run"],
            record["boot"],
            Process(record["pid"], record["birth"]),
            record["clock"],
            record["log"],
            record.get("background", False),
        )


@frozen
class Stopping:
    """A graceful stop of the present run, as `stop.json` tells it."""

    asked: datetime
    """When it was first written down."""
    signalled: bool
    """The signal is known to have been sent; what is written down comes before it."""


@frozen
class Witness:
    """Looks at nodes: their records, their processes. Changes nothing.

    Every moment that it tells is on the clock of those who look: `began` is what that said when this was made, and from
    there the boot-time clock counts. So a step of the wall clock makes nothing older or younger. A record counts for the
    run that it names and for no other, and a run belongs to its boot: what lies before the present boot has no moment.
    Records of an older format hold the wall clock alone, which is not believed: a stop in one is as old as `began`, since a
    control plane before this wrote it, and may not have been sent; an end in one has no moment."""

    records: Records = field(factory=Records)
    boot: Callable[[], str] = process.boot_id
    user: User | None = None
    began: datetime = field(factory=lambda: datetime.now(UTC))
    _began: float = field(factory=process.boot_clock, init=False)

    def moment(self, clock: float) -> datetime:
        """A time on the boot-time clock."""
        return self.began + timedelta(seconds=clock - self._began)

    def run(self, place: Place) -> Run | None:
        """The last run, or None where the node never ran. Raises OSError and ValueError where that cannot be known."""
        record = self.records.object(place.record("run"))
        try:
            return None if record is None else Run.of(record)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{place.record('run')} is damaged: {error!r}") from error

    def alive(self, run: Run | None) -> bool:
        return run is not None and run.boot == self.boot() and process.facts(run.process) is not None

    def keeper(self, place: Place) -> Process | None:
        """The living keeper of a node."""
        record = self.records.object(place.record("keeper"))
        if record is None or record["boot"] != self.boot():
            return None
        keeper = Process(record["pid"], record["birth"])
        return keeper if process.facts(keeper) else None

    def sight(self, place: Place) -> Observed[Sighting]:
        """What is known of a node. Unknown where a record cannot be read: its process may or may not run."""
        try:
            return Known(self._sight(place))
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Unknown(f"the records of {place.id} in {place.directory} cannot be read: {error}")

    def _sight(self, place: Place) -> Sighting:
        label = self.records.object(place.record("node"))
        run = self.run(place)
        if label is None and run is None:
            return Absent()
        if label is None or (label["cluster"], label["node"]) != (place.id.cluster, place.id.name):
            raise ValueError("node.json is missing or names another node")
        seen = process.facts(run.process) if run is not None and run.boot == self.boot() else None
        if run is not None and seen is not None:
            stopping = self.stopping(place, run)
            return Running(
                since=self.moment(run.clock),
                pid=run.process.pid,
                revision=label["revision"],
                start=label["start"],
                live=label["live"],
                fence=label["fence"],
                cpu_seconds=seen.cpu_seconds,
                stopping=stopping.asked if stopping else None,
                signalled=stopping is None or stopping.signalled,
                suspended=seen.suspended,
                leaves=self._leaves(place, label),
                volume=gauge.use(place, self.records.object),
                said=place.log.stat().st_size if place.log.exists() else 0,
                background=run.background and (process.niceness(run.process.pid) or 0) > 0,
            )
        made = self.records.object(place.record("volume"))
        if made is not None and not there(place):
            return Bereft(made["incarnation"], missing(place, made["incarnation"]))
        if blocked := self.blocked(place, label):
            return blocked
        return Absent() if run is None else evolve(self._gone(place, run), volume=gauge.use(place, self.records.object))

    def stopping(self, place: Place, run: Run) -> Stopping | None:
        """The graceful stop of the run; None where there is none."""
        stop = self.records.object(place.record("stop"))
        if stop is None or stop.get("run") != run.run or stop.get("how") != How.GRACEFUL:
            return None
        clock = stop.get("clock")
        return Stopping(self.began if clock is None else self.moment(clock), stop.get("signalled", False))

    def _leaves(self, place: Place, label: Mapping[str, Any]) -> dict[str, tuple[datetime, datetime]]:
        dates = {path: self.records.leaf(place.files / path) for path in label["leaves"]}
        return {path: value for path, value in dates.items() if value is not None}

    def blocked(self, place: Place, label: Mapping[str, Any]) -> Blocked | None:
        """Why the last start was refused, as long as the reason holds; it is looked at again each time."""
        refused = self.records.object(place.record("refused"))
        if refused is None:
            return None
        match refused["kind"]:
            case "port":
                places = [(label["address"], label["ports"]), *label.get("beside", [])]
                holds = any(taken(address, port) for address, ports in places for port in ports.values())
            case "command":
                holds = not runnable(refused["command"], self.user)
            case _:
                holds = False
        return Blocked(refused["why"], refused["fix"]) if holds else None

    def _gone(self, place: Place, run: Run) -> Gone:
        stop = self.records.object(place.record("stop")) or {}
        ours = stop.get("run") == run.run
        futile = ours and stop.get("how") == How.AS_FUTILE
        requested = ours and not futile
        if run.boot != self.boot():
            return Gone(None, "the machine restarted", requested=requested)
        history = self._history(place, run)
        ended = next((entry for entry in history if entry["run"] == run.run), None)
        short_runs = 0
        for entry in reversed(history):
            if entry["seconds"] >= SHORT_SECONDS and not entry.get("futile"):
                break
            short_runs += not entry["requested"]
        if ended is None:
            # No keeper saw the end. What the node wrote last is its last sign of life.
            last = self._wrote(place, run)
            short = futile or (last is not None and last - run.clock < SHORT_SECONDS)
            short_runs = short_runs + 1 if short else 0
            at = None if last is None else self.moment(last)
            return Gone(at, "unknown", 0 if requested else short_runs, requested)
        clock = ended.get("clock")
        return Gone(
            at=None if clock is None else self.moment(clock),
            status=status(ended["code"]) + (FUTILE if futile else ""),
            short_runs=0 if requested else short_runs,
            requested=requested,
            clean=ended["code"] == 0 or ended["code"] in TERMINATED,
        )

    def _wrote(self, place: Place, run: Run) -> float | None:
        """When the run last wrote to its log, on the boot-time clock; None where that is not known.

        Files have the wall clock's time alone. Set meanwhile, it may say anything: never before the run began, and what
        lies ahead of us is not believed."""
        try:
            ago = time.time() - place.log.stat().st_mtime
        except FileNotFoundError:
            return run.clock
        return max(run.clock, process.boot_clock() - ago) if ago >= 0 else None

    def _history(self, place: Place, run: Run) -> list[dict[str, Any]]:
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            keeper = self.keeper(place)
            history = self.records.json(place.record("ended")) or []
            if not isinstance(history, list):
                raise TypeError("ended.json holds no list")
            if keeper is None or any(entry["run"] == run.run for entry in history) or time.monotonic() > until:
                return history
            time.sleep(0.002)


def status(code: int | None) -> str:
    """An exit code (negative: a signal) in words."""
    if code is None:
        return "unknown"
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {-code} ({Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def taken(address: str, port: int) -> bool:
    """Can one not listen there now? Mostly because somebody does, on the address itself or on the wildcard."""
    return why_taken(address, port) is not None


def why_taken(address: str, port: int) -> OSError | None:
    """Why one cannot listen there: EADDRINUSE where somebody does; None where one can.

    Bound with SO_REUSEADDR, so that connections that are merely closing do not count, and released at once."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error
    return None


def runnable(command: str, user: User | None) -> bool:
    """May the nodes' user execute this file? A bare name is looked up by the keeper and counts as runnable."""
    path = Path(command)
    if not path.is_absolute():
        return True
    try:
        return os.access(path, os.X_OK) and (user is None or refused_at(path.resolve(), user) is None)
    except OSError:
        return False
