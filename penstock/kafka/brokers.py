"""The brokers of one cluster, to be asked by many threads at a time: whichever answers will do.

Invariant: no call takes longer than `deadline`, and a cluster that has kept one call waiting for seconds keeps one caller at
a time waiting, not all of them."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from penstock.kafka.questions import VERSIONS
from penstock.kafka.wire import AnswerLost, Connection, KafkaError, KafkaRefused, KafkaUnreachable, NodeAddress

DEADLINE = 5.0
"""Seconds that a caller waits at most."""
FOR_EACH = 1.5
"""Seconds that one broker has to connect or to answer a question before the next one is asked."""
KEPT = 4
"""Connections that are kept open while nobody uses them."""

REQUEST_TIMED_OUT = 7

T = TypeVar("T")


class Silence(KafkaUnreachable):
    """Some broker is there and kept us waiting for as long as it may; the question or order had no effect."""


class Brokers:
    """Connections to the brokers of one cluster, one for each call under way; some are kept for the next.

    The broker that answered last is asked first, so that who has written reads what was written."""

    def __init__(
        self,
        nodes: Sequence[NodeAddress],
        tls: ssl.SSLContext | None,
        deadline: float = DEADLINE,
        for_each: float = FOR_EACH,
    ) -> None:
        self.nodes = tuple(nodes)
        self._tls = tls
        self._deadline = deadline
        self._for_each = for_each
        self._lock = threading.Lock()
        self._kept: list[tuple[int, Connection]] = []
        self._order = [node.number for node in nodes]
        self._silent: dict[bool, str] = {}
        self._asking: Counter[bool] = Counter()
        self._closed = False

    @property
    def milliseconds(self) -> int:
        """The time that Kafka has for an order, as requests carry it: a little less than we wait for its word."""
        return int(self._deadline * 900)

    def ask(self, question: Any, read: Callable[[Any], T]) -> T:
        """What `read` makes of the first answer. Raises KafkaUnreachable or Silence where none came, and what `read` raises."""
        until = time.monotonic() + self._deadline
        failures: list[KafkaUnreachable] = []
        with self._turn(orders=False):
            kept = self._take()
            if kept is not None:
                number, connection = kept
                try:
                    answer = connection.call(question, VERSIONS[type(question)], self._for_each)
                except AnswerLost as error:
                    # Ended meanwhile: the same broker may well take a new connection. Silent: another one is due.
                    if error.timed_out:
                        self._put_last(number)
                        failures.append(error)
                else:
                    self._keep(number, connection)
                    return read(answer)
            for number, connection in self._fresh(until, failures):
                try:
                    left = max(0.05, min(self._for_each, until - time.monotonic()))
                    answer = connection.call(question, VERSIONS[type(question)], left)
                except KafkaUnreachable as error:
                    self._put_last(number)
                    failures.append(error)
                    continue
                self._keep(number, connection)
                return read(answer)
            raise _nobody(failures)

    def order(self, order: Any, read: Callable[[Any], T]) -> T:
        """The same for what must not be carried out twice: one broker gets it, the first that shakes hands.

        On a connection of its own: the handshake proves that the broker works, and an old one could lose the order
        unseen. AnswerLost: it may or may not have been carried out. KafkaUnreachable, Silence: it was not."""
        until = time.monotonic() + self._deadline
        failures: list[KafkaUnreachable] = []
        with self._turn(orders=True):
            for number, connection in self._fresh(until, failures):
                answer = connection.call(order, VERSIONS[type(order)], max(0.05, until - time.monotonic()))
                self._keep(number, connection)
                return read(answer)
            raise _nobody(failures)

    def close(self) -> None:
        """End the connections that nobody uses; those in use end with their call."""
        with self._lock:
            self._closed = True
            kept, self._kept = self._kept, []
        for _, connection in kept:
            connection.close()

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
            silent = str(error) if _in_vain(error) else None
            raise
        finally:
            with self._lock:
                self._asking[orders] -= 1
                if silent is None:
                    self._silent.pop(orders, None)
                else:
                    self._silent[orders] = silent

    def _fresh(self, until: float, failures: list[KafkaUnreachable]) -> Iterator[tuple[int, Connection]]:
        """New connections to one broker after the other; who does not shake hands is noted and put last."""
        for node in self._ordered():
            left = min(self._for_each, until - time.monotonic())
            if left <= 0:
                return
            try:
                connection = Connection.connect(node.address, node.port, self._tls, left)
            except KafkaUnreachable as error:
                self._put_last(node.number)
                failures.append(error)
            else:
                yield node.number, connection

    def _take(self) -> tuple[int, Connection] | None:
        with self._lock:
            return self._kept.pop() if self._kept else None

    def _keep(self, number: int, connection: Connection) -> None:
        """The broker has answered: it is the one to ask, and the connection is good for another call."""
        with self._lock:
            self._order.sort(key=lambda each: each != number)
            others = [kept for kept in self._kept if kept[0] != number]
            self._kept = [kept for kept in self._kept if kept[0] == number]
            if self._closed or len(self._kept) >= KEPT:
                others.append((number, connection))
            else:
                self._kept.append((number, connection))
        for _, each in others:
            each.close()

    def _put_last(self, number: int) -> None:
        with self._lock:
            self._order.sort(key=lambda each: each == number)
            others = [kept for kept in self._kept if kept[0] == number]
            self._kept = [kept for kept in self._kept if kept[0] != number]
        for _, each in others:
            each.close()

    def _ordered(self) -> Sequence[NodeAddress]:
        with self._lock:
            order = list(self._order)
        return sorted(self.nodes, key=lambda node: order.index(node.number))


def _in_vain(error: KafkaError) -> bool:
    """It took seconds to fail. A refused connection holds up nobody; only silence does, also of controllers behind a broker."""
    match error:
        case AnswerLost():
            return error.timed_out
        case KafkaRefused():
            return error.code == REQUEST_TIMED_OUT
        case _:
            return isinstance(error, Silence) or isinstance(error.__cause__, TimeoutError)


def _nobody(failures: Sequence[KafkaUnreachable]) -> KafkaUnreachable:
    kind = Silence if any(map(_in_vain, failures)) else KafkaUnreachable
    return kind("no broker answers: " + ("; ".join(map(str, failures)) or "there is none to ask"))
