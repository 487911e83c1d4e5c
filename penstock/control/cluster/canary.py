"""What a look asks of Kafka beside who has what: limits, throttled replicas, and how long producers wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.control.cluster.admin import Admin
from penstock.control.cluster.rebalance.meter import Glimpse
from penstock.kafka import canary
from penstock.kafka.wire import KafkaError
from penstock.model.observation import Partition


def glimpsed(admin: Admin, partitions: Sequence[Partition], brokers: Sequence[int], own: Iterable[str]) -> Glimpse:
    """Of the brokers that run, and of the topics that are one's own to throttle: there may be thousands of others.

    Raises KafkaError; where only the canary does not work that is told in the answer."""
    mover = admin.mover()
    limits = {number: _one(tuple(mover.limits(number).values())) for number in brokers}
    throttled = mover.throttled(sorted({partition.topic for partition in partitions}.intersection(own)))
    leaders = {p.index: p.leader for p in partitions if p.topic == canary.TOPIC and p.leader >= 0}
    if not leaders:
        there = any(partition.topic == canary.TOPIC for partition in partitions)
        why = "no partition of its topic has a leader" if there else "its topic is not there"
        return Glimpse(limits, throttled, there, trouble=why)
    try:
        return Glimpse(limits, throttled, True, admin.canary().probe(leaders))
    except KafkaError as error:
        return Glimpse(limits, throttled, True, trouble=str(error))


def _one(rates: Sequence[int]) -> int | None:
    """The limit in both directions; 0 where they differ or one is missing, which is no limit that was set here."""
    if not rates:
        return None
    return rates[0] if len(rates) == 2 and rates[0] == rates[1] else 0
