"""Action -> exactly one outside call. Makes no choices: an action is complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from penstock.compute.base import Compute, ComputeError, IssuedLeaf
from penstock.control.cluster.admin import Admin
from penstock.kafka.listeners import CLIENT_SECURE
from penstock.kafka.properties import CLIENT_LEAF, keystore_location
from penstock.kafka.wire import KafkaError
from penstock.model.ids import NodeId
from penstock.model.node import Leaf, NodeSpec
from penstock.model.plan import Action, Lead, Reasoned, Remove, Renew, Start, Stop, Unregister


@frozen
class Hands:
    """All that acts reach for in one pass."""

    compute: Compute
    admin: Callable[[], Admin]
    """Asked only by acts that talk to Kafka: a cluster that is half there has no connection."""
    issue: Callable[[Leaf], bytes]
    fence: int


@frozen
class Failure:
    """An act that did not work, and why: the rest of that node is left for the next pass."""

    target: NodeId
    why: str
    heals: bool = True
    """The act was to restore a node or a replica, or to take one down for that."""


@frozen
class Done:
    """An act that was carried out, with what is worth telling beside it."""

    reasoned: Reasoned
    remark: str = ""


def carry_out(actions: Sequence[Reasoned], hands: Hands) -> tuple[list[Done], list[Failure]]:
    """Every action in order. A failure skips the rest of that node and not of the others."""
    done: list[Done] = []
    failures: list[Failure] = []
    for reasoned in actions:
        target = reasoned.action.target
        if any(failure.target == target for failure in failures):
            continue
        try:
            done.append(Done(reasoned, act(reasoned.action, hands)))
        except (ComputeError, KafkaError) as error:
            why = f"{reasoned.action} did not work: {error}"
            failures.append(Failure(target, why, heals=not isinstance(reasoned.action, Lead | Renew)))
    return done, failures


def act(action: Action, hands: Hands) -> str:
    """One outside call. Returns a remark for the event, mostly empty."""
    match action:
        case Start(node):
            hands.compute.start(node, [_issued(leaf, hands) for leaf in node.leaves], hands.fence)
        case Stop(target, how):
            hands.compute.stop(target, how, hands.fence)
        case Unregister(target, via):
            hands.admin().unregister(target.number, [broker.number for broker in via])
        case Renew(node, paths):
            _renew(node, paths, hands)
        case Lead(target):
            hands.admin().elect_preferred(target.number)
        case Remove(target):
            quarantined = hands.compute.remove(target, hands.fence)
            return f"its volume is quarantined at {quarantined}" if quarantined else ""
    return ""


def _issued(leaf: Leaf, hands: Hands) -> IssuedLeaf:
    return IssuedLeaf(leaf.path, hands.issue(leaf))


def _renew(node: NodeSpec, paths: Sequence[str], hands: Hands) -> None:
    """Write the leaves, then set the store's location to the same path: the broker reads it again (kafka.md 6)."""
    hands.compute.write(node, [_issued(leaf, hands) for leaf in node.leaves if leaf.path in paths], hands.fence)
    if CLIENT_LEAF in paths:
        location = hands.compute.path(node.id, CLIENT_LEAF)
        hands.admin().set_config(node.id.number, {keystore_location(CLIENT_SECURE): location})
