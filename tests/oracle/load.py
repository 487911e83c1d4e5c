"""A producer and a consumer that check each other: what was acknowledged is there, once and in order.

A value is `producer:partition:sequence`, and padding where records are to be heavy. Acknowledgements are counted by value,
never by number: a client that repeats a record or a broker that forgets one cannot hide behind an equal sum.

Brokers keep a record once within one epoch of its producer's id. librdkafka 2.16 begins a new epoch by itself where leaders
move beneath several requests in flight ("skipped sequence numbers"), and sends under it once more what was under way, kept
or not. Such a record may be there twice by the client's own doing, and no other may."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from secrets import token_hex
from typing import Any

from attrs import define, field
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from oracle.reader import PADDING, Reader, value_of

PATIENCE = 90.0
"""Seconds in which something has to happen: generous, because machines that test are busy ones."""


@define
class Load:
    """One producer with acks=all and idempotence that writes to every partition in turn until it is stopped, and a consumer
    of a group of its own that follows it.

    `config` is what `penstock client --for librdkafka` prints. `pause` is in seconds between rounds over all partitions,
    `padding` in bytes by which values are longer than they have to be."""

    config: Mapping[str, str]
    topic: str
    partitions: int
    pause: float = 0.02
    padding: int = 0
    followed: bool = True
    """Does a consumer live beside it?"""
    name: str = field(factory=lambda: token_hex(4))
    sent: dict[str, float] = field(factory=dict)
    """Value -> when (monotonic seconds)."""
    acked: dict[str, tuple[int, float]] = field(factory=dict)
    """Value -> partition, and when the word came (monotonic seconds)."""
    lost: list[str] = field(factory=list)
    """What the client gave up on, with its reason."""
    renumbered: list[float] = field(factory=list)
    """When the client began a new epoch by itself (monotonic seconds)."""
    began: float = 0.0
    ended: float = 0.0
    reader: Reader | None = None
    """Lives as long as the load; None where it has not started, or is not to."""
    _lock: threading.Lock = field(factory=threading.Lock)
    _stop: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Load:
        """Begin in threads; returns when every partition has acknowledged a record."""
        self._thread = threading.Thread(target=self._run, name=f"load {self.name}")
        self._thread.start()
        try:
            self.advance()
        except BaseException:
            self.stop()
            raise
        if self.followed:
            self.reader = Reader(self.config, self.topic, f"reader-{self.name}", PATIENCE).start()
        return self

    def advance(self, patience: float = PATIENCE) -> None:
        """Wait until every partition has acknowledged a record that was sent after this call."""
        since, until = time.monotonic(), time.monotonic() + patience
        first = len(self.sent) // self.partitions + 1
        while True:
            with self._lock:
                fresh = {
                    where
                    for value, (where, at) in self.acked.items()
                    if at > since and int(value.split(":")[2]) > first
                }
            if len(fresh) == self.partitions:
                return
            assert time.monotonic() < until, (
                f"no record acknowledged in all partitions for {patience} s, only in {fresh}"
            )
            assert self._thread is None or self._thread.is_alive(), f"the producer ended: {self.lost}"
            time.sleep(0.05)

    def stop(self) -> Load:
        """Stop sending and wait for what is under way, and until the consumer has seen all that was acknowledged."""
        self._stop.set()
        try:
            if self._thread is not None:
                self._thread.join(2 * PATIENCE)
                assert not self._thread.is_alive(), "the producer does not end"
        finally:
            if self.reader is not None:
                self.reader.end(dict(self.acked))
        return self

    def gaps(self) -> Mapping[int, float]:
        """The longest time without an acknowledgement in each partition, in seconds."""
        times: dict[int, list[float]] = defaultdict(lambda: [self.began])
        for where, at in self.acked.values():
            times[where].append(at)
        longest = {}
        for where, moments in times.items():
            ordered = [*sorted(moments), self.ended]
            longest[where] = max(after - before for before, after in pairwise(ordered))
        return longest

    def under_way(self, value: str) -> bool:
        """Was the record sent and not yet acknowledged when the client began a new epoch by itself?"""
        sent, (_, acked) = self.sent[value], self.acked[value]
        return any(sent <= moment <= acked for moment in self.renumbered)

    def _run(self) -> None:
        logger = logging.Logger(f"load {self.name}")
        logger.addFilter(self._heard)
        producer = Producer(
            {
                **self.config,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": int(PATIENCE * 1000),
                "reconnect.backoff.max.ms": 250,
                "debug": "eos",
            },
            logger=logger,
        )
        self.began = time.monotonic()
        sequence = 0
        padding = PADDING + "-" * self.padding if self.padding else ""
        while not self._stop.is_set():
            sequence += 1
            for partition in range(self.partitions):
                value = f"{self.name}:{partition}:{sequence}"
                self.sent[value] = time.monotonic()
                while True:
                    try:
                        data = (value + padding).encode()
                        producer.produce(self.topic, data, partition=partition, on_delivery=self._delivered)
                    except BufferError:
                        producer.poll(0.1)
                    else:
                        break
            producer.poll(self.pause)
            time.sleep(self.pause)
        left = producer.flush(PATIENCE)
        self.ended = time.monotonic()
        if left:
            self.lost.append(f"{left} records were neither acknowledged nor refused")

    def _heard(self, said: logging.LogRecord) -> bool:
        """What the client says while it is polled, as it says of what is delivered."""
        if "epoch bump" in said.getMessage():
            self.renumbered.append(time.monotonic())
        return False

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        value = value_of(message)
        if error is not None:
            self.lost.append(f"{value}: {error}")
        else:
            with self._lock:
                self.acked[value] = (message.partition() or 0, time.monotonic())


@contextmanager
def loaded(config: Mapping[str, str], topic: str, partitions: int, **more: Any) -> Iterator[Load]:
    """A load for the length of a block, with `more` of its members; it is stopped whatever happens in it."""
    load = Load(config, topic, partitions, **more).start()
    try:
        yield load
    finally:
        load.stop()


def check(config: Mapping[str, str], topic: str, partitions: int, loads: Sequence[Load]) -> None:
    """Read the topic from its beginning to its end, and judge; and what the consumers saw that lived beside the producers."""
    judge(read_all(config, topic, partitions), loads)
    for load in loads:
        if load.followed:
            judge_reader(load)


def judge_reader(load: Load) -> None:
    """The load's consumer saw what a reader of today sees, went forward alone, and no commit of its group was lost."""
    assert load.reader is not None, "no consumer lived beside this producer"
    assert not load.reader.wrong, f"the consumer of {load.name}: {load.reader.wrong[:5]}"
    assert load.reader.committed, f"no commit of the consumer of {load.name} was ever acknowledged"
    judge(load.reader.read(load.name), [load])


def judge(read: Mapping[int, Sequence[tuple[int, str]]], loads: Sequence[Load]) -> None:
    """Every acknowledged record is there once, in the order of its producer, and nothing is there that nobody sent.

    A record may be there twice that was under way when its client began a new epoch by itself: brokers cannot know it again
    (confluentinc/librdkafka issue 4953)."""
    sent = {value for load in loads for value in load.sent}
    acked = {value: where for load in loads for value, (where, _) in load.acked.items()}
    refused = [each for load in loads for each in load.lost]
    assert acked, "nothing was acknowledged, so nothing is proved"
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for where, records in read.items():
        for offset, value in records:
            places[value].append((where, offset))
    missing = sorted(value for value in acked if value not in places)
    assert not missing, f"{len(missing)} of {len(acked)} acknowledged records are lost, the first {missing[:5]}"
    astray = [value for value, where in acked.items() if {found for found, _ in places[value]} != {where}]
    assert not astray, f"acknowledged in one partition and found in another: {astray[:5]}"
    resent = {value for load in loads for value in load.acked if load.under_way(value)}
    doubled = [(value, found) for value, found in places.items() if len(found) > 1 and value not in resent]
    assert not doubled, (
        f"{len(doubled)} records are there more than once, by (partition, offset): {doubled[:6]}; "
        f"gaps {[load.gaps() for load in loads]}"
    )
    strangers = [value for value in places if value not in sent]
    assert not strangers, f"records that nobody sent: {strangers[:5]}"
    for records in read.values():
        last: dict[str, int] = {}
        for value in dict.fromkeys(value for _, value in records):
            producer, _, sequence = value.split(":")
            assert int(sequence) > last.get(producer, 0), f"{value} comes after {last[producer]}"
            last[producer] = int(sequence)
    assert not refused, f"the client gave up on {len(refused)} records: {refused[:3]}"


def read_all(config: Mapping[str, str], topic: str, partitions: int) -> Mapping[int, list[tuple[int, str]]]:
    """Offset and value of every record of every partition, up to the end as it is now; each offset once."""
    found: dict[int, list[tuple[int, str]]] = {partition: [] for partition in range(partitions)}
    consumer = Consumer({**config, "group.id": f"check-{token_hex(4)}", "enable.auto.commit": False, "log_level": 2})
    try:
        ends = {partition: end(consumer, topic, partition) for partition in range(partitions)}
        behind = {partition for partition, (low, high) in ends.items() if high > low}
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
        until = time.monotonic() + PATIENCE
        while behind:
            assert time.monotonic() < until, f"nothing more to read from partitions {behind} before their end"
            for message in consumer.consume(1000, 0.5):
                if message.error() is not None:
                    continue  # told while brokers come and go; the deadline decides
                where, offset = message.partition() or 0, message.offset() or 0
                if offset < ends[where][1]:
                    value = value_of(message)
                    last, before = found[where][-1] if found[where] else (-1, "")
                    assert offset > last, (
                        f"offset {offset} of partition {where} ({value}) comes after {last} ({before})"
                    )
                    found[where].append((offset, value))
                if offset >= ends[where][1] - 1:
                    behind.discard(where)
                until = time.monotonic() + PATIENCE
    finally:
        consumer.close()
    return found


def end(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """First and next offset of a partition, asked until it has a leader."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=5)
        except KafkaException:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return int(low), int(high)


def make_topic(config: Mapping[str, str], topic: str, partitions: int, replicas: int = 3) -> None:
    """Create a topic as a stock client does."""
    admin = AdminClient({**config, "log_level": 2})
    made: Any = admin.create_topics([NewTopic(topic, partitions, replicas)], operation_timeout=30)
    made[topic].result(30)


def topic_state(config: Mapping[str, str], topic: str) -> Mapping[int, tuple[int, frozenset[int]]]:
    """Partition -> leader and in-sync replicas, by the word of the brokers."""
    seen = AdminClient({**config, "log_level": 2}).list_topics(topic, timeout=10).topics[topic]
    return {number: (each.leader, frozenset(each.isrs)) for number, each in seen.partitions.items()}
