"""The sockets to the nodes of one cluster, brokers and controllers: who is asked first, on which connection, and how often.

What is asked is `questions.py`'s, what an answer means `answers.py`'s."""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from penstock.kafka.questions import VERSIONS
from penstock.kafka.wire import AnswerLost, Connection, KafkaRefused, KafkaUnreachable, NodeAddress

KEPT = 4
"""Connections to one node that are kept open while nobody uses them."""

NOT_LEADER, NOT_CONTROLLER = 6, 41

T = TypeVar("T")
Tls = Callable[[], ssl.SSLContext]
"""What a new connection shows and trusts; asked each time, so that it may change."""


class Silence(KafkaUnreachable):
    """Nobody answered, and some node was there and kept us waiting for as long as it may."""


class Connections:
    """One connection for each call under way; some are kept for the next. Threads may share it and never wait for each other.

    Invariants: what must not happen twice is sent once; a node has `for_each` seconds to shake hands and answer; after
    `close` nothing is left open but what is in use, and that ends with its call."""

    def __init__(self, nodes: Iterable[NodeAddress], tls: Tls | None, for_each: float) -> None:
        self.nodes = tuple(nodes)
        self._addresses = {node.number: node for node in self.nodes}
        self._tls = tls
        self._for_each = for_each
        self._lock = threading.Lock()
        self._kept: dict[int, list[Connection]] = {number: [] for number in self._addresses}
        self._order = list(self._addresses)
        self._unanswered: dict[int, str] = {}
        self._closed = False

    @property
    def unanswered(self) -> Mapping[int, str]:
        """Number of each node that did not answer when it was last asked -> why."""
        with self._lock:
            return dict(self._unanswered)

    @property
    def milliseconds(self) -> int:
        """The time that one node has, as requests carry it."""
        return int(self._for_each * 1000)

    def likely(self, numbers: Iterable[int]) -> Sequence[int]:
        """These nodes: the one that was last of use first, those that failed last at the end."""
        with self._lock:
            return sorted(numbers, key=self._order.index)

    def ask(self, number: int, request: Any, within: float = math.inf) -> Any:
        """The answer of one node to what may be carried out twice: once more where a kept connection had been ended.

        Raises KafkaUnreachable, AnswerLost among it; what the answer says is the caller's."""
        until = time.monotonic() + min(self._for_each, within)
        try:
            answer, connection = self._ask(number, request, until)
        except KafkaUnreachable as error:
            self._failed(number, error)
            raise
        self._answered(number, connection)
        return answer

    def first(self, numbers: Iterable[int], request: Any, read: Callable[[Any], T], within: float = math.inf) -> T:
        """What `read` makes of the first useful answer of these nodes, in this order; for what may be carried out twice.

        A node that says that it does not lead passes the question on to the next. KafkaRefused where no node leads,
        KafkaUnreachable or Silence where nobody answered, with each node's reason; and what `read` raises."""
        until = time.monotonic() + within
        failures: dict[int, KafkaUnreachable] = {}
        refusal: KafkaRefused | None = None
        for number in numbers:
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                answer = read(self.ask(number, request, left))
            except KafkaUnreachable as error:
                failures[number] = error
            except KafkaRefused as error:
                if error.code not in (NOT_LEADER, NOT_CONTROLLER):
                    raise
                refusal = error
            else:
                self._prefer(number)
                return answer
        raise refusal or _nobody(f"no node answered {request.name}", failures)

    def order(self, numbers: Iterable[int], request: Any, read: Callable[[Any], T], within: float | None = None) -> T:
        """The same for what must not be carried out twice: one node gets it, the first of these that shakes hands.

        On a new connection: the handshake proves that the node works, and a kept one could lose the order unseen.
        `within` is for all of it; without it each handshake, and the answer, has the time of one node.
        AnswerLost: it may or may not have been carried out. KafkaUnreachable, Silence: it was not."""
        until = math.inf if within is None else time.monotonic() + within
        failures: dict[int, KafkaUnreachable] = {}
        for number in numbers:
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                connection = self._connect(number, min(self._for_each, left))
            except KafkaUnreachable as error:
                self._failed(number, error)
                failures[number] = error
                continue
            try:
                answer = _call(connection, request, time.monotonic() + self._for_each if within is None else until)
            except KafkaUnreachable as error:
                self._failed(number, error)
                raise
            self._answered(number, connection)
            self._prefer(number)
            return read(answer)
        raise _nobody(f"no node took {request.name}", failures)

    def close(self) -> None:
        """End the connections that nobody uses. What is still asked gets its answer, on connections that are not kept."""
        with self._lock:
            self._closed = True
            idle = [connection for kept in self._kept.values() for connection in kept]
            self._kept = {number: [] for number in self._addresses}
        for connection in idle:
            connection.close()

    def _ask(self, number: int, request: Any, until: float) -> tuple[Any, Connection]:
        with self._lock:
            kept = self._kept[number].pop() if self._kept[number] else None
        if kept is not None:
            try:
                return _call(kept, request, until), kept
            except AnswerLost as error:
                # The node may have ended an idle connection, or be another process by now: then a new one is due.
                if error.timed_out:
                    raise
                self._drop(number)
        fresh = self._connect(number, until - time.monotonic())
        return _call(fresh, request, until), fresh

    def _connect(self, number: int, within: float) -> Connection:
        node = self._addresses[number]
        return Connection.connect(node.address, node.port, self._tls() if self._tls else None, max(0.05, within))

    def _answered(self, number: int, connection: Connection) -> None:
        with self._lock:
            self._unanswered.pop(number, None)
            keep = not self._closed and len(self._kept[number]) < KEPT
            if keep:
                self._kept[number].append(connection)
        if not keep:
            connection.close()

    def _failed(self, number: int, error: KafkaUnreachable) -> None:
        with self._lock:
            self._unanswered[number] = str(error)
            self._order.sort(key=lambda each: each == number)
        self._drop(number)

    def _prefer(self, number: int) -> None:
        with self._lock:
            self._order.sort(key=lambda each: each != number)

    def _drop(self, number: int) -> None:
        """Kept connections to a node that failed on one of them are worth no more than that one."""
        with self._lock:
            idle, self._kept[number] = self._kept[number], []
        for connection in idle:
            connection.close()


def in_vain(error: KafkaUnreachable) -> bool:
    """It took as long as it may to fail. A refused connection holds up nobody; only silence does."""
    if isinstance(error, AnswerLost):
        return error.timed_out
    return isinstance(error, Silence) or isinstance(error.__cause__, TimeoutError)


def _call(connection: Connection, request: Any, until: float) -> Any:
    return connection.call(request, VERSIONS[type(request)], max(0.05, until - time.monotonic()))


def _nobody(what: str, failures: Mapping[int, KafkaUnreachable]) -> KafkaUnreachable:
    kind = Silence if any(map(in_vain, failures.values())) else KafkaUnreachable
    told = "; ".join(f"node {number}: {error}" for number, error in failures.items())
    return kind(f"{what}; {told or 'there is none to ask'}")
