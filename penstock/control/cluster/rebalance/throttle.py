"""Which replicas to throttle, and whether brokers know their limit: so that what moves is slowed down, and nothing else. Pure.

Kafka offers two ends. A leader whose limit is reached sends nothing to followers that are not in the ISR: old ones too,
which fell behind because their broker was away. A follower whose limit is reached fetches nothing for replicas that lag by
a single record: also one that has just come into the ISR, for which every producer then waits. So it is the leaders that are
named, one by one and never by `*`; and the followers only where an old replica is out of sync, which its leader would hold up.
Nor does a leader acknowledge a record before a replica has it that was level with it a moment ago and is not in the ISR yet:
whoever has nearly arrived is not held up any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from penstock.model.rebalance import Facts, Key, Move, PartitionFacts, Throttled, Traffic

LAST_MILE = 2 * 1024**2
"""Bytes: a new replica that has so few left to copy is let through."""


def throttles(looked: Facts, starting: Iterable[Move], foreign: Collection[Key]) -> Mapping[str, Throttled]:
    """Topic -> replicas to throttle while what is under way, and what is about to start, goes on. `foreign` ones are not."""
    leaders: dict[str, set[tuple[int, int]]] = {}
    followers: dict[str, set[tuple[int, int]]] = {}
    coming = {move.key: move.adding for move in starting}
    for partition in looked.partitions:
        adding = (*partition.adding, *coming.get(partition.key, ()))
        if not adding or partition.key in foreign or _nearly_there(partition, adding):
            continue
        whole = set(partition.origin) <= set(partition.isr)
        named = leaders if whole else followers
        named.setdefault(partition.topic, set()).update(
            (partition.index, n) for n in (partition.origin if whole else adding)
        )
    return {
        topic: Throttled(frozenset(leaders.get(topic, ())), frozenset(followers.get(topic, ())))
        for topic in leaders.keys() | followers.keys()
    }


def _nearly_there(partition: PartitionFacts, adding: Iterable[int]) -> bool:
    return all(partition.size_bytes - partition.arrived.get(number, 0) <= LAST_MILE for number in adding)


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


def limited(traffic: Traffic, rate: int | None) -> bool:
    """Has every broker that answers heard of this limit?"""
    return all(known == rate for known in traffic.limits.values())


def free(traffic: Traffic, own: Iterable[str]) -> bool:
    """Is no throttle left that was set for this rebalance?"""
    return limited(traffic, None) and not set(own) & set(traffic.throttled)
