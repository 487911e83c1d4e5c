"""When the next pass is due, where no event comes before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from penstock.control.cluster.act import Done
from penstock.control.cluster.health import missing, starting
from penstock.model.observation import ClusterView, Known
from penstock.model.plan import Plan
from penstock.model.spec import ClusterState, ClusterStatus

BROKERS_EVERY = 2.0
"""Seconds between looks at quorum and brokers of a quiet cluster: a frozen node does not wake us."""
WHILE_BUSY = 1.0
"""Seconds until the next look while something is under way and no event may come."""
WHILE_SETTLING = 0.25
"""The same where Kafka has the next word and says it soon: a broker that has just been started serves, replicas and leaders
come home before the next batch of a roll, partitions move and nobody minds, or it is little. As long as the last pass took is
waited at least."""
FAILED_EVERY = 30.0
"""The same for a create that has failed: nothing but its deletion is waited for."""


def due(
    view: ClusterView, plan: Plan, status: ClusterStatus, done: Sequence[Done], now: datetime, ended: datetime
) -> float:
    """Seconds from the end of the pass that began at `now`."""
    if status.state is ClusterState.FAILED:
        return FAILED_EVERY
    if status.state is ClusterState.ACTIVE and not plan.waits and not done:
        return BROKERS_EVERY
    tries = [(wait.until - now).total_seconds() for wait in plan.waits if wait.until is not None]
    unsteered = view.traffic.rate is None or view.traffic.calm_ms is None
    copying = isinstance(view.balance, Known) and view.balance.value.facts.copying and unsteered
    settles = starting(view, now) if missing(view) else plan.roll is not None or copying
    spent = (ended - now).total_seconds()
    pause = max(WHILE_SETTLING, min(spent, WHILE_BUSY)) if settles else WHILE_BUSY
    return max(0.05, min([pause, *tries]))
