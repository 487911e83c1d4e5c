"""A broker that was killed reads its logs again: how far it is can be watched, and nobody ends it meanwhile."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from oracle.plane import DEADLINE, Cluster

LOGS, SEGMENTS = 100, 16
TOLD = re.compile(r"broker 2: it recovers its log: (\d+) of (\d+) logs(?:, many-\d+ from offset \d+)?")


def fill(orders: Cluster, admin: AdminClient, config: dict[str, str]) -> None:
    """Logs of many segments on broker 2 alone: whatever is not of the same millisecond goes to a new one."""
    short = {"segment.ms": "1", "segment.index.bytes": "1024"}
    wanted = NewTopic("many", LOGS, replica_assignment=[[2]] * LOGS, config=short)
    admin.create_topics([wanted], operation_timeout=30)["many"].result(30)
    producer = Producer({**config, "acks": 1, "linger.ms": 0})
    for _ in range(SEGMENTS):
        for log in range(LOGS):
            producer.produce("many", b"a record", partition=log)
        assert producer.flush(30) == 0
    found = len(list((orders.volume("broker-2") / "data").glob("many-*/*.log")))
    assert found > LOGS * SEGMENTS // 2, f"{found} segments are read too soon to see anything"


def test_a_broker_that_reads_its_logs_again_tells_how_far_it_is(orders: Cluster) -> None:
    config = {**orders.client("tls"), "log_level": 2}
    admin = AdminClient(config)
    fill(orders, admin, config)
    runs = len(orders.ended("broker-2"))
    aside = ThreadPoolExecutor(1)
    try:
        old = orders.kill("broker-2")
        # Without it every segment counts as one that the machine may not have written yet.
        (orders.volume("broker-2") / "data" / "recovery-point-offset-checkpoint").unlink(missing_ok=True)
        told: list[tuple[int, int]] = []
        explained = None
        until = time.monotonic() + DEADLINE
        while not (told and orders.state == "ACTIVE"):
            assert time.monotonic() < until, f"{told}: {orders.said()}"
            if found := TOLD.search(str(orders.describe().get("StateInfo"))):
                told.append((int(found[1]), int(found[2])))
                explained = explained or aside.submit(orders.explain)
        orders.healed("broker-2", old)
    finally:
        aside.shutdown()
        admin.delete_topics(["many"], operation_timeout=30)["many"].result(30)
    assert all(before <= after for before, after in pairwise(told)), told
    assert len(set(told)) > 1, f"it came no further: {told}"
    assert all(read <= logs and logs >= LOGS for read, logs in told if logs), told
    assert explained is not None
    assert TOLD.search(explained.result()), explained.result()
    assert len(orders.ended("broker-2")) == min(runs + 1, 20), "killed once, by this test alone"
