"""Operation kinds and their steps: ordered (name, predicate over the view). There is no program counter to lose."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.control.cluster.health import below_full, missing, serves, up
from penstock.model.ids import NodeId, Role
from penstock.model.observation import ClusterView
from penstock.model.operation import OpenOperation, OperationKind, OperationState, Step

Predicate = Callable[[ClusterView, OpenOperation], bool]


def _target(view: ClusterView, operation: OpenOperation) -> NodeId:
    return NodeId(view.spec.id, Role.BROKER, int(operation.target["number"]))


def _restarted(view: ClusterView, operation: OpenOperation) -> bool:
    return up(_target(view, operation), view) is not None


def _rejoined(view: ClusterView, operation: OpenOperation) -> bool:
    return serves(_target(view, operation), view) and not missing(view) and below_full(view) == ()


STEPS: Mapping[OperationKind, tuple[tuple[str, Predicate], ...]] = {
    OperationKind.REBOOT_NODE: (("RESTART_BROKER", _restarted), ("REJOIN_CLUSTER", _rejoined)),
}

RUNNING: Mapping[OperationKind, OperationState] = {OperationKind.REBOOT_NODE: OperationState.REBOOT_IN_PROGRESS}
COMPLETE: Mapping[OperationKind, OperationState] = {OperationKind.REBOOT_NODE: OperationState.REBOOT_COMPLETE}

PENDING, IN_PROGRESS, COMPLETED = "PENDING", "IN_PROGRESS", "COMPLETED"


def progress(view: ClusterView, operation: OpenOperation) -> tuple[Step, ...]:
    """The steps as they stand now. A step that was COMPLETED once stays so: what users see never goes backwards."""
    before = {step.name: step.status for step in operation.steps}
    steps: list[Step] = []
    reached = True
    for name, predicate in STEPS[operation.kind]:
        done = before.get(name) == COMPLETED or (reached and predicate(view, operation))
        steps.append(Step(name, COMPLETED if done else IN_PROGRESS if reached else PENDING))
        reached = done
    return tuple(steps)


def finished(steps: tuple[Step, ...]) -> bool:
    return all(step.status == COMPLETED for step in steps)
