"""The client of every measurement, the same for all sides: librdkafka with short back-offs, acks=all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field, frozen
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC = "bench"
PARTITIONS = 12
BACK_OFF = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20, "log_level": 0}
PATIENCE = 300.0


@frozen
class Reach:
    """How to reach one cluster."""

    servers: str
    ca: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        tls = {"security.protocol": "ssl", "ssl.ca.location": self.ca} if self.ca else {}
        return {"bootstrap.servers": self.servers, **BACK_OFF, **tls}


def until(what: str, reached: Callable[[], bool], every: float = 0.01) -> None:
    """Wait for it; RuntimeError after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(every)


def first_record(reach: Reach) -> None:
    """Make the topic (RF 3), write one record with acks=all, read it back."""
    admin = AdminClient(reach.settings)

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(TOPIC, PARTITIONS, 3)], operation_timeout=5)[TOPIC].result(timeout=5)
        except KafkaException as error:
            return "TOPIC_ALREADY_EXISTS" in str(error)
        return True

    until("the topic", made, every=0.05)
    producer = Producer({**reach.settings, "acks": "all"})
    acked = threading.Event()
    producer.produce(TOPIC, b"first", partition=0, on_delivery=lambda error, _: None if error else acked.set())
    until("the first acknowledgement", lambda: (producer.poll(0.01), acked.is_set())[1], every=0)
    consumer = Consumer({**reach.settings, "group.id": "bench", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        until("the first record", lambda: _value(consumer.poll(0.05)) == b"first", every=0)
    finally:
        consumer.close()


def _value(message: Any) -> bytes | None:
    return None if message is None or message.error() else message.value()


@define
class Load:
    """Records written to every partition in turn, counted when acknowledged; the longest pause of each partition."""

    reach: Reach
    per_second: float = 150.0
    acked: dict[str, int] = field(factory=dict)
    gaps: dict[int, float] = field(factory=dict)
    failed: int = 0
    latencies: dict[int, float] = field(factory=dict)
    """Number of a record -> seconds until it was acknowledged."""
    silence: float = 0.0
    """The longest time in which nothing at all was acknowledged."""
    _sent: dict[int, float] = field(factory=dict)
    _heard: float = field(factory=time.monotonic)
    _last: dict[int, float] = field(factory=dict)
    _stop: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Load:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until("load on every partition", lambda: len(self._last) == PARTITIONS)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        producer = Producer({**self.reach.settings, "acks": "all", "linger.ms": 0, "delivery.timeout.ms": 120000})
        number, due = 0, time.monotonic()
        while not self._stop.is_set():
            due += 1 / self.per_second
            while (left := due - time.monotonic()) > 0:
                producer.poll(left)  # comes back at every acknowledgement
            partition = number % PARTITIONS
            value = f"{partition}:{number}"
            self._sent[number] = time.monotonic()
            producer.produce(TOPIC, value.encode(), partition=partition, on_delivery=self._delivered)
            number += 1
        producer.flush(60)

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self.failed += 1
            return
        now, partition = time.monotonic(), message.partition()
        value = message.value().decode()
        self.acked[value] = partition
        number = int(value.partition(":")[2])
        self.latencies[number] = now - self._sent.pop(number)
        self.silence, self._heard = max(self.silence, now - self._heard), now
        self.gaps[partition] = max(self.gaps.get(partition, 0.0), now - self._last.get(partition, now))
        self._last[partition] = now


def lost(reach: Reach, acked: Mapping[str, int]) -> int:
    """How many acknowledged records cannot be read back."""
    consumer = Consumer(
        {**reach.settings, "group.id": "check", "enable.auto.commit": False, "enable.partition.eof": False}
    )
    try:
        ends = {}
        for index in range(PARTITIONS):
            _, ends[index] = consumer.get_watermark_offsets(TopicPartition(TOPIC, index), timeout=10)
        consumer.assign([TopicPartition(TOPIC, index, 0) for index in ends])
        left, missing = sum(ends.values()), set(acked)
        deadline = time.monotonic() + PATIENCE
        while left > 0 and time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.5):
                if not message.error():
                    left -= 1
                    missing.discard(message.value().decode())
        return len(missing)
    finally:
        consumer.close()


@frozen
class Partitions:
    """Who leads and who is in sync, as a broker tells it."""

    leaders: Mapping[int, int]
    in_sync: Mapping[int, int]


class Watch:
    """Asks again and again where leaders and in-sync replicas are."""

    def __init__(self, reach: Reach) -> None:
        self._admin = AdminClient(reach.settings)

    def look(self) -> Partitions | None:
        try:
            topic = self._admin.list_topics(TOPIC, timeout=2).topics[TOPIC]
        except KafkaException:
            return None
        return Partitions(
            {index: p.leader for index, p in topic.partitions.items()},
            {index: len(p.isrs) for index, p in topic.partitions.items()},
        )

    def led_without(self, broker: int) -> bool:
        """No partition is led by that broker, nor by nobody."""
        seen = self.look()
        return seen is not None and all(leader not in (-1, broker) for leader in seen.leaders.values())

    def full(self) -> bool:
        """Every partition has three in-sync replicas."""
        seen = self.look()
        return seen is not None and all(count == 3 for count in seen.in_sync.values())
