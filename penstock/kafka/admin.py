"""What the control plane asks of a running cluster, over the inner listeners and with its own certificate.

Every method is one question or one order with a deadline; nothing is cached, nothing retried beyond asking the next node.
Errors are `KafkaUnreachable` (nobody answered, with each node's reason) and `KafkaRefused` (an error code)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from penstock.kafka import answers, questions
from penstock.kafka.canary import ClusterCanary
from penstock.kafka.connections import Connections, Tls
from penstock.kafka.reassign import ClusterReassigner
from penstock.kafka.wire import DEADLINE, KafkaUnreachable, NodeAddress
from penstock.model.observation import BrokerSeen, Partition, Quorum

STALE_MS = 3000
"""A broker whose metadata is older than this is not believed about partitions; a healthy one fetches twice a second."""

ELECTION_NOT_NEEDED = 84

T = TypeVar("T")


class ClusterAdmin:
    """The face of one cluster: `brokers` by REPLICATION_SECURE, `controllers` by CONTROLLER.

    `deadline` is the time of one node, in seconds. Threads may share it."""

    def __init__(
        self,
        brokers: Sequence[NodeAddress],
        controllers: Sequence[NodeAddress],
        tls: Tls | None,
        deadline: float = DEADLINE,
    ) -> None:
        self._brokers = tuple(node.number for node in brokers)
        self._controllers = tuple(node.number for node in controllers)
        self._connections = Connections((*brokers, *controllers), tls, deadline)
        self._canary = ClusterCanary(brokers, tls, deadline)

    @property
    def unanswered(self) -> Mapping[int, str]:
        """Number of each node that did not answer when it was last asked -> why."""
        return self._connections.unanswered

    def ping(self, number: int) -> bool:
        """Does the node do useful work? A broker reads its metadata, a controller passes the question through raft.

        More than a handshake: network threads, handlers and the metadata behind them have to move. Never raises for a
        node that does not answer; `unanswered` has the reason."""
        request = questions.nothing() if number in self._brokers else questions.quorum()
        try:
            self._connections.ask(number, request)
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
        late = answers.late(self.quorum(), self._brokers, STALE_MS)
        fresh = [number for number in self._brokers if number not in late]
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
        self._connections.order(via, questions.unregister(broker), partial(answers.unregistered, broker))

    def remove_voter(self, number: int, directory: str) -> None:
        """Count the controller with this volume no more among the voters; one that is no voter is as good.

        Returns when the others have agreed. AnswerLost: look at the quorum before the next step."""
        request = questions.remove_voter(number, directory)
        self._first(self._controllers, request, partial(answers.removed, number))

    def add_voter(self, number: int, directory: str, listeners: Mapping[str, tuple[str, int]]) -> None:
        """Count a controller that follows the metadata among the voters.

        `listeners`: name -> (address, port), where the others reach it. Kafka refuses one that is not caught up, one that
        it counts on this or another volume, and a second change before the first is agreed on. AnswerLost: look at the
        quorum before the next step."""
        request = questions.add_voter(number, directory, listeners, self._connections.milliseconds)
        self._first(self._controllers, request, partial(answers.added, number))

    def elect_preferred(self, via: int | None = None) -> Mapping[str, str]:
        """Give every partition its preferred leader. Returns `topic-index` -> why, of those that kept another one."""
        request = questions.elect_preferred(self._connections.milliseconds)
        nodes = self._brokers if via is None else (via,)
        kept = self._first(nodes, request, answers.elections)
        return {partition: why for partition, (code, why) in kept.items() if code not in (0, ELECTION_NOT_NEEDED)}

    def set_config(self, number: int, values: Mapping[str, str]) -> None:
        """Set dynamic properties of one node. Setting a key store's path to what it is makes the node read it anew.

        A broker takes its own; those of a controller go to the active controller (Kafka from 4.3 on)."""
        request = questions.alter_configs(questions.BROKER, {str(number): values})
        nodes = (number,) if number in self._brokers else self._controllers
        self._first(nodes, request, answers.altered)

    def set_default(self, values: Mapping[str, str]) -> None:
        """Set dynamic properties of all brokers, those to come included. Each broker takes them a moment later."""
        request = questions.alter_configs(questions.BROKER, {questions.EVERY_BROKER: values})
        self._first(self._brokers, request, answers.altered)

    def mover(self) -> ClusterReassigner:
        """The moving side of the same cluster, over the same connections."""
        return ClusterReassigner(self._connections, self._brokers)

    def canary(self) -> ClusterCanary:
        """What measures produce latency, over connections of its own."""
        return self._canary

    def config(self, number: int, names: Iterable[str]) -> Mapping[str, str | None]:
        """Effective values of a node's properties, by name; None where Kafka hides or does not have the value."""
        request = questions.configs(questions.BROKER, [str(number)], names)
        return self._first((number,), request, answers.configs)[str(number)]

    def defaults(self, names: Iterable[str]) -> Mapping[str, str | None]:
        """What is kept for all brokers of these properties, by name, whether brokers could take it or not; one that was never
        set is left out."""
        request = questions.configs(questions.BROKER, [questions.EVERY_BROKER], names)
        return self._first(self._brokers, request, answers.configs)[questions.EVERY_BROKER]

    def create_topic(self, name: str, placed: Sequence[Sequence[int]], config: Mapping[str, str]) -> None:
        """Create a topic with these brokers for each partition, the leader first. Leaders may take a moment longer than the
        answer."""
        request = questions.create_topic(name, -1, -1, config, self._connections.milliseconds, placed)
        self._connections.order(self._connections.likely(self._brokers), request, answers.created)

    def close(self) -> None:
        """End all connections."""
        self._connections.close()
        self._canary.close()

    def __enter__(self) -> ClusterAdmin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _first(self, nodes: Iterable[int], request: Any, read: Callable[[Any], T]) -> T:
        return self._connections.first(self._connections.likely(nodes), request, read)
