"""Data in bulk, and what of a rebalance a stock client can see: throttles of topics and limits of brokers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

RATES = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")
REPLICAS = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")
UNLIMITED = str(2**63 - 1)


def fill(config: Mapping[str, str], topic: str, partitions: int, mib: int) -> None:
    """Write so many MiB of data, spread evenly, all of it acknowledged by every replica in sync."""
    producer = Producer({**config, "acks": "all", "linger.ms": 20, "batch.size": 900_000, "log_level": 2})
    lost: list[str] = []
    value = bytes(range(256)) * 1024

    def told(error: Any, message: Any) -> None:
        if error is not None:
            lost.append(str(error))

    for number in range(4 * mib):
        while True:
            try:
                producer.produce(topic, value, partition=number % partitions, on_delivery=told)
            except BufferError:
                producer.poll(0.1)
            else:
                break
        producer.poll(0)
    assert producer.flush(120) == 0
    assert not lost, lost[:3]


def throttles(
    config: Mapping[str, str], topics: Iterable[str], brokers: Iterable[int]
) -> Mapping[str, Mapping[str, str]]:
    """What is set of throttles: topic or broker number -> property -> value. Empty where nothing is throttled."""
    admin = AdminClient({**config, "log_level": 2})
    asked = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    asked += [ConfigResource(ResourceType.BROKER, str(number)) for number in brokers]
    found: dict[str, Mapping[str, str]] = {}
    futures: Any = {}
    for resource in asked:  # a broker answers for itself alone
        futures |= admin.describe_configs([resource], request_timeout=10)
    for resource, future in futures.items():
        values = {name: entry.value for name, entry in future.result(10).items()}
        kept = {name: values[name] for name in (*RATES, *REPLICAS) if values.get(name) not in (None, "", UNLIMITED)}
        if kept:
            found[str(resource.name)] = kept
    return found
