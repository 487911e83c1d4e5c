"""Operation kinds and their steps: ordered (name, predicate over the view). There is no program counter to lose."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.control.cluster.health import below_full, going, large_enough, missing, up, whole
from penstock.control.cluster.rebalance.ledger import detail, own_moves
from penstock.control.cluster.rebalance.throttle import free
from penstock.control.cluster.rules.configuration import named, unset, values
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
    return not operation.live or (_told(view) and not unset(view, operation.live))


def _told(view: ClusterView) -> bool:
    """Has every broker said what its settings are, and is it known what is kept for all of them?"""
    seen = [view.defaults, *view.settings.values()]
    return bool(view.settings) and all(isinstance(each, Known) for each in seen)


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
        told = _detail(last, view, operation, done=done) if reached else ""
        steps.append(Step(name, COMPLETED if done else IN_PROGRESS if reached else PENDING, told))
        reached = done
    return tuple(steps)


def _detail(last: Step, view: ClusterView, operation: OpenOperation, *, done: bool) -> str:
    """What is told of a step beside its status: which properties it is about, also afterwards; how far the copying is."""
    match last.name:
        case "ROLL_BROKERS" if operation.restart is not None:
            return f"for {named(operation.restart)}" if operation.restart else "nothing needs a restart"
        case "SET_DYNAMIC_PROPERTIES":
            return last.detail or _set_live(view, operation)
        case name if name in MOVING and not done:
            told = detail(view, operation.work) if operation.moves else ""
            return last.detail if told is None else told  # this look may not have seen it
        case _:
            return ""


def _set_live(view: ClusterView, operation: OpenOperation) -> str:
    """What is set at run time, as seen before any of it is. Brokers that were restarted may have it from their files."""
    if not operation.live:
        return "nothing to set"
    if not _told(view):
        return ""
    left = unset(view, operation.live)
    came = sorted(operation.live.keys() - left) if operation.restart != () else []
    names = []
    for name in sorted(operation.live.keys() - came):
        sizes = values(name, left[name], operation.live[name]) if name in left else ()
        names.append(f"{name} (in steps: {', '.join(sizes)})" if len(sizes) > 1 else name)
    told = named(names) if names else "nothing left to set"
    return f"{told}; with the restart came {named(came)}" if came else told


def finished(steps: tuple[Step, ...]) -> bool:
    return all(step.status == COMPLETED for step in steps)


def at_rest(view: ClusterView, operation: OpenOperation) -> bool:
    """All is done now, too. A step that was done once stays so, but since then a broker may have been stopped for something
    else, or new data been moved: neither may outlive the operation."""
    _, last = STEPS[operation.kind][-1]
    return last(view, operation) and not going(view) and (not operation.scales or balanced(view, operation))


def returned(view: ClusterView, operation: OpenOperation) -> bool:
    """The cluster is what it was before the operation that was given up."""
    return all(predicate(view, operation) for predicate in (_left, _rolled, _configured, freed, _in_sync))
