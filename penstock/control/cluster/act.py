"""Action -> exactly one outside call. Makes no choices: an action is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import frozen

from penstock.compute.base import Compute, ComputeError, IssuedLeaf
from penstock.control.cluster.admin import Admin
from penstock.kafka import canary
from penstock.kafka.listeners import secure
from penstock.kafka.properties import CLIENT_LEAF, keystore_location
from penstock.kafka.wire import KafkaError, KafkaRefused
from penstock.model.action import (
    Action,
    AddVoter,
    Ballast,
    Cancel,
    Configure,
    Cordon,
    Discard,
    Foreground,
    Grow,
    Lead,
    Limit,
    MakeCanary,
    Reassign,
    Rehouse,
    Remove,
    RemoveVoter,
    Renew,
    Retire,
    Start,
    Stop,
    Throttle,
    Unregister,
)
from penstock.model.ids import NodeId
from penstock.model.node import Leaf, NodeSpec
from penstock.model.plan import Reasoned
from penstock.model.rebalance import Key

EXTRA = Cancel | Configure | Discard | Foreground | Grow | Lead | Limit | MakeCanary | Reassign | Renew | Throttle
"""Actions that restore nothing and take nothing down: where one does not work the cluster is not HEALING."""


@frozen
class Hands:
    """All that acts reach for in one pass."""

    compute: Compute
    admin: Callable[[], Admin]
    """Asked only by acts that talk to Kafka: a cluster that is half there has no connection."""
    issue: Callable[[Leaf], bytes]
    fence: int
    write_down: Callable[[NodeId, str], None]
    """Make this the directory id of the node, in the rows."""
    retire: Callable[[NodeId], None]
    """The node is no part of the cluster any more, in the rows."""
    fresh: Callable[[], bool]
    """Does the look still hold on which the plan rests? Asked right before whatever was proved by it: acts of other clusters
    may have kept the threads."""


@frozen
class Failure:
    """An act that did not work, and why: the rest of that node is left for the next pass."""

    target: NodeId
    why: str
    heals: bool = True
    """The act was to restore a node or a replica, or to take one down for that."""
    refused: bool = False
    """Kafka will not have what was to be set, whenever it is asked."""


@frozen
class Done:
    """An act that was carried out, with what is worth telling beside it."""

    reasoned: Reasoned
    remark: str = ""


Outcome = Done | Failure
Together = Callable[
    [Callable[[Sequence[Reasoned]], list[Outcome]], Sequence[Sequence[Reasoned]]], Iterable[list[Outcome]]
]
"""How to run one function over several nodes' actions: `map`, or a pool's."""


def carry_out(actions: Sequence[Reasoned], hands: Hands, together: Together = map) -> tuple[list[Done], list[Failure]]:
    """Every action: those of one node in order, nodes beside each other. A failure skips the rest of that node alone."""
    nodes: dict[NodeId, list[Reasoned]] = {}
    for reasoned in actions:
        nodes.setdefault(reasoned.action.target, []).append(reasoned)
    groups = list(nodes.values())
    run = together if len(groups) > 1 else map
    outcomes = [outcome for node in run(lambda group: _in_order(group, hands), groups) for outcome in node]
    done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    return done, [outcome for outcome in outcomes if isinstance(outcome, Failure)]


def _in_order(actions: Sequence[Reasoned], hands: Hands) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for reasoned in actions:
        if _proved(reasoned) and not hands.fresh():
            outcomes.append(_late(reasoned))
            break
        try:
            outcomes.append(Done(reasoned, act(reasoned.action, hands)))
        except (ComputeError, KafkaError) as error:
            why = f"{reasoned.action} did not work: {error}"
            outcomes.append(
                Failure(
                    reasoned.action.target,
                    why,
                    heals=_restores(reasoned.action),
                    refused=isinstance(reasoned.action, Configure)
                    and isinstance(error, KafkaRefused)
                    and error.lasting,
                )
            )
            break
    return outcomes


def _proved(reasoned: Reasoned) -> bool:
    """Does it rest on what others did at the time of the look?"""
    return reasoned.disrupts or isinstance(reasoned.action, Unregister)


def _late(reasoned: Reasoned) -> Failure:
    why = f"{reasoned.action} was not done: the look that allowed it is too old; the next one decides anew"
    return Failure(reasoned.action.target, why, heals=reasoned.heals)


def _restores(action: Action) -> bool:
    match action:
        case Ballast(held=held):
            return not held
        case _:
            return not isinstance(action, EXTRA)


def act(action: Action, hands: Hands) -> str:
    """One outside call. Returns a remark for the event, mostly empty."""
    match action:
        case Start(node, background):
            leaves = [_issued(leaf, hands) for leaf in node.leaves]
            hands.compute.start(node, leaves, hands.fence, background=background)
        case Foreground(target):
            hands.compute.foreground(target, hands.fence)
        case Stop(target, how):
            hands.compute.stop(target, how, hands.fence)
        case Unregister(target, via):
            hands.admin().unregister(target.number, [broker.number for broker in via])
        case RemoveVoter(target, directory):
            hands.admin().remove_voter(target.number, directory)
        case AddVoter(target, directory, listeners):
            hands.admin().add_voter(target.number, directory, listeners)
        case Rehouse(target, directory):
            hands.write_down(target, directory)
        case Renew(node, paths):
            _renew(node, paths, hands)
        case Grow(node):
            hands.compute.grow(node, hands.fence)
        case Ballast(target, held):
            hands.compute.ballast(target, hands.fence, held=held)
        case Configure(_, values):
            hands.admin().set_default(values)
        case MakeCanary(_, placed):
            hands.admin().create_topic(canary.TOPIC, placed, canary.CONFIG)
        case Limit(_, rate):
            hands.admin().mover().limit(rate)
        case Throttle(_, topics):
            hands.admin().mover().throttle(topics)
        case Reassign(_, moves):
            _reassign({move.key: move.replicas for move in moves}, hands)
        case Cancel(_, partitions):
            _reassign(dict.fromkeys(partitions), hands)
        case Cordon(target, closed):
            mover = hands.admin().mover()
            mover.cordon(target.number) if closed else mover.uncordon(target.number)
        case Retire(target):
            hands.retire(target)
        case Lead(target):
            hands.admin().elect_preferred(target.number)
        case Remove(target, keep):
            quarantined = hands.compute.remove(target, hands.fence, keep=keep)
            return f"its volume is quarantined at {quarantined}" if quarantined else ""
        case Discard(_, name):
            hands.compute.discard(name)
    return ""


def _reassign(targets: Mapping[Key, Sequence[int] | None], hands: Hands) -> None:
    if refused := hands.admin().mover().reassign(targets):
        raise KafkaError("; ".join(f"{topic}-{index}: {why}" for (topic, index), why in refused.items()))


def _issued(leaf: Leaf, hands: Hands) -> IssuedLeaf:
    return IssuedLeaf(leaf.path, hands.issue(leaf))


def _renew(node: NodeSpec, paths: Sequence[str], hands: Hands) -> None:
    """Write the leaves, then set the store's location to the same path: the broker reads it again (kafka.md 6)."""
    hands.compute.write(node, [_issued(leaf, hands) for leaf in node.leaves if leaf.path in paths], hands.fence)
    if CLIENT_LEAF in paths:
        location = hands.compute.path(node.id, CLIENT_LEAF)
        hands.admin().set_config(
            node.id.number, {keystore_location(listener): location for listener in secure(node.sockets)}
        )
