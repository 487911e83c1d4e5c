"""The canary: records of the control plane's own, produced as a client's would be, to learn how long producers wait.

MSK keeps a topic of this name in every cluster (msk.md 3.7); here it is made when somebody first wants to know. Over the
inner listeners with the control plane's own certificate; nobody reads the records, and a day later they are gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
ROUNDS = 3
"""Records for each broker in one probe, one after another."""

# The library carries no types for these.
_Topic: Any = ProduceRequest.TopicProduceData
_Records: Any = MemoryRecordsBuilder


class ClusterCanary:
    """Produces to one cluster. Keeps a connection to each broker that it has asked; threads may share it.

    They are none of the pool's: a handshake is no part of what is timed, and a leader that waits for its followers must not
    pass for a node that does not answer."""

    def __init__(self, brokers: Sequence[NodeAddress], tls: Tls | None, deadline: float = DEADLINE) -> None:
        self._brokers = {node.number: node for node in brokers}
        self._tls = tls
        self._deadline = deadline
        self._lock = threading.Lock()
        self._pool: dict[int, Connection] = {}

    def probe(self, leaders: Mapping[int, int]) -> Sequence[float]:
        """How long records took, in milliseconds; one that was not acknowledged in time took the whole deadline.

        `leaders`: partition of the canary's topic -> the broker that leads it. Each broker gets its records on one
        partition, all brokers at once. Raises KafkaError where none of them could be asked."""
        chosen = {broker: partition for partition, broker in leaders.items() if broker in self._brokers}
        if not chosen:
            raise KafkaUnreachable(f"no partition of {TOPIC} is led by a broker that is known")
        with ThreadPoolExecutor(len(chosen), "canary") as pool:
            found = list(pool.map(self._asked, chosen.items()))
        taken = [one for each in found if not isinstance(each, KafkaError) for one in each]
        failures = [each for each in found if isinstance(each, KafkaError)]
        if not taken and failures:
            raise failures[0]
        return taken

    def close(self) -> None:
        """End all connections; the next probe opens new ones."""
        with self._lock:
            pool, self._pool = self._pool, {}
        for connection in pool.values():
            connection.close()

    def _asked(self, where: tuple[int, int]) -> Sequence[float] | KafkaError:
        broker, partition = where
        taken: list[float] = []
        try:
            for _ in range(ROUNDS):
                taken.append(self._produced(broker, partition))
        except AnswerLost as error:
            # It went out and was not acknowledged: that is what a producer feels too. A broken connection says nothing.
            return [*taken, self._deadline * 1000] if error.timed_out else taken or error
        except KafkaError as error:
            return taken or error
        return taken

    def _produced(self, broker: int, partition: int) -> float:
        connection = self._connection(broker)
        request = produce(partition, int(self._deadline * 1000))
        began = time.monotonic()
        answer = connection.call(request, VERSION, self._deadline)
        took = (time.monotonic() - began) * 1000
        for topic in answer.responses:
            for part in topic.partition_responses:
                refuse(f"producing to {TOPIC}-{part.index}", part.error_code, part.error_message)
        return took

    def _connection(self, broker: int) -> Connection:
        """Open before the time is taken: a producer keeps its own, too."""
        with self._lock:
            kept = self._pool.get(broker)
            if kept is not None and kept.open:
                return kept
        node = self._brokers[broker]
        fresh = Connection.connect(node.address, node.port, self._tls() if self._tls else None, self._deadline)
        with self._lock:
            self._pool[broker] = fresh
        return fresh


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
