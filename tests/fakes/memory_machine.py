"""What the machine in memory is made of: a clock, odd nodes, their places, runs and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import define, field, frozen

from penstock.model.ids import NodeId
from penstock.model.node import NodeSpec
from penstock.model.observation import Blocked, Gone

SHORT = timedelta(seconds=30)


class Crash(BaseException):
    """The control plane died right after a verb had done its work. No Exception: nobody may handle a death."""


@define
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@define
class Misbehaviour:
    """What goes wrong with one node."""

    start_fails: int = 0
    """So many of the next starts raise."""
    dies_after: timedelta | None = None
    """Each run ends by itself so long after its start, with exit status 1."""
    ignores_stop: bool = False
    """A graceful stop is never answered."""
    stop_takes: timedelta = timedelta()
    unknown: str = ""
    """Sightings are Unknown for this reason."""
    blocked: Blocked | None = None
    """A stranger on its port and the like: starts raise, sightings say so."""


@define
class Volume:
    """A volume and what lies in it."""

    cluster: str
    node: str
    incarnation: str
    content: dict[str, bytes] = field(factory=dict)
    gib: int = 1
    ballast: int = 0


@define
class Process:
    """One run of a node."""

    pid: int
    since: datetime
    ended: datetime | None = None
    code: int | None = None
    requested: bool = False
    futile: bool = False
    restarted: bool = False
    """It ended because the machine did."""
    stopping: datetime | None = None
    suspended: bool = False
    background: bool = False


@define
class Place:
    """What is left of a node on the machine, and its runs, the newest last."""

    spec: NodeSpec
    fence: int
    live: str
    files: dict[str, bytes] = field(factory=dict)
    runs: list[Process] = field(factory=list)
    leaves: dict[str, tuple[datetime, datetime]] = field(factory=dict)
    log: list[str] = field(factory=list)
    ran_on: str | None = None
    """Incarnation of the volume that it last started on."""


@frozen
class Event:
    """One change of the world, for assertions: verb and node."""

    verb: str
    node: NodeId


def gone(runs: Sequence[Process]) -> Gone:
    last = runs[-1]
    if last.restarted:
        return Gone(None, "the machine restarted", requested=last.requested)
    short = 0
    for run in reversed(runs):
        if run.ended is None or (run.ended - run.since >= SHORT and not run.futile):
            break
        short += not run.requested
    code = last.code or 0
    status = (
        f"exit status {code}"
        if code >= 0
        else {-9: "signal 9 (SIGKILL)", -15: "signal 15 (SIGTERM)"}.get(code, f"signal {-code}")
    )
    status += ", ours, since it did not come to serve" if last.futile else ""
    return Gone(last.ended, status, 0 if last.requested else short, last.requested, code in (0, 143, -15))
