"""Kafka's answers put together as the facts that a rebalance is decided from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.kafka.logdirs import LogDir
from penstock.kafka.reassign import Reassignment
from penstock.model.observation import Partition
from penstock.model.rebalance import BrokerFacts, Facts, Key, PartitionFacts


def broker(number: int, rack: str, dirs: Iterable[LogDir], volume_bytes: int, *, leaving: bool = False) -> BrokerFacts:
    """A broker from its log directories. `volume_bytes` is what it may use: a filesystem shared with others may be larger.

    What it uses is the sum of its replicas, or, where its volume is a filesystem of its own size, all that is not free."""
    found = list(dirs)
    used = sum(sum(one.sizes.values()) for one in found)
    whole = sum(max(0, one.total_bytes) for one in found)
    if 0 < whole <= volume_bytes:
        used = max(used, sum(one.total_bytes - one.usable_bytes for one in found if one.total_bytes > 0))
        volume_bytes = whole
    return BrokerFacts(number, rack, volume_bytes, used, leaving=leaving)


def facts(
    brokers: Iterable[BrokerFacts],
    partitions: Iterable[Partition],
    reassignments: Iterable[Mapping[Key, Reassignment]],
    dirs: Mapping[int, Iterable[LogDir]],
    rates: Mapping[Key, float] | None = None,
) -> Facts:
    """One look. `dirs`: broker -> its log directories, of every broker that answers; `rates`: bytes a second, where known.

    `reassignments`: the last few looks at them, oldest first: of the pass before, then before and after the partitions.
    Brokers tell of partitions from metadata that lags: a move that has just ended may still show all its replicas there.
    A partition is as large as the largest of its replicas; one whose brokers all are silent counts as empty."""
    moving: dict[Key, Reassignment] = {}
    latest: Mapping[Key, Reassignment] = {}
    for latest in reassignments:
        moving.update(latest)
    held: dict[Key, dict[int, int]] = {}
    for number, found in dirs.items():
        for one in found:
            for key, size in one.sizes.items():
                held.setdefault(key, {})[number] = size
    return Facts(tuple(brokers), tuple(_partition(p, moving, latest, held, rates or {}) for p in partitions))


def _partition(
    seen: Partition,
    moving: Mapping[Key, Reassignment],
    latest: Mapping[Key, Reassignment],
    held: Mapping[Key, Mapping[int, int]],
    rates: Mapping[Key, float],
) -> PartitionFacts:
    key = seen.topic, seen.index
    sizes = held.get(key, {})
    move = moving.get(key)
    if move is not None and key not in latest and not set(seen.replicas) & set(move.removing):
        move = None  # it has ended, and the metadata knows
    # The two were asked one after the other; the one that names what moves is the one to go by.
    replicas = move.replicas if move else seen.replicas
    return PartitionFacts(
        topic=seen.topic,
        index=seen.index,
        replicas=replicas,
        leader=seen.leader,
        isr=seen.isr,
        size_bytes=max((sizes.get(number, 0) for number in replicas), default=0),
        rate=rates.get(key),
        adding=move.adding if move else (),
        removing=move.removing if move else (),
        arrived={number: sizes[number] for number in move.adding if number in sizes} if move else {},
    )
