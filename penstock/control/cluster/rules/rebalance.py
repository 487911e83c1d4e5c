"""Partitions take their share of the brokers that have joined: few at a time, planned anew from what is in every pass.

The limit is seen on every broker before anything is copied; a topic is written down as one's own before its
replicas are throttled; so whoever comes after a crash finds what is to be lifted. Nothing of it is left at the end."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import PARTITIONS, Draft
from penstock.control.cluster.health import missing, serving
from penstock.control.cluster.rebalance.ledger import own_moves, progress
from penstock.control.cluster.rebalance.pace import LITTLE
from penstock.control.cluster.rebalance.throttle import changes, limited, throttles
from penstock.model.action import Cancel, Cordon, Limit, MakeCanary, Reassign, Throttle
from penstock.model.ids import Role
from penstock.model.observation import ClusterView, Known, Unknown
from penstock.model.rebalance import Balance, Facts, Traffic

CANARY_REPLICAS = 3
"""As MSK's has, where there are so many brokers; a partition for each of them."""


def rebalance(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Order the next moves of the open operation, if it is one that moves partitions; finish what one left that failed.

    One that only adds brokers opens them: a broker may come under the number of one that was closed and left."""
    operation, leaving = view.scaling, any(place.leaving for place in view.spec.brokers)
    if operation is None and not (leaving or view.status.throttled or view.status.restrained):
        return
    if view.depth < 2:
        draft.look(2)
        return
    given_up = operation is None or operation.work.setback is not None
    stays = given_up and not leaving
    if missing(view) and not (stays and serving(view)):
        return
    if view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return
    for node in view.layout:
        closed = view.cordoned.get(node.id.number)
        if node.id.role is Role.BROKER and closed is not None and closed is not view.spec.place(node.id).leaving:
            draft.act(Cordon(node.id, not closed), because=f"{node.id} {'stays' if closed else 'is to leave'}")
            break  # one at a time: each reads its whole configuration again, and producers wait for three of them
    if operation is not None and not operation.moves:
        return
    match view.balance:
        case Unknown(why):
            draft.wait(
                on="the rebalance", because=f"it is not known where replicas are: {why}", heals=operation is None
            )
        case Known(balance) if stays:
            _lift(balance.facts, view, draft)
        case Known(balance):
            _go_on(balance, view, draft)


def _lift(facts: Facts, view: ClusterView, draft: Draft) -> None:
    """Nothing more is to be moved: what was ordered is taken back, and then nothing is slowed down any more."""
    asked, heals = serving(view)[0], view.scaling is None
    moving = own_moves(facts, view.work)
    # Without an old replica in sync there is nothing to go back to: those end by themselves.
    if back := tuple(each.key for each in moving if set(each.origin) & set(each.isr)):
        draft.act(Cancel(asked, back), because="partitions stay where they are")
    because = "nothing is to be moved any more"
    if not limited(view.traffic, None):
        draft.act(Limit(asked, None), because=because, heals=heals)
    if lifted := changes({}, view.traffic, view.own_topics, ()):
        draft.act(Throttle(asked, lifted), because=because, heals=heals)


def _go_on(balance: Balance, view: ClusterView, draft: Draft) -> None:
    """The next orders: how fast, then what costs nothing, then what is copied."""
    facts, step, traffic, own = balance.facts, balance.step, view.traffic, view.own_topics
    asked = serving(view)[0]
    if step.stalled:
        draft.act(Cancel(asked, step.stalled), because="the broker that they go to is not there")
    rate = traffic.rate if step.topics else None
    if traffic.writing is not None and not limited(traffic, rate):
        because = _felt(traffic) if rate is not None else "nobody has to wait for what moves"
        draft.act(Limit(asked, rate), because=because)
    held = ""
    if traffic.writing is None:
        held = "it is seen first whether anybody produces"
    elif traffic.writing and not traffic.measured and step.remaining.left_bytes >= LITTLE:
        held = "it is measured first how long producers wait while nothing moves"
        if not traffic.canary:
            because = "it is to be known how long producers wait"
            draft.act(MakeCanary(asked, _placed(facts)), because=because)
    led = tuple(move for move in step.moves if not move.adding and not held)
    if led:
        draft.act(Reassign(asked, led), because="leadership takes its share, and not a byte is copied for it")
    if not held and rate is not None and None in traffic.limits.values():
        held = "every broker must know its limit first"
    copied = tuple(move for move in step.moves if move.adding and move.key[0] in own and not held)
    slowed = throttles(facts, copied, step.foreign) if rate is not None else {}
    # Who lifted what an earlier control plane has set for its next moves would set it again a look later.
    if traffic.writing is not None and (throttled := changes(slowed, traffic, own, step.foreign)):
        draft.act(Throttle(asked, throttled), because="what moves is throttled, and nothing else")
    so_far = str(progress(step.remaining, view.work))
    if copied:
        draft.act(Reassign(asked, copied), because=f"partitions take their share: {so_far}")
    elif not step.settled or any(facts.held_by(number) for number in facts.leaving):
        draft.wait(on="the rebalance", because="; ".join([so_far, *filter(None, [held]), *step.waits]))
    if step.topics and traffic.unmeasured:
        draft.note(f"the rate of moves does not follow producers: {traffic.unmeasured}")


def _placed(facts: Facts) -> tuple[tuple[int, ...], ...]:
    """The canary's replicas, on brokers that have data already where those are enough: what an empty broker computes for its
    first replicas, while all that it does is new to it, would be taken for calm."""
    staying = [broker.number for broker in facts.brokers if not broker.leaving]
    busy = [number for number in staying if facts.held_by(number)]
    replicas = min(CANARY_REPLICAS, len(staying))
    hosts = busy if len(busy) >= replicas else staying
    return tuple(tuple(hosts[(first + n) % len(hosts)] for n in range(replicas)) for first in range(len(staying)))


def _felt(traffic: Traffic) -> str:
    if traffic.latency_ms is None or traffic.calm_ms is None:
        return "clients keep their latency while partitions move"
    return f"producers wait {traffic.latency_ms:.1f} ms, and {traffic.calm_ms:.1f} ms while nothing moves"
