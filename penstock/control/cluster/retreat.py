"""When an operation is given up, and what becomes of it: the written rule.

It is given up where its nodes cannot start with what it asks for, where Kafka refuses what is to be set, and where it has
made no progress for long. What then happens depends on what has been done and cannot be undone:

| operation | while | it |
|---|---|---|
| configuration, broker type, connectivity, volumes | any time | goes back to what was there before; larger volumes stay |
| more brokers | some do not serve | goes back: the new ones leave again |
| more brokers | partitions move | ends: the brokers stay, and partitions stay where they are |
| fewer brokers | none has left | goes back: they stay |
| fewer brokers | one has left | waits |
| reboot | the broker was not stopped | goes back: it is not stopped any more |
| reboot | it was | waits |
| what is only kept | any time | waits |

Going back is a new desired state like any other. The operation stays open on the way, and fails when the cluster is ACTIVE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import evolve

from penstock.control.cluster.act import Failure
from penstock.control.cluster.fullness import relieved
from penstock.control.cluster.health import late, up
from penstock.control.cluster.milestones import catches_up, reached
from penstock.control.cluster.steps import COMPLETED
from penstock.model.ids import NodeId, Role
from penstock.model.observation import ClusterView, Gone, Known
from penstock.model.operation import OpenOperation, OperationKind, Setback, Work
from penstock.model.spec import ClusterSpec

HOPELESS_RUNS = 3
"""So many runs in a row that ended soon after their start prove that the node cannot run with what was asked for."""
LOST_RUNS = 2 * HOPELESS_RUNS
"""So many of them prove that it cannot run with what was there before either: it is not what was asked for that keeps it."""
HOPELESS_REFUSALS = 3
"""So many refusals in a row: one alone may come from a thread pool that still grows."""


REMEDIES: Mapping[str, str] = {
    "BROKER_CANNOT_START": "Mend what its log tells (`penstock logs`), or ask for something else.",
    "PROPERTY_REFUSED": "Give that property a value that Kafka takes, and ask again.",
    "NO_PROGRESS": "Mend what it waited for (`penstock explain` tells what is so now), and ask again.",
}
"""Code of a setback -> what to do about it."""


class Way(StrEnum):
    """What becomes of an operation that is given up now."""

    BACK = "back"
    END = "end"
    WAIT = "wait"
    """It is not given up."""


def way(view: ClusterView, operation: OpenOperation) -> Way:
    """By the table above."""
    match operation.kind:
        case OperationKind.INCREASE_BROKER_COUNT:
            return Way.END if _all_joined(operation) else Way.BACK
        case OperationKind.DECREASE_BROKER_COUNT:
            return Way.WAIT if view.spec.retired else Way.BACK
        case OperationKind.REBOOT_NODE:
            node = NodeId(view.spec.id, Role.BROKER, int(operation.target["number"]))
            running = view.running(node)
            untouched = running is not None and running.stopping is None and up(node, view) is None
            return Way.BACK if untouched else Way.WAIT
        case _:
            return Way.BACK if "before" in operation.target else Way.WAIT


def worked(
    view: ClusterView, operation: OpenOperation, refused: Sequence[Failure], now: datetime, *, lost_sight: bool
) -> Work:
    """What is to be written down of the operation after this pass. No progress is counted while replicas catch up, nor
    from before a time in which nobody looked."""
    before = operation.work
    most = tuple(int(part) for part in before.mark.split("/")) if before.mark else ()
    present = reached(view, operation)
    work = evolve(before, refusals=before.refusals + 1 if refused else 0)
    if present > most:
        return evolve(work, mark="/".join(map(str, present)), marked=now)
    if before.marked is None or lost_sight or (catches_up(view) and now - before.marked > timedelta(seconds=30)):
        return evolve(work, marked=now)
    return work


def setback(
    view: ClusterView,
    operation: OpenOperation,
    chosen: Way,
    refused: Sequence[Failure],
    waits: Sequence[str],
    idle: timedelta,
    patience: timedelta,
    last_words: Callable[[NodeId], str],
) -> Setback | None:
    """Why the operation is given up now, if it is. `idle`: for how long it has made no progress."""
    if chosen is Way.WAIT:
        return None
    if chosen is Way.BACK and (why := hopeless(view, last_words)) is not None:
        return Setback("BROKER_CANNOT_START", why)
    if operation.work.refusals >= HOPELESS_REFUSALS and refused:
        return Setback("PROPERTY_REFUSED", refused[0].why)
    if idle >= patience:
        because = "; ".join(waits) or late(view)
        return Setback("NO_PROGRESS", f"no progress for {idle.total_seconds():.0f} s: it {because}")
    return None


def cause(operation: OpenOperation, given_up: Setback, overdue: str) -> str:
    """Why the operation failed, what has become of the cluster, and what to do. `overdue`: on what the way back waits still."""
    if overdue:
        became = f"and it is not back yet: {overdue}"
    elif given_up.stays:
        became = "the brokers that joined stay, and partitions stay where they are"
    elif operation.kind is OperationKind.UPDATE_BROKER_EBS_VOLUME:
        became = "volumes that are larger already stay so"
    else:
        became = "the cluster is what it was before"
    return f"{given_up.why}; {became}. {REMEDIES[given_up.code]}"


def gone_back(spec: ClusterSpec, operation: OpenOperation) -> ClusterSpec:
    """The spec with what was desired before the operation."""
    match operation.kind:
        case OperationKind.INCREASE_BROKER_COUNT:
            present = int(operation.source["NumberOfBrokerNodes"])
            joined = {place.id for place in spec.brokers[present:]}
            return evolve(spec, nodes=tuple(evolve(p, leaving=p.leaving or p.id in joined) for p in spec.nodes))
        case OperationKind.DECREASE_BROKER_COUNT:
            return evolve(spec, nodes=tuple(evolve(place, leaving=False) for place in spec.nodes))
        case OperationKind.REBOOT_NODE:
            place = spec.place(NodeId(spec.id, Role.BROKER, int(operation.target["number"])))
            return spec.with_place(evolve(place, restarts=place.restarts - 1))
        case _:
            return evolve(spec, **_fields(operation.target["before"]))


def _fields(before: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fields of a spec as they come out of the store, where a tuple is a list."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in before.items()}


def _all_joined(operation: OpenOperation) -> bool:
    """Its first step is done: every new broker has served."""
    return bool(operation.steps) and operation.steps[0].status == COMPLETED


def hopeless(view: ClusterView, last_words: Callable[[NodeId], str], least: int = HOPELESS_RUNS) -> str | None:
    """Which node does not start with what is asked for, in its own words: so many runs in a row have ended at once."""
    for node in view.layout:
        match view.sighting(node.id):
            case Known(Gone(status=status, short_runs=runs, volume=volume)) if runs >= least:
                if volume is not None and relieved(node, volume):
                    continue  # what its runs ended of may be what the next start mends
                words = last_words(node.id)
                said = f": {words}" if words else ""
                return f"{node.id} ended {runs} times in a row soon after its start with {status}{said}"
            case _:
                pass
    return None
