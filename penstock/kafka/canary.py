"""The canary: records of the control plane's own, produced as a client's would be, to learn how long producers wait.

MSK keeps a topic of this name in every cluster (msk.md 3.7); here it is made when somebody first wants to know. Over the
inner listeners with the control plane's own certificate; nobody reads the records, and a day later they are gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kafka.protocol.producer import ProduceRequest
from kafka.record import MemoryRecordsBuilder

from penstock.kafka.connections import Tls
from penstock.kafka.wire import DEADLINE, AnswerLost, Connection, KafkaError, KafkaUnreachable, NodeAddress, refuse

TOPIC = "__amazon_msk_canary"
CONFIG: Mapping[str, str] = MappingProxyType({"cleanup.policy": "delete", "retention.ms": "86400000"})
VERSION = 9
"""Of Produce; names topics, where 13 and later give their ids. Every Kafka from 2.4 on speaks it."""
ALL = -1
"""`acks=all`: the answer comes when every replica in sync has the record."""
EVERY = 0.1
"""Seconds between two records for a broker: what holds producers up comes and goes within a second."""
UNASKED = 10.0
"""Seconds after a probe until no more records are produced: nobody wants to know."""

# The library carries no types for these.
_Topic: Any = ProduceRequest.TopicProduceData
_Records: Any = MemoryRecordsBuilder


class ClusterCanary:
    """Produces to one cluster, from the first probe on until nobody probes any more. Threads may share it.

    Each broker that leads has a thread and a connection of its own, none of the pool's: a handshake is no part of what is
    timed, and a leader that waits for its followers must not pass for a node that does not answer."""

    def __init__(self, brokers: Sequence[NodeAddress], tls: Tls | None, deadline: float = DEADLINE) -> None:
        self._brokers = {node.number: node for node in brokers}
        self._tls = tls
        self._deadline = deadline
        self._changed = threading.Condition()
        self._wanted: Mapping[int, int] = {}
        """Broker -> the partition that it leads and gets records on."""
        self._until = 0.0
        self._threads: dict[int, threading.Thread] = {}
        self._taken: list[float] = []
        self._failed: dict[int, KafkaError] = {}

    def probe(self, leaders: Mapping[int, int]) -> Sequence[float]:
        """How long the records took that ended since the last probe, in milliseconds; one that was not acknowledged in time
        took the whole deadline. None yet at the first.

        `leaders`: partition of the canary's topic -> the broker that leads it. Each broker gets records on one partition.
        Raises KafkaError where there are no records, and that is why."""
        chosen = {broker: partition for partition, broker in leaders.items() if broker in self._brokers}
        if not chosen:
            raise KafkaUnreachable(f"no partition of {TOPIC} is led by a broker that is known")
        with self._changed:
            self._wanted, self._until = chosen, time.monotonic() + UNASKED
            for broker in chosen.keys() - self._threads.keys():
                thread = threading.Thread(target=self._run, args=(broker,), name=f"canary-{broker}", daemon=True)
                self._threads[broker] = thread
                thread.start()
            taken, self._taken = self._taken, []
            failed, self._failed = self._failed, {}
        if not taken and failed:
            raise next(iter(failed.values()))
        return taken

    def close(self) -> None:
        """Produce no more; the next probe begins anew."""
        with self._changed:
            self._wanted, threads = {}, list(self._threads.values())
            self._changed.notify_all()
        for thread in threads:
            thread.join(2 * self._deadline)  # one to connect, one for a record under way

    def _run(self, broker: int) -> None:
        connection: Connection | None = None
        while (partition := self._partition(broker)) is not None:
            began = time.monotonic()
            try:
                if connection is None or not connection.open:
                    connection = self._connect(broker)
                    began = time.monotonic()
                self._produce(connection, partition)
                self._told((time.monotonic() - began) * 1000)
            except AnswerLost as error:
                # It went out and was not acknowledged: that is what a producer feels too. A broken connection says nothing.
                self._told(self._deadline * 1000 if error.timed_out else error, broker)
            except KafkaError as error:
                self._told(error, broker)
            with self._changed:
                pause = began + EVERY - time.monotonic()
                self._changed.wait_for(lambda: broker not in self._wanted, timeout=max(0.0, pause))
        if connection is not None:
            connection.close()

    def _partition(self, broker: int) -> int | None:
        """On which the broker's next record goes; None, and the thread is forgotten, where there is to be none."""
        with self._changed:
            if broker in self._wanted and time.monotonic() < self._until:
                return self._wanted[broker]
            del self._threads[broker]
            return None

    def _told(self, what: float | KafkaError, broker: int = 0) -> None:
        with self._changed:
            if isinstance(what, KafkaError):
                self._failed[broker] = what
            else:
                self._taken.append(what)

    def _connect(self, broker: int) -> Connection:
        node = self._brokers[broker]
        return Connection.connect(node.address, node.port, self._tls() if self._tls else None, self._deadline)

    def _produce(self, connection: Connection, partition: int) -> None:
        answer = connection.call(produce(partition, int(self._deadline * 1000)), VERSION, self._deadline)
        for topic in answer.responses:
            for part in topic.partition_responses:
                refuse(f"producing to {TOPIC}-{part.index}", part.error_code, part.error_message)


def produce(partition: int, timeout_ms: int) -> Any:
    """One small record for one partition of the canary's topic."""
    batch = _Records(magic=2, compression_type=0, batch_size=1024)
    batch.append(timestamp=None, key=None, value=b"canary", headers=[])
    batch.close()
    data = _Topic.PartitionProduceData(index=partition, records=bytes(batch.buffer()))
    return ProduceRequest(
        transactional_id=None,
        acks=ALL,
        timeout_ms=timeout_ms,
        topic_data=[_Topic(name=TOPIC, partition_data=[data])],
    )
