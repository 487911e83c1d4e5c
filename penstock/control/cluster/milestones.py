"""How far an operation has come, as numbers that only grow where it makes progress."""

from __future__ import annotations

from penstock.control.cluster.health import below_full, lagging, large_enough, missing, up
from penstock.control.cluster.rules.configuration import unset
from penstock.control.cluster.steps import COMPLETED
from penstock.model.ids import Role
from penstock.model.observation import ClusterView, Known
from penstock.model.operation import OpenOperation

GRAIN = 16 * 2**20
"""Bytes: moving fewer is no progress, since producers write meanwhile."""


def reached(view: ClusterView, operation: OpenOperation) -> tuple[int, ...]:
    """A later moment of the same operation has a greater tuple, the weightiest number first.

    Compared from the left, because a restart puts a node out of service that was in: what counts is that one more has had its."""
    partitions, grains = _to_move(view, operation)
    return (
        sum(step.status == COMPLETED for step in operation.steps),
        -sum(place.leaving for place in view.spec.brokers),
        -sum(up(node.id, view) is None for node in view.layout),
        -len(missing(view)) if view.depth >= 2 else -len(view.layout),
        -sum(node.id.role is Role.BROKER and not large_enough(node, view) for node in view.layout),
        -len(unset(view, operation.live)),
        -partitions,
        -grains,
        -len(below_full(view) or ()),
    )


def catches_up(view: ClusterView) -> bool:
    """Replicas are out of sync on brokers that all serve: Kafka copies, and says nothing of how far it is. Or a broker reads
    its logs, which may take it hours: where it gets no further, the rule `registration` ends it."""
    return bool(view.recovering) or (not missing(view) and bool(lagging(view)))


def _to_move(view: ClusterView, operation: OpenOperation) -> tuple[int, int]:
    match view.balance:
        case Known(balance) if operation.moves:
            remaining = balance.step.remaining
            return remaining.partitions, remaining.left_bytes // GRAIN
        case _:
            return 1_000_000 if operation.moves else 0, 0
