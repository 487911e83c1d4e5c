"""What the control plane asks of a running cluster, over the inner listeners and with its own certificate.

Every method is one question or one order with a deadline; nothing is cached, nothing retried beyond asking the next node.
Errors are `KafkaUnreachable` (nobody answered, with each node's reason) and `KafkaRefused` (an error code)."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from penstock.kafka import answers, questions
from penstock.kafka.canary import ClusterCanary
from penstock.kafka.reassign import ClusterReassigner
from penstock.kafka.wire import (
    DEADLINE,
    AnswerLost,
    Connection,
    KafkaRefused,
    KafkaUnreachable,
    NodeAddress,
    refuse,
)
from penstock.model.observation import BrokerSeen, Partition, Quorum

STALE_MS = 3000
"""A broker whose metadata is older than this is not believed about partitions; a healthy one fetches twice a second."""

NOT_LEADER, NOT_CONTROLLER, BROKER_ID_NOT_REGISTERED = 6, 41, 102
ELECTION_NOT_NEEDED = 84


T = TypeVar("T")


class ClusterAdmin:
    """The face of one cluster: `brokers` by REPLICATION_SECURE, `controllers` by CONTROLLER.

    Keeps a connection to each node that it has asked. `unanswered` tells who did not answer when last asked, and why."""

    def __init__(
        self,
        brokers: Sequence[NodeAddress],
        controllers: Sequence[NodeAddress],
        tls: ssl.SSLContext | None,
        deadline: float = DEADLINE,
    ) -> None:
        self._brokers = tuple(brokers)
        self._controllers = tuple(controllers)
        self._nodes = {node.number: node for node in (*brokers, *controllers)}
        self._tls = tls
        self._deadline = deadline
        self._lock = threading.Lock()
        self._pool: dict[int, Connection] = {}
        self._mover: ClusterReassigner | None = None
        self._canary: ClusterCanary | None = None
        self._unanswered: dict[int, str] = {}
        self._useful: dict[bool, int] = {}

    @property
    def unanswered(self) -> Mapping[int, str]:
        """Number of each node that did not answer when it was last asked -> why."""
        with self._lock:
            return dict(self._unanswered)

    def ping(self, number: int) -> bool:
        """Does the node do useful work? A broker reads its metadata, a controller passes the question through raft.

        More than a handshake: network threads, handlers and the metadata behind them have to move. Never raises for a
        node that does not answer; `unanswered` has the reason."""
        node = self._nodes[number]
        request = questions.nothing() if node in self._brokers else questions.quorum()
        try:
            self._call(node, request)
        except KafkaUnreachable:
            return False
        return True

    def brokers(self) -> Mapping[int, BrokerSeen]:
        """Registered brokers, fenced ones too, as some broker's metadata has them."""
        return self._first(self._brokers, questions.brokers(), answers.brokers)

    def quorum(self) -> Quorum:
        """The metadata quorum in its leader's words. Controllers are asked themselves: brokers could only pass it on.

        KafkaRefused (6) where every controller that answers says that it does not lead: there is no leader now."""
        return self._first(self._controllers, questions.quorum(), answers.quorum)

    def partitions(self) -> tuple[Partition, ...]:
        """Every partition with its topic's effective min ISR.

        From a broker that the quorum's leader has seen caught up within `STALE_MS`: one that was cut off or frozen would
        answer from its memory. KafkaUnreachable where no broker is that fresh."""
        late = answers.late(self.quorum(), [node.number for node in self._brokers], STALE_MS)
        fresh = [node for node in self._brokers if node.number not in late]
        if not fresh:
            raise KafkaUnreachable("no broker has followed the metadata lately; " + "; ".join(late.values()))
        metadata = self._first(fresh, questions.topics(), answers.topics)
        if not metadata:
            return ()
        request = questions.configs(questions.TOPIC, metadata, (answers.MIN_ISR,))
        return answers.partitions(metadata, self._first(fresh, request, answers.configs))

    def unregister(self, broker: int, via: Iterable[int]) -> None:
        """Take the registration of a broker away, so that a new process of it may register at once.

        Only for a broker that is proved dead: the request carries no epoch and would hit a live successor. Returns when
        the answer is there; no such registration is as good. The next of `via` is asked only while none has got the
        request. AnswerLost: it may or may not have happened; wait for the session to end."""
        failures = []
        for number in via:
            node = self._nodes[number]
            try:
                # A fresh connection: on an old one the request could be lost unseen.
                with Connection.connect(node.address, node.port, self._tls, self._deadline) as connection:
                    answer = connection.call(questions.unregister(broker), 0, self._deadline)
            except AnswerLost as error:
                self._note(node, error)
                raise
            except KafkaUnreachable as error:
                self._note(node, error)
                failures.append(f"node {number}: {error}")
                continue
            if answer.error_code != BROKER_ID_NOT_REGISTERED:
                refuse(f"unregistering broker {broker}", answer.error_code, answer.error_message)
            return
        raise KafkaUnreachable(
            f"broker {broker} is not unregistered, no other node took the order; {_joined(failures)}"
        )

    def elect_preferred(self, via: int | None = None) -> Mapping[str, str]:
        """Give every partition its preferred leader. Returns `topic-index` -> why, of those that kept another one."""
        request = questions.elect_preferred(self._milliseconds)
        nodes = self._brokers if via is None else (self._nodes[via],)
        kept = self._first(nodes, request, answers.elections)
        return {partition: why for partition, (code, why) in kept.items() if code not in (0, ELECTION_NOT_NEEDED)}

    def set_config(self, number: int, values: Mapping[str, str]) -> None:
        """Set dynamic properties of one node. Setting a key store's path to what it is makes the node read it anew.

        A broker takes its own; those of a controller go to the active controller (Kafka from 4.3 on)."""
        request = questions.set_configs(number, values)
        node = self._nodes[number]
        nodes = (node,) if node in self._brokers else self._controllers
        self._first(nodes, request, answers.altered)

    def set_default(self, values: Mapping[str, str]) -> None:
        """Set dynamic properties of all brokers, those to come included. Each broker takes them a moment later."""
        self._first(self._brokers, questions.set_configs(None, values), answers.altered)

    def mover(self) -> ClusterReassigner:
        """The moving side of the same cluster, over connections of its own."""
        with self._lock:
            if self._mover is None:
                self._mover = ClusterReassigner(self._brokers, self._tls, self._deadline)
            return self._mover

    def canary(self) -> ClusterCanary:
        """What measures produce latency, over connections of its own."""
        with self._lock:
            if self._canary is None:
                self._canary = ClusterCanary(self._brokers, self._tls, self._deadline)
            return self._canary

    def config(self, number: int, names: Iterable[str]) -> Mapping[str, str | None]:
        """Effective values of a node's properties, by name; None where Kafka hides or does not have the value."""
        request = questions.configs(questions.BROKER, [str(number)], names)
        return self._first((self._nodes[number],), request, answers.configs)[str(number)]

    def topic_config(self, topic: str, names: Iterable[str]) -> Mapping[str, str | None]:
        """Effective values of a topic's properties, by name. KafkaRefused (3) where there is no such topic."""
        found = self._first(self._brokers, questions.configs(questions.TOPIC, [topic], names), answers.configs)
        if topic not in found:
            raise KafkaRefused(f"reading the settings of {topic}", answers.UNKNOWN_TOPIC)
        return found[topic]

    def create_topic(
        self, name: str, partitions: int = -1, replicas: int = -1, config: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic; -1 takes the cluster's default. Its leaders may take a moment longer than the answer."""
        request = questions.create_topic(name, partitions, replicas, config or {}, self._milliseconds)
        self._first(self._brokers, request, answers.created, again=False)

    def close(self) -> None:
        """End all connections; the next question opens new ones."""
        with self._lock:
            pool, self._pool = self._pool, {}
            mover, self._mover = self._mover, None
            canary, self._canary = self._canary, None
        for each in (mover, canary):
            if each is not None:
                each.close()
        for connection in pool.values():
            connection.close()

    def __enter__(self) -> ClusterAdmin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _milliseconds(self) -> int:
        return int(self._deadline * 1000)

    def _first(self, nodes: Sequence[NodeAddress], request: Any, read: Callable[[Any], T], *, again: bool = True) -> T:
        """The first useful answer of these nodes: the one that was last of use first, the silent ones last.

        `again`: the next node may be asked although the one before may have carried it out."""
        failures: list[str] = []
        refusal: KafkaRefused | None = None
        for node in self._ordered(nodes):
            try:
                answer = read(self._call(node, request))
            except KafkaUnreachable as error:
                failures.append(f"node {node.number}: {error}")
                if isinstance(error, AnswerLost) and not again:
                    raise
            except KafkaRefused as error:
                if error.code not in (NOT_LEADER, NOT_CONTROLLER):
                    raise
                refusal = error
            else:
                with self._lock:
                    self._useful[node in self._brokers] = node.number
                return answer
        raise refusal or KafkaUnreachable(f"no node answered {request.name}; {_joined(failures)}")

    def _ordered(self, nodes: Sequence[NodeAddress]) -> Sequence[NodeAddress]:
        with self._lock:
            silent, useful = set(self._unanswered), set(self._useful.values())
        return sorted(nodes, key=lambda node: (node.number in silent, node.number not in useful))

    def _call(self, node: NodeAddress, request: Any) -> Any:
        until = time.monotonic() + self._deadline
        version = questions.VERSIONS[type(request)]
        with self._lock:
            kept = self._pool.get(node.number)
        try:
            if kept is not None and kept.open:
                try:
                    answer = kept.call(request, version, self._deadline)
                except AnswerLost as error:
                    # The node may have ended an idle connection, or be another process by now: then a new one is due.
                    if error.timed_out or type(request) in questions.CHANGES_ONCE:
                        raise
                else:
                    self._note(node, None)
                    return answer
            fresh = Connection.connect(node.address, node.port, self._tls, max(0.05, until - time.monotonic()))
            with self._lock:
                other = self._pool.get(node.number)
                if other is not None and other is not kept and other.open:
                    # Another thread was quicker; one connection is enough.
                    fresh.close()
                    fresh = other
                self._pool[node.number] = fresh
            answer = fresh.call(request, version, max(0.05, until - time.monotonic()))
        except KafkaUnreachable as error:
            self._note(node, error)
            raise
        self._note(node, None)
        return answer

    def _note(self, node: NodeAddress, error: KafkaUnreachable | None) -> None:
        with self._lock:
            if error is None:
                self._unanswered.pop(node.number, None)
            else:
                self._unanswered[node.number] = str(error)


def _joined(failures: Sequence[str]) -> str:
    return "; ".join(failures) or "there is no node to ask"
