"""A pass in one sentence, and a cluster in a few: what was done, on what evidence, and on what it waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve

from penstock.compute.base import ComputeError
from penstock.control.cluster.act import Done, Failure
from penstock.control.cluster.course import Course
from penstock.control.cluster.fullness import crossed
from penstock.control.cluster.health import below_full, missing, serves
from penstock.kafka.halt import halt, spoiled
from penstock.model.action import Start
from penstock.model.ids import NodeId
from penstock.model.observation import (
    Absent,
    Bereft,
    Blocked,
    ClusterView,
    Gone,
    Known,
    Observed,
    Running,
    Sighting,
    Unknown,
)
from penstock.model.plan import Plan, Waiting
from penstock.model.spec import ClusterStatus


def failed(failure: Failure) -> Waiting:
    """What a failed act leaves behind: the next pass is the retry."""
    return Waiting(str(failure.target), failure.why, heals=failure.heals)


LAST_LINES = 400
"""So many lines from the end of a log hold what a node said before it ended, its stack trace included."""


BAD_DISK = "its disk fails: look at the system log; moved away, the volume is replaced where others have its data"
"""What to do about a volume that returns errors where something reads that is not tried before a start."""


Tail = Callable[[NodeId, int], Sequence[str]]
"""The last lines of a node's log. Raises ComputeError: mostly the disk that ended the node holds its log too."""


def said(node: NodeId, tail: Tail) -> str:
    """A node's last words; where its log cannot be read, why not."""
    return _heard(node, tail, last_words)


def _heard(node: NodeId, tail: Tail, told: Callable[[Sequence[str]], str | None]) -> str:
    """What the end of a node's log tells; empty where it tells nothing, and where it cannot be read, why not."""
    try:
        return told(tail(node, LAST_LINES)) or ""
    except ComputeError as error:
        return str(error)


def last_words(lines: Sequence[str]) -> str:
    """The last line of a log that says something: a frame of a stack trace does not. Where a disk ended the node, what it said."""
    if (halted := halt(lines)) is not None:
        return f"{halted} ({BAD_DISK})" if spoiled(halted) else halted
    for line in reversed(lines):
        said = line.strip()
        if said and not said.startswith(("at ", "... ")):
            return said
    return ""


def quoting(plan: Plan, view: ClusterView, tail: Tail) -> Plan:
    """The plan in which every wait for a node that keeps ending tells the node's last words; and the start of one that halted."""
    ended = {
        str(node.id): node.id
        for node in view.layout
        if isinstance(seen := view.sighting(node.id), Known) and isinstance(seen.value, Gone) and seen.value.short_runs
    }
    waits = [
        evolve(wait, because=f"{wait.because}; its last words: {words}")
        if wait.on in ended and (words := said(ended[wait.on], tail))
        else wait
        for wait in plan.waits
    ]
    actions = [
        evolve(each, because=f"{each.because}: {halted}")
        if isinstance(each.action, Start) and (halted := _halted(each.action.target, view, tail))
        else each
        for each in plan.actions
    ]
    return evolve(plan, actions=tuple(actions), waits=tuple(waits))


def _halted(node: NodeId, view: ClusterView, tail: Tail) -> str:
    """Why a node ended by itself, where its log says so or cannot be read; empty else."""
    match view.sighting(node):
        case Known(Gone(requested=False, clean=False, status=status)) if status.startswith("exit status"):
            return _heard(node, tail, halt)
        case _:
            return ""


def passed(
    view: ClusterView,
    status: ClusterStatus,
    done: Sequence[Done],
    failures: Sequence[Failure],
    at: Course | None = None,
) -> str:
    """The pass in one sentence; empty where nothing happened that a person wants to know."""
    parts: list[str] = []
    for because in dict.fromkeys(d.reasoned.because for d in done):
        acts = [d for d in done if d.reasoned.because == because]
        told = ", ".join(dict.fromkeys(_told(d) for d in acts))
        parts.append(f"{because}: {told}")
    before = set(view.status.waiting)
    parts += [failure.why for failure in failures if str(failed(failure)) not in before]
    parts += crossed(view, status.filled)
    if at is not None and at.ending is not None:
        parts.append(str(at.ending))
    elif at is not None and at.turned and (setback := at.operation.work.setback) is not None:
        way = "the cluster goes back" if at.goes_back else "what it has come to stays"
        parts.append(f"operation {at.operation.kind} is given up: {setback.why}; {way}")
    if status.state is not view.status.state:
        cause = f" ({status.message})" if status.message and status.message not in " ".join(parts) else ""
        parts.append(f"{view.status.state} -> {status.state}{cause}")
    return "; ".join(parts)


def _told(done: Done) -> str:
    """An act in words."""
    return str(done.reasoned.action) + (f" ({done.remark})" if done.remark else "")


def describe(seen: Observed[Sighting]) -> str:
    """A sighting in words."""
    match seen:
        case Known(Running() as running):
            how = "is suspended (stopped by a signal)" if running.suspended else "runs"
            return f"{how} as pid {running.pid} since {running.since:%Y-%m-%d %H:%M:%S}Z"
        case Known(Gone(at=at, status=status, short_runs=short)):
            when = f" at {at:%H:%M:%S}Z" if at else ""
            again = f", {short} times in a row soon after its start" if short > 1 else ""
            return f"ended{when} with {status}{again}"
        case Known(Absent()):
            return "was never started"
        case Known(Bereft(_, why)):
            return f"cannot start: {why}"
        case Known(Blocked(why, fix)):
            return f"cannot run: {why} {fix}"
        case Unknown(why):
            return f"is not known: {why}"
        case _:
            return "is not known"


def explained(view: ClusterView, plan: Plan, last_line: Callable[[NodeId], str]) -> list[str]:
    """Why the cluster is in its state, node by node: what is known and how, its last log line, what comes next."""
    status = view.status
    since = f" since {status.since:%Y-%m-%d %H:%M:%S}Z" if status.since else ""
    lines = [f"{view.spec.name} is {status.state}{since}." + (f" {status.message}" if status.message else "")]
    if view.operation is not None:
        lines.append(f"It is being changed: {view.operation}.")
    for node in view.layout or ():
        seen = view.sighting(node.id)
        role = "serves" if serves(node.id, view) else "does not serve"
        known = (
            f"{node.id} at {node.address} {describe(seen)} (seen in the process table) and {role} (by the controllers)."
        )
        lines.append(known)
        if not serves(node.id, view) and (line := last_line(node.id)):
            lines.append(f"  Its last log line: {line}")
    match view.quorum:
        case Known(quorum):
            lines.append(f"The quorum is led by controller {quorum.leader} in epoch {quorum.epoch}.")
        case Unknown(why):
            lines.append(f"The quorum is not known: {why}.")
    if lagging := below_full(view):
        lines.append(f"Partitions with replicas out of sync: {', '.join(lagging[:10])}.")
    lines += [f"It {wait}." for wait in plan.waits]
    lines += [f"Next: {reasoned.action}, because {reasoned.because}." for reasoned in plan.actions]
    lines += [f"Note: {note}." for note in plan.notes]
    if not plan.actions and not plan.waits:
        lines.append(_idle(view))
    return lines


def _idle(view: ClusterView) -> str:
    """Why nothing is done and nothing planned."""
    if view.depth >= 2 and (absent := missing(view)):
        return f"It waits for {', '.join(map(str, absent))}: started, and not serving yet."
    return "There is nothing to do."
