"""The brokers of one cluster, to be asked by many threads at a time: whichever answers will do.

Invariant: no call takes longer than `deadline`, and a cluster that has kept one call waiting for seconds keeps one caller at
a time waiting, not all of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from penstock.kafka.connections import Connections, Silence, Tls, in_vain
from penstock.kafka.wire import KafkaError, KafkaRefused, KafkaUnreachable, NodeAddress

DEADLINE = 5.0
"""Seconds that a caller waits at most."""
FOR_EACH = 1.5
"""Seconds that one broker has to connect and to answer a question before the next one is asked."""

REQUEST_TIMED_OUT = 7

T = TypeVar("T")


class Brokers:
    """The broker that answered last is asked first, so that who has written reads what was written."""

    def __init__(
        self, nodes: Sequence[NodeAddress], tls: Tls | None, deadline: float = DEADLINE, for_each: float = FOR_EACH
    ) -> None:
        self.nodes = tuple(nodes)
        self._connections = Connections(nodes, tls, for_each)
        self._deadline = deadline
        self._lock = threading.Lock()
        self._silent: dict[bool, str] = {}
        self._asking: Counter[bool] = Counter()

    @property
    def milliseconds(self) -> int:
        """The time that Kafka has for an order, as requests carry it: a little less than we wait for its word."""
        return int(self._deadline * 900)

    def ask(self, question: Any, read: Callable[[Any], T]) -> T:
        """What `read` makes of the first answer. Raises KafkaUnreachable or Silence where none came, and what `read` raises."""
        with self._turn(orders=False):
            return self._connections.first(self._likely(), question, read, self._deadline)

    def order(self, order: Any, read: Callable[[Any], T]) -> T:
        """The same for what must not be carried out twice: one broker gets it, the first that shakes hands.

        AnswerLost: it may or may not have been carried out. KafkaUnreachable, Silence: it was not."""
        with self._turn(orders=True):
            return self._connections.order(self._likely(), order, read, self._deadline)

    def close(self) -> None:
        """End the connections that nobody uses; those in use end with their call."""
        self._connections.close()

    def _likely(self) -> Sequence[int]:
        return self._connections.likely(node.number for node in self.nodes)

    @contextmanager
    def _turn(self, *, orders: bool) -> Iterator[None]:
        """A call may begin, unless the last one waited in vain and somebody is trying again already."""
        with self._lock:
            if orders in self._silent and self._asking[orders]:
                raise Silence(f"{self._silent[orders]}; another call is finding out whether that has changed")
            self._asking[orders] += 1
        silent: str | None = None
        try:
            yield
        except (KafkaUnreachable, KafkaRefused) as error:
            silent = str(error) if _waited_in_vain(error) else None
            raise
        finally:
            with self._lock:
                self._asking[orders] -= 1
                if silent is None:
                    self._silent.pop(orders, None)
                else:
                    self._silent[orders] = silent


def _waited_in_vain(error: KafkaError) -> bool:
    """It took seconds to fail; also where controllers behind a broker were silent."""
    if isinstance(error, KafkaRefused):
        return error.code == REQUEST_TIMED_OUT
    return isinstance(error, KafkaUnreachable) and in_vain(error)
