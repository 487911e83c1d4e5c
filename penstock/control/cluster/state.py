"""The state of a cluster, computed from what was seen and planned; never set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from penstock.control.cluster.fullness import levels
from penstock.control.cluster.health import below_full, late, missing, whole
from penstock.control.cluster.rebalance.throttle import free
from penstock.control.cluster.steps import left, opened
from penstock.model.ids import Role
from penstock.model.observation import Absent, Blocked, ClusterView, Known
from penstock.model.operation import SHOWN_AS
from penstock.model.plan import Plan
from penstock.model.spec import ClusterState, ClusterStatus


def status(view: ClusterView, plan: Plan, now: datetime, patience: timedelta) -> ClusterStatus:
    """The status after this pass. Equal to the old one where nothing changed."""
    before = view.status
    waiting = tuple(str(wait) for wait in plan.waits)
    state, code, message, progress, progress_at = _state(view, plan, now, patience)
    return evolve(
        before,
        state=state,
        code=code,
        message=message,
        since=before.since if before.state is state and before.since else now,
        completed=before.completed or state is ClusterState.ACTIVE,
        progress=progress,
        progress_at=progress_at,
        waiting=waiting,
        pace=view.pace or before.pace,
        filled=levels(view) if view.layout else before.filled,
        **_left_over(view),
    )


def resumed(status: ClusterStatus) -> ClusterStatus:
    """The status as a pass begins with it after a time in which nobody looked."""
    return evolve(status, progress_at=None) if status.state is ClusterState.CREATING else status


def _left_over(view: ClusterView) -> Mapping[str, Any]:
    """What is to be lifted that no operation sees to any more: until every broker was asked and is free; and what moves
    because brokers must leave that one left."""
    before, brokers = view.status.throttled, {node.id.number for node in view.layout if node.id.role is Role.BROKER}
    match view.balance:
        case Known(balance):
            moving = balance.step.topics if view.scaling is None and balance.facts.leaving else frozenset()
            if not moving and brokers <= set(view.traffic.limits) and free(view.traffic, before) and opened(view):
                return {"throttled": (), "restrained": False}
            return {"throttled": tuple(sorted({*before, *moving}))}
        case _:
            return {}


_Computed = tuple[ClusterState, str | None, str | None, str, datetime | None]


def _state(view: ClusterView, plan: Plan, now: datetime, patience: timedelta) -> _Computed:
    before = view.status
    if view.spec.removed:
        return ClusterState.DELETING, None, None, "", None
    if not before.completed:
        return _creating(view, plan, now, patience)
    trouble = _trouble(view, plan)
    if view.operation is not None:
        state = SHOWN_AS.get(view.operation.kind, ClusterState.UPDATING)
        return state, None, None, "", None
    if trouble is not None:
        return ClusterState.HEALING, "HEALING", trouble, "", None
    return ClusterState.ACTIVE, None, None, "", None


def _creating(view: ClusterView, plan: Plan, now: datetime, patience: timedelta) -> _Computed:
    before = view.status
    if before.state is ClusterState.FAILED:
        return before.state, before.code, before.message, before.progress, before.progress_at
    if whole(view):
        return ClusterState.ACTIVE, None, None, "", None
    mark = _reached(view, before.progress)
    at = before.progress_at if mark == before.progress and before.progress_at else now
    if not view.layout and plan.stuck is None:
        # Kafka itself is being fetched; whoever fetches says when that is hopeless.
        return ClusterState.CREATING, None, None, mark, None
    if plan.stuck is not None and now - at >= min(patience, timedelta(seconds=10)):
        return ClusterState.FAILED, "CREATE_FAILED", plan.stuck, mark, at
    if now - at >= patience:
        because = "; ".join(str(wait) for wait in plan.waits) or late(view)
        cause = f"no progress for {patience.total_seconds():.0f} s: {because}. "
        fix = "Look at `penstock explain` and `penstock logs`, delete the cluster, mend the cause and create it again."
        return ClusterState.FAILED, "CREATE_FAILED", cause + fix, mark, at
    trouble = next((f"{wait}" for wait in plan.waits if wait.heals), None)
    return ClusterState.CREATING, ("RETRYING" if trouble else None), trouble, mark, at


def _trouble(view: ClusterView, plan: Plan) -> str | None:
    """Why the cluster is HEALING, or None where nothing is being repaired."""
    for reasoned in plan.actions:
        if reasoned.heals:
            return reasoned.because
    for wait in plan.waits:
        if wait.heals:
            return str(wait)
    if not left(view):  # no operation sees to it any more
        leaving = {*view.spec.retired, *(place.id for place in view.spec.brokers if place.leaving)}
        return f"{', '.join(map(str, sorted(leaving)))} must leave"
    if view.depth >= 2 and (absent := missing(view)):
        return f"{', '.join(map(str, absent))} must serve again"
    if view.status.state is ClusterState.HEALING:
        if view.depth < 2:
            return view.status.message
        lagging = below_full(view)
        if lagging is None:
            return "the partitions must be looked at"
        if lagging:
            return f"replicas catch up: {len(lagging)} partitions are not fully in sync"
    return None


def _reached(view: ClusterView, before: str) -> str:
    """The most that this create has come to: nodes laid out, started and serving, and whether the quorum was led.

    Only more is progress: a node that starts and ends again and again makes none."""
    started = sum(
        isinstance(seen, Known) and not isinstance(seen.value, Absent | Blocked) for seen in view.sightings.values()
    )
    led = isinstance(view.quorum, Known) and view.quorum.value.leader >= 0
    reached = (len(view.layout), started, len(view.layout) - len(missing(view)), int(led))
    most = map(max, reached, map(int, before.split("/"))) if before else reached
    return "/".join(map(str, most))
