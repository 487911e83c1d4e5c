"""A client that goes on whatever happens, and a reader that checks it: stock kafka-python, acks=all."""

from __future__ import annotations

import threading
import time
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

PACE_SECONDS = 0.01


class SteadyProducer:
    """Writes numbered records to every partition in turn. An acknowledgement is counted by value."""

    def __init__(self, servers: str, ca: str, topic: str, partitions: int) -> None:
        self._tls = {"bootstrap_servers": servers.split(","), "security_protocol": "SSL", "ssl_cafile": ca}
        self._topic, self._partitions = topic, partitions
        self._producer: Any = None
        self._thread = threading.Thread(target=self._produce, name="steady producer", daemon=True)
        self._stopping = threading.Event()
        self._acked: set[str] = set()
        self._last_ack = time.monotonic()
        self._gap = 0.0
        self._lock = threading.Lock()

    def first(self) -> None:
        """Make the topic, write one record with acks=all, read it back."""
        admin = KafkaAdminClient(**self._tls)
        shape = {"num_partitions": self._partitions, "replication_factor": 3}
        admin.create_topics({self._topic: shape}, wait_for_metadata=True)
        admin.close()
        self._producer = KafkaProducer(**self._tls, acks="all", retries=1000, delivery_timeout_ms=60000, linger_ms=0)
        self._producer.send(self._topic, b"first", partition=0).get(timeout=30)
        self._acked.add("first")
        read_back_values = _read(self._tls, self._topic)
        if "first" not in read_back_values:
            raise RuntimeError("the first record was acknowledged and not read back")

    def start(self) -> None:
        self._last_ack = time.monotonic()
        self._thread.start()

    def stop(self) -> tuple[set[str], float]:
        """Every acknowledged value, and the longest time without an acknowledgement in seconds."""
        self._stopping.set()
        self._thread.join()
        self._producer.flush(timeout=60)
        with self._lock:
            return set(self._acked), self._gap

    def close(self) -> None:
        self._stopping.set()
        if self._producer is not None:
            self._producer.close(timeout=5)

    def _produce(self) -> None:
        number = 0
        while not self._stopping.is_set():
            value = f"record-{number}"
            future = self._producer.send(self._topic, value.encode(), partition=number % self._partitions)
            future.add_callback(lambda _, value=value: self._count(value))
            number += 1
            time.sleep(PACE_SECONDS)

    def _count(self, value: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._acked.add(value)
            self._gap = max(self._gap, now - self._last_ack)
            self._last_ack = now


def read_back(servers: str, ca: str, topic: str, acked: set[str]) -> tuple[int, set[str]]:
    """How many records the topic holds, and which of the acknowledged ones it does not."""
    values = _read({"bootstrap_servers": servers.split(","), "security_protocol": "SSL", "ssl_cafile": ca}, topic)
    return len(values), acked - set(values)


def _read(tls: dict[str, Any], topic: str, within: float = 30.0) -> list[str]:
    consumer = KafkaConsumer(**tls, auto_offset_reset="earliest", enable_auto_commit=False, group_id=None)
    try:
        partitions = [TopicPartition(topic, index) for index in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        values: list[str] = []
        until = time.monotonic() + within
        while any(consumer.position(each) < ends[each] for each in partitions) and time.monotonic() < until:
            for records in consumer.poll(timeout_ms=200).values():
                values += [record.value.decode() for record in records]
        return values
    finally:
        consumer.close()
