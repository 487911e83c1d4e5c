"""Which replicas to throttle, and which limits to set: so that what moves is slowed down, and nothing else. Pure.

Kafka slows a follower that is filled and is not in sync (`follower.…throttled.replicas`), and what a leader sends to any
follower that is not in sync (`leader.…throttled.replicas`): also to an old one that fell behind because its broker was
away. So replicas are named one by one, never by `*`, and leaders only while every old replica is in sync."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from penstock.model.rebalance import Facts, Key, Move, Throttled, Traffic


def throttles(looked: Facts, starting: Iterable[Move], foreign: Collection[Key]) -> Mapping[str, Throttled]:
    """Topic -> replicas to throttle while what is under way, and what is about to start, goes on. `foreign` ones are not."""
    leaders: dict[str, set[tuple[int, int]]] = {}
    followers: dict[str, set[tuple[int, int]]] = {}
    coming = {move.key: move.adding for move in starting}
    for partition in looked.partitions:
        adding = (*partition.adding, *coming.get(partition.key, ()))
        if not adding or partition.key in foreign:
            continue
        followers.setdefault(partition.topic, set()).update((partition.index, n) for n in adding)
        if set(partition.origin) <= set(partition.isr):
            leaders.setdefault(partition.topic, set()).update((partition.index, n) for n in partition.origin)
    return {topic: Throttled(frozenset(leaders.get(topic, ())), frozenset(found)) for topic, found in followers.items()}


def changes(
    wanted: Mapping[str, Throttled], traffic: Traffic, own: Iterable[str], foreign: Iterable[Key]
) -> Mapping[str, Throttled | None]:
    """What to set and to lift, of the topics that are one's own. Where somebody else moves partitions all stays as it is."""
    shared = {topic for topic, _ in foreign}
    return {
        topic: wanted.get(topic)
        for topic in own
        if topic not in shared and wanted.get(topic) != traffic.throttled.get(topic)
    }


def limits(looked: Facts, traffic: Traffic, *, moving: bool) -> Mapping[int, int | None]:
    """Brokers whose limit is not what it should be -> that. None as soon as nothing moves, or can move to or from them."""
    idle = {broker.number for broker in looked.brokers if broker.leaving and not looked.held_by(broker.number)}
    wanted = {number: traffic.rate if moving and number not in idle else None for number in traffic.limits}
    return {number: rate for number, rate in wanted.items() if rate != traffic.limits[number]}


def free(traffic: Traffic, own: Iterable[str]) -> bool:
    """Is no throttle left that was set for this rebalance?"""
    return not any(rate is not None for rate in traffic.limits.values()) and not set(own) & set(traffic.throttled)
