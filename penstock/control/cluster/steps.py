"""Operation kinds and their steps: ordered (name, predicate over the view). There is no program counter to lose."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.control.cluster.health import below_full, large_enough, missing, up, whole
from penstock.control.cluster.rebalance.ledger import detail, own_moves
from penstock.control.cluster.rebalance.throttle import free
from penstock.control.cluster.rules.configuration import unset
from penstock.model.ids import NodeId, Role
from penstock.model.observation import ClusterView, Known
from penstock.model.operation import OpenOperation, OperationKind, Step

Predicate = Callable[[ClusterView, OpenOperation], bool]


def _restarted(view: ClusterView, operation: OpenOperation) -> bool:
    return up(NodeId(view.spec.id, Role.BROKER, int(operation.target["number"])), view) is not None


def _rolled(view: ClusterView, operation: OpenOperation) -> bool:
    return all(up(node.id, view) is not None for node in view.layout)


def _in_sync(view: ClusterView, operation: OpenOperation) -> bool:
    return whole(view) and below_full(view) == ()


def _all_serve(view: ClusterView, operation: OpenOperation) -> bool:
    return whole(view)


def balanced(view: ClusterView, operation: OpenOperation) -> bool:
    """Partitions have their share of the brokers, where it moves any, and nothing that was done for that is left."""
    match view.balance:
        case Known(balance):
            return freed(view, operation) and (not operation.moves or balance.step.settled)
        case _:
            return False


def freed(view: ClusterView, operation: OpenOperation) -> bool:
    """Nothing that it ordered moves, nothing that it set to slow that down is left, and every broker that stays is open."""
    if not opened(view):
        return False
    match view.balance:
        # Of a broker that is away it is not known what it has heard.
        case Known(balance) if operation.moves and not missing(view):
            return free(view.traffic, operation.work.throttles) and not own_moves(balance.facts, operation.work)
        case _:
            return not operation.moves


def opened(view: ClusterView) -> bool:
    """No broker that stays was seen closed to new replicas."""
    return not any(view.cordoned.get(place.id.number) for place in view.spec.brokers if not place.leaving)


def left(view: ClusterView) -> bool:
    """Nobody is to leave, and nobody has left something."""
    return not any(place.leaving for place in view.spec.nodes) and cleared(view)


def _left(view: ClusterView, operation: OpenOperation) -> bool:
    return left(view)


def cleared(view: ClusterView) -> bool:
    """Nothing is here any more of brokers that are no part of the cluster."""
    return not {*view.sightings, *view.strays} & set(view.spec.retired)


def _grown(view: ClusterView, operation: OpenOperation) -> bool:
    return all(large_enough(node, view) for node in view.layout if node.id.role is Role.BROKER)


def _configured(view: ClusterView, operation: OpenOperation) -> bool:
    known = bool(view.settings) and all(isinstance(seen, Known) for seen in view.settings.values())
    return not operation.live or (known and not unset(view, operation.live))


def _kept(view: ClusterView, operation: OpenOperation) -> bool:
    return True  # rows are all there is to it


STEPS: Mapping[OperationKind, tuple[tuple[str, Predicate], ...]] = {
    OperationKind.DECREASE_BROKER_COUNT: (("EMPTY_AND_REMOVE_BROKERS", _left), ("REJOIN_CLUSTER", _in_sync)),
    OperationKind.INCREASE_BROKER_COUNT: (
        ("START_BROKERS", _all_serve),
        ("MOVE_PARTITIONS", balanced),
        ("REJOIN_CLUSTER", _in_sync),
    ),
    OperationKind.REBOOT_NODE: (("RESTART_BROKER", _restarted), ("REJOIN_CLUSTER", _in_sync)),
    OperationKind.UPDATE_BROKER_EBS_VOLUME: (("GROW_VOLUMES", _grown),),
    OperationKind.UPDATE_BROKER_TYPE: (
        ("ROLL_BROKERS", _rolled),
        ("SET_DYNAMIC_PROPERTIES", _configured),
        ("REJOIN_CLUSTER", _in_sync),
    ),
    OperationKind.UPDATE_CLUSTER_CONFIGURATION: (
        ("ROLL_BROKERS", _rolled),
        ("SET_DYNAMIC_PROPERTIES", _configured),
        ("REJOIN_CLUSTER", _in_sync),
    ),
    OperationKind.UPDATE_CONNECTIVITY: (("ROLL_BROKERS", _rolled), ("REJOIN_CLUSTER", _in_sync)),
    OperationKind.UPDATE_CLUSTER_MONITORING: (("KEEP_SETTINGS", _kept),),
}

MOVING = ("MOVE_PARTITIONS", "EMPTY_AND_REMOVE_BROKERS")
"""Steps in which data is copied."""

PENDING, IN_PROGRESS, COMPLETED = "PENDING", "IN_PROGRESS", "COMPLETED"


def progress(view: ClusterView, operation: OpenOperation) -> tuple[Step, ...]:
    """The steps as they stand now. A step that was COMPLETED once stays so: what users see never goes backwards."""
    before = {step.name: step for step in operation.steps}
    steps: list[Step] = []
    reached = True
    for name, predicate in STEPS[operation.kind]:
        last = before.get(name, Step(name, PENDING))
        done = last.status == COMPLETED or (reached and predicate(view, operation))
        told = _moved(last, view, operation) if name in MOVING and reached and not done else ""
        steps.append(Step(name, COMPLETED if done else IN_PROGRESS if reached else PENDING, told))
        reached = done
    return tuple(steps)


def _moved(last: Step, view: ClusterView, operation: OpenOperation) -> str:
    """How far the copying is; what was told last where this look did not see it."""
    told = detail(view, operation.work) if operation.moves else ""
    return last.detail if told is None else told


def finished(steps: tuple[Step, ...]) -> bool:
    return all(step.status == COMPLETED for step in steps)


def returned(view: ClusterView, operation: OpenOperation) -> bool:
    """The cluster is what it was before the operation that was given up."""
    return all(predicate(view, operation) for predicate in (_left, _rolled, _configured, freed, _in_sync))
