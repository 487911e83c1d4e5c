"""From three brokers to six and back: how soon the new ones serve, how fast data moves, what clients feel."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from confluent_kafka import Producer
from kafka import KafkaAdminClient, TopicPartition

from benchmarks.by_hand import ByHand, by_hand, serve
from benchmarks.client import PARTITIONS, TOPIC, Load, Reach, first_record, until
from benchmarks.ours import Ours, ours
from benchmarks.result import Result
from penstock.kafka.distributions import Installed

STORED = 2 * 2**30
"""Bytes of the topic with all replicas."""
RECORD = 64 * 1024
JOINED = (4, 5, 6)
MIB = 2**20


def measure(kafka: Installed) -> list[Result]:
    """By hand: three brokers join, half of every broker's replicas are reassigned, unthrottled and idle; and back under load."""
    with by_hand(kafka) as hand:
        hand.format()
        serve(hand)
        first_record(hand.reach)
        fill(hand.reach)
        by_hand_rate = _reassigned(hand)
        with Load(hand.reach) as load:
            felt_by_hand = _p99_of(load, partial(_reassign, hand, _home))
    with ours() as side:
        arn, reach = side.create("bench")
        first_record(reach)
        fill(reach)
        until("quiet", lambda: side.state(arn) == "ACTIVE", every=0.1)
        began = time.monotonic()
        operation = side.begin(arn, "update_broker_count", TargetNumberOfBrokerNodes=6)
        until("six brokers", lambda: side.step(operation, "START_BROKERS") == "COMPLETED", every=0.05)
        serving = time.monotonic() - began
        until("ACTIVE", lambda: side.state(arn) == "ACTIVE", every=0.1)
        moving = time.monotonic() - began - serving
        moved = sum(_held(side.volumes(number)) for number in JOINED)
        emptied = _felt(side, arn, reach, 3)
        joined = _felt(side, arn, reach, 6)
    return [
        Result("3 to 6 brokers: the new ones serve", "s", serving, goal=5.0),
        Result(
            "… data moved while idle (goal: 70 % of by hand, unthrottled)",
            "MiB/s",
            moved / moving / MIB,
            by_hand_rate / MIB,
            least_ratio=0.7,
        ),
        Result("6 to 3 brokers under load: p99 of a produce, against before", "ms", *emptied, goal_ratio=2.0),
        Result("… and against by hand, unthrottled", "ms", emptied[0], by_hand=felt_by_hand[0]),
        Result("3 to 6 brokers under load: p99 of a produce, against before", "ms", *joined, goal_ratio=2.0),
    ]


def fill(reach: Reach) -> None:
    """So many bytes in the topic that its replicas hold STORED."""
    producer = Producer({**reach.settings, "acks": "all", "queue.buffering.max.kbytes": 65536})
    for number in range(STORED // 3 // RECORD):
        value = os.urandom(RECORD)
        while True:
            try:
                producer.produce(TOPIC, value, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.05)
    producer.flush(300)


def _reassigned(hand: ByHand) -> float:
    """Bytes a second of a reassignment by hand: three more brokers, every second partition wholly on them."""
    hand.join(*JOINED)
    began = time.monotonic()
    _reassign(hand, _away)
    return sum(_held(hand.home / str(number) / "data") for number in JOINED) / (time.monotonic() - began)


def _reassign(hand: ByHand, place: Callable[[int], list[int]]) -> None:
    """Every second partition to where it is placed, by its index; until all is there."""
    admin = KafkaAdminClient(bootstrap_servers=hand.reach.servers.split(","))
    try:
        wanted = {TopicPartition(TOPIC, index): place(index) for index in range(0, PARTITIONS, 2)}
        admin.alter_partition_reassignments(wanted)
        until("the reassignment by hand", lambda: not admin.list_partition_reassignments(), every=0.1)
    finally:
        admin.close()


def _away(index: int) -> list[int]:
    turn = index // 2 % len(JOINED)
    return [*JOINED[turn:], *JOINED[:turn]]


def _home(index: int) -> list[int]:
    return [number - len(JOINED) for number in _away(index)]


def _held(data: Path) -> int:
    return sum(path.stat().st_size for path in data.glob(f"{TOPIC}-*/*.log"))


def _felt(side: Ours, arn: str, reach: Reach, brokers: int) -> tuple[float, float]:
    """p99 of a produce in milliseconds: while the cluster comes to have so many brokers, and undisturbed before."""
    with Load(reach) as load:
        return _p99_of(load, partial(side.change, arn, "update_broker_count", TargetNumberOfBrokerNodes=brokers))


def _p99_of(load: Load, change: Callable[[], None]) -> tuple[float, float]:
    """p99 of its records in milliseconds: during the change, and undisturbed before."""
    time.sleep(5)
    load.latencies.clear()
    time.sleep(10)
    calm = _p99(load.latencies)
    load.latencies.clear()
    change()
    return _p99(load.latencies), calm


def _p99(latencies: Mapping[int, float]) -> float:
    return statistics.quantiles(latencies.values(), n=100)[98] * 1000
