"""The open operation after a pass: its steps, how far it has come, whether it is given up, how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from penstock.control.cluster.act import Failure
from penstock.control.cluster.health import late
from penstock.control.cluster.outcome import Ending, complete, running
from penstock.control.cluster.rebalance.ledger import kept
from penstock.control.cluster.retreat import LOST_RUNS, Way, cause, hopeless, setback, way, worked
from penstock.control.cluster.steps import at_rest, cleared, finished, freed, progress, returned
from penstock.model.action import Retire
from penstock.model.ids import NodeId
from penstock.model.observation import ClusterView
from penstock.model.operation import OpenOperation, OperationState
from penstock.model.plan import Reasoned
from penstock.model.rebalance import Move
from penstock.model.spec import ClusterStatus


@frozen
class Course:
    """Where the operation stands. `ending`: it is over; `turned`: it was given up in this pass."""

    operation: OpenOperation
    ending: Ending | None = None
    turned: bool = False

    @property
    def goes_back(self) -> bool:
        """From now on the cluster is to be what it was."""
        setback = self.operation.work.setback
        return self.turned and setback is not None and not setback.stays


def course(
    view: ClusterView,
    operation: OpenOperation,
    status: ClusterStatus,
    failures: Sequence[Failure],
    now: datetime,
    patience: timedelta,
    last_words: Callable[[NodeId], str],
    *,
    lost_sight: bool,
    ordered: Iterable[Move] = (),
    done: Sequence[Reasoned] = (),
) -> Course:
    """What this look makes of the open operation. `lost_sight`: nobody looked for a while before it; `ordered`: what was
    ordered after it, and `done` what was done: a broker that was written out of the cluster cannot be called back."""
    out = [each.action.target for each in done if isinstance(each.action, Retire)]
    view = evolve(view, spec=evolve(view.spec, retired=(*view.spec.retired, *out)))
    if not status.completed or not view.layout:
        return Course(operation)  # of a cluster that is to go, or cannot be laid out now, nothing can be read
    if operation.work.setback is None:
        operation = evolve(operation, steps=progress(view, operation), state=running(operation.kind))
        quiet = at_rest(view, operation) and not any(each.disrupts for each in done)
        if finished(operation.steps) and quiet and status.message is None:
            return Course(operation, Ending(complete(operation.kind), operation.kind))
    refused = [failure for failure in failures if failure.refused]
    work = worked(view, operation, refused, now, lost_sight=lost_sight)
    operation = evolve(operation, work=kept(work, view, ordered) if operation.moves else work)
    idle = now - (operation.work.marked or now)
    if (given_up := operation.work.setback) is not None:
        # Nobody but the operation knows of brokers that have left, until they are cleared away.
        lost = cleared(view) and (idle >= patience or hopeless(view, last_words, LOST_RUNS) is not None)
        if not lost and not (freed if given_up.stays else returned)(view, operation):
            return Course(operation)
        overdue = ("; ".join(status.waiting) or late(view)) if lost else ""
        free = freed(view, operation)
        failed = Ending(
            OperationState.UPDATE_FAILED,
            operation.kind,
            given_up.code,
            cause(operation, given_up, overdue),
            given_up.stays,
            throttled=() if free else operation.work.throttles,
            restrained=not free,
        )
        return Course(operation, failed)
    chosen = way(view, operation)
    met = setback(view, operation, chosen, refused, status.waiting, idle, patience, last_words)
    if met is None:
        return Course(operation)
    # The way out is counted anew.
    work = evolve(operation.work, setback=evolve(met, stays=chosen is Way.END), mark="", marked=now)
    return Course(evolve(operation, work=work), turned=True)
