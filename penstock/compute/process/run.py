"""The records of a node's directory, and what is known of the node from them and from /proc."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from threading import Lock
from typing import Any

from attrs import evolve, field, frozen
from cryptography import x509

from penstock.compute.process import gauge, process
from penstock.compute.process.home import Place
from penstock.compute.process.process import Process
from penstock.compute.process.user import User, refused_at
from penstock.compute.process.volumes import missing, there
from penstock.model.observation import Absent, Bereft, Blocked, Gone, Known, Observed, Running, Sighting, Unknown
from penstock.model.plan import How

SHORT_SECONDS = 30.0
"""A run that ends within so many seconds of its start is a short one."""
FUTILE = ", ours, since it did not come to serve"
"""Added to the end of such a run."""
SETTLE_SECONDS = 0.2
"""How long to wait for a living keeper to write down the end of its node; it takes a millisecond or two."""
TERMINATED = (-Signals.SIGTERM, 128 + Signals.SIGTERM)
"""How a process ends that obeys SIGTERM: by the signal itself, or by exit status 143 (Java after its shutdown hooks)."""


class Records:
    """JSON and PEM files of nodes, parsed once for each version of a file.

    Invariant: a file with another inode, size or time of change is read again, so nothing outlives what lies on disk."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[tuple[int, int, int], Any]] = {}
        self._lock = Lock()

    def json(self, path: Path) -> dict[str, Any] | list[dict[str, Any]] | None:
        """The value of a JSON file; None where there is none. Raises OSError and ValueError."""
        value: dict[str, Any] | list[dict[str, Any]] | None = self._read(path, json.loads)
        return value

    def object(self, path: Path) -> dict[str, Any] | None:
        """A JSON object; None where there is no file. Raises OSError and ValueError."""
        value = self.json(path)
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"{path} holds no JSON object")
        return value

    def leaf(self, path: Path) -> tuple[datetime, datetime] | None:
        """(not before, not after) of the first certificate of a PEM file; None where there is none. Raises OSError."""
        dates: tuple[datetime, datetime] | None = self._read(path, _dates)
        return dates

    def forget(self, directory: Path) -> None:
        """Drop what was kept of a directory that is gone."""
        with self._lock:
            for path in [path for path in self._kept if path.is_relative_to(directory)]:
                del self._kept[path]

    def _read(self, path: Path, parse: Callable[[bytes], Any]) -> Any:
        try:
            facts = path.stat()
        except FileNotFoundError:
            return None
        version = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
        with self._lock:
            kept = self._kept.get(path)
        if kept is not None and kept[0] == version:
            return kept[1]
        try:
            value = parse(path.read_bytes())
        except FileNotFoundError:
            return None
        with self._lock:
            self._kept[path] = (version, value)
        return value


def _dates(pem: bytes) -> tuple[datetime, datetime] | None:
    try:
        leaf = x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        return None
    return leaf.not_valid_before_utc, leaf.not_valid_after_utc


@frozen
class Run:
    """The last run of a node, as `run.json` tells it."""

    run: str
    boot: str
    process: Process
    started: datetime
    clock: float
    """Boot-time clock at the start, in seconds: durations are counted on it."""
    log: int
    """Where in node.log the run's own output begins, in bytes."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Run:
        return cls(
            record["run"],
            record["boot"],
            Process(record["pid"], record["birth"]),
            moment(record["started"]),
            record["clock"],
            record["log"],
        )


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@frozen
class Witness:
    """Looks at nodes: their records, their processes. Changes nothing."""

    records: Records = field(factory=Records)
    boot: Callable[[], str] = process.boot_id
    user: User | None = None

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
            return Running(
                since=run.started,
                pid=run.process.pid,
                revision=label["revision"],
                start=label["start"],
                live=label["live"],
                fence=label["fence"],
                cpu_seconds=seen.cpu_seconds,
                stopping=self.stopping(place, run),
                suspended=seen.suspended,
                leaves=self._leaves(place, label),
                volume=gauge.use(place, self.records.object),
                said=place.log.stat().st_size if place.log.exists() else 0,
            )
        made = self.records.object(place.record("volume"))
        if made is not None and not there(place):
            return Bereft(made["incarnation"], missing(place, made["incarnation"]))
        if blocked := self.blocked(place, label):
            return blocked
        return Absent() if run is None else evolve(self._gone(place, run), volume=gauge.use(place, self.records.object))

    def stopping(self, place: Place, run: Run) -> datetime | None:
        """When the run was first asked to stop gracefully; None where it was not."""
        stop = self.records.object(place.record("stop"))
        if stop is None or stop.get("run") != run.run or stop.get("how") != How.GRACEFUL:
            return None
        return moment(stop["at"])

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
            wrote = moment(place.log.stat().st_mtime) if place.log.exists() else run.started
            last = max(run.started, wrote)
            short = futile or (last - run.started).total_seconds() < SHORT_SECONDS
            short_runs = short_runs + 1 if short else 0
            return Gone(last, "unknown", 0 if requested else short_runs, requested)
        return Gone(
            at=moment(ended["ended"]),
            status=status(ended["code"]) + (FUTILE if futile else ""),
            short_runs=0 if requested else short_runs,
            requested=requested,
            clean=ended["code"] == 0 or ended["code"] in TERMINATED,
        )

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
