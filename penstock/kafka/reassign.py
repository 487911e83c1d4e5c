"""Moving replicas: what lies where, orders to move, how far they are, throttles, and closing a broker to new replicas.

Over the inner listeners of brokers, with the control plane's own certificate. One method is one question or order with a
deadline; every order means the same when it is given twice. Errors are `KafkaUnreachable` and `KafkaRefused`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import frozen
from kafka.protocol.admin import AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest

from penstock.kafka import answers, logdirs, questions
from penstock.kafka.connections import Connections
from penstock.kafka.wire import error_name, refuse
from penstock.model.rebalance import Key, Throttled

NO_REASSIGNMENT_IN_PROGRESS = 85
RATES = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")
"""A broker's properties: bytes a second that it sends to, and gets for, throttled replicas that are not in sync."""
REPLICAS = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")
"""A topic's properties: which replicas are throttled, as `partition:broker,…`."""
CORDONED = "cordoned.log.dirs"
"""A broker's property from Kafka 4.3 on: log directories that get no new replicas."""

# The library carries no types for these.
_Reassigned: Any = AlterPartitionReassignmentsRequest.ReassignableTopic

T = TypeVar("T")


@frozen
class Reassignment:
    """A reassignment under way, whoever ordered it."""

    replicas: tuple[int, ...]
    """Old and new ones; those that stay first, preferred leader at the head."""
    adding: tuple[int, ...]
    removing: tuple[int, ...]


class ClusterReassigner:
    """The moving side of one cluster: `brokers` are its numbers of those."""

    def __init__(self, connections: Connections, brokers: Iterable[int]) -> None:
        self._connections = connections
        self._brokers = tuple(brokers)

    def log_dirs(self, number: int) -> tuple[logdirs.LogDir, ...]:
        """The log directories of one broker, in its own words. KafkaUnreachable where it does not answer."""
        return logdirs.log_dirs(self._connections.ask(number, logdirs.question()))

    def reassignments(self) -> Mapping[Key, Reassignment]:
        """Every reassignment under way."""
        return self._any(
            ListPartitionReassignmentsRequest(timeout_ms=self._connections.milliseconds, topics=None), _under_way
        )

    def reassign(self, targets: Mapping[Key, Sequence[int] | None]) -> Mapping[Key, str]:
        """Order replicas, preferred leader first, for each partition; None takes an order back: the old ones stay.

        Returns partition -> why, of those that Kafka refused; nothing under way to cancel is no refusal. With the same
        replicas in another order Kafka is done at once; who leads changes with the next election. Kafka itself refuses
        another number of replicas: an order from a stale look does no harm."""
        if not targets:
            return {}
        topics: dict[str, list[Any]] = {}
        for (topic, index), replicas in targets.items():
            wanted = None if replicas is None else list(replicas)
            topics.setdefault(topic, []).append(
                _Reassigned.ReassignablePartition(partition_index=index, replicas=wanted)
            )
        request = AlterPartitionReassignmentsRequest(
            timeout_ms=self._connections.milliseconds,
            allow_replication_factor_change=False,
            topics=[_Reassigned(name=name, partitions=partitions) for name, partitions in topics.items()],
        )
        return self._any(request, _refusals)

    def limit(self, rate: int | None) -> None:
        """Bytes a second that each broker spends on throttled replicas, in each direction; None lifts it.

        As the default of all brokers: one that gets a property of its own reads its certificates again too, and producers wait
        a quarter of a second (measured, 4.3.1). Kafka before 3.9 takes no notice of the default (KAFKA-10190)."""
        rates = dict.fromkeys(RATES, None if rate is None else str(rate))
        self._any(questions.alter_configs(questions.BROKER, {questions.EVERY_BROKER: rates}), answers.altered)

    def throttle(self, topics: Mapping[str, Throttled | None]) -> None:
        """Set which replicas of topics are throttled, in place of those before; None, or no replica, lifts it."""
        if topics:
            lists = {topic: _lists(wanted or Throttled()) for topic, wanted in topics.items()}
            self._any(questions.alter_configs(questions.TOPIC, lists), answers.altered)

    def throttled(self, topics: Iterable[str]) -> Mapping[str, Throttled]:
        """Those of the topics that have throttled replicas, and which: what is to be lifted when no move is left.

        Brokers learn of a change within a moment: right after an order this may still be as it was before."""
        names = list(topics)
        if not names:
            return {}
        found = self._any(questions.configs(questions.TOPIC, names, REPLICAS), answers.configs)
        return {
            topic: Throttled(*(_replicas(values.get(name)) for name in REPLICAS))
            for topic, values in found.items()
            if any(values.values())
        }

    def limits(self, number: int) -> Mapping[str, int]:
        """The throttle's rates as a broker has them, by property; empty where there is none. May lag as `throttled`."""
        seen = self._connections.ask(number, questions.configs(questions.BROKER, [str(number)], RATES))
        values = answers.configs(seen)[str(number)]
        # Kafka's default is the largest long: no throttle.
        return {name: int(value) for name, value in values.items() if value and int(value) < 2**63 - 1}

    def cordon(self, number: int) -> bool:
        """Close a broker to new replicas. False, and nothing changed, where its Kafka cannot (before 4.3).

        The controller hears of it with a heartbeat of the broker, so a topic made within the next seconds may still come."""
        if self.cordoned(number) is None:
            return False
        self._set_cordon(number, "*")
        return True

    def uncordon(self, number: int) -> None:
        """Open a broker to new replicas again; nothing where its Kafka knows no cordon."""
        if self.cordoned(number):
            self._set_cordon(number, None)

    def cordoned(self, number: int) -> bool | None:
        """Is the broker closed to new replicas? None where its Kafka knows no such thing."""
        seen = self._connections.ask(number, questions.configs(questions.BROKER, [str(number)], [CORDONED]))
        values = answers.configs(seen)[str(number)]
        return bool(values[CORDONED]) if CORDONED in values else None

    def _set_cordon(self, number: int, directories: str | None) -> None:
        request = questions.alter_configs(questions.BROKER, {str(number): {CORDONED: directories}})
        answers.altered(self._connections.ask(number, request))

    def _any(self, request: Any, read: Callable[[Any], T]) -> T:
        """The answer of the first broker that gives one; all pass it to the controller."""
        return self._connections.first(self._connections.likely(self._brokers), request, read)


def _under_way(answer: Any) -> Mapping[Key, Reassignment]:
    refuse("listing reassignments", answer.error_code, answer.error_message)
    return {
        (topic.name, part.partition_index): Reassignment(
            tuple(part.replicas), tuple(part.adding_replicas), tuple(part.removing_replicas)
        )
        for topic in answer.topics
        for part in topic.partitions
    }


def _refusals(answer: Any) -> Mapping[Key, str]:
    refuse("reassigning partitions", answer.error_code, answer.error_message)
    return {
        (topic.name, part.partition_index): f"{error_name(part.error_code)}: {part.error_message or 'no reason given'}"
        for topic in answer.responses
        for part in topic.partitions
        if part.error_code not in (0, NO_REASSIGNMENT_IN_PROGRESS)
    }


def _lists(wanted: Throttled) -> Mapping[str, str | None]:
    def text(replicas: Iterable[tuple[int, int]]) -> str | None:
        return ",".join(f"{index}:{broker}" for index, broker in sorted(replicas)) or None

    return dict(zip(REPLICAS, (text(wanted.leaders), text(wanted.followers)), strict=True))


def _replicas(text: str | None) -> frozenset[tuple[int, int]]:
    """The other way round. `*`, which somebody else may have set, is all of them: (-1, -1)."""
    pairs = (entry.split(":") for entry in (text or "").split(",") if entry)
    return frozenset(
        (int(index), int(broker)) for index, broker in (pair if len(pair) == 2 else ("-1", "-1") for pair in pairs)
    )
