"""A consumer as users have them: of a group, subscribed, committing as it goes, while brokers come and go.

A member that is assigned its partitions anew begins where its group committed last and may see records again from there on;
never a record before that, never another one under the same offset, and otherwise each after the one before it."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from attrs import define, field
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

COMMITS_EVERY = 1.0
"""Seconds between two commits."""
PADDING = ":-"
"""Begins what makes a record heavy and says nothing."""


def value_of(message: Message) -> str:
    """What a record says."""
    return (message.value() or b"").decode().partition(PADDING)[0]


@define
class Reader:
    """The one member of a group of its own. It reads a topic from its beginning until it has seen what it is to see."""

    config: Mapping[str, str]
    topic: str
    group: str
    patience: float = 90.0
    """Seconds without anything new after which it sees no more."""
    seen: dict[int, dict[int, str]] = field(factory=lambda: defaultdict(dict))
    """Partition -> offset -> value, in the order in which they came first."""
    committed: dict[int, int] = field(factory=dict)
    """Partition -> the highest offset whose commit was acknowledged."""
    wrong: list[str] = field(factory=list)
    _last: dict[int, int] = field(factory=dict)
    """Partition -> the last offset since it was assigned."""
    _wanted: Collection[str] | None = None
    _new: float = 0.0
    """When something new came last (monotonic seconds)."""
    _thread: threading.Thread | None = None

    def start(self) -> Reader:
        self._thread = threading.Thread(target=self._run, name=f"reader {self.group}")
        self._thread.start()
        return self

    def end(self, wanted: Collection[str]) -> None:
        """Go on until all of these values were seen, or nothing new comes any more; then leave the group."""
        self._new, self._wanted = time.monotonic(), wanted
        assert self._thread is not None
        self._thread.join(4 * self.patience)
        assert not self._thread.is_alive(), "the consumer does not end"

    def read(self, producer: str) -> Mapping[int, Sequence[tuple[int, str]]]:
        """Offset and value of all that it saw of one producer, each offset once, in the order in which they came first."""
        return {
            where: [(offset, value) for offset, value in records.items() if value.startswith(f"{producer}:")]
            for where, records in self.seen.items()
        }

    def ask(self) -> None:
        """Long after the group's member left: what it committed must still be so."""
        consumer = Consumer({**self.config, "group.id": self.group, "log_level": 2})
        try:
            self.told(consumer.committed([TopicPartition(self.topic, where) for where in self.committed], timeout=30))
        finally:
            consumer.close()

    # -- what it is told

    def assigned(self, consumer: Consumer | None, partitions: Sequence[TopicPartition]) -> None:
        """It goes on where its group committed last."""
        for each in partitions:
            self._last.pop(each.partition, None)

    def saw(self, where: int, offset: int, value: str) -> None:
        """A record has come."""
        if offset <= self._last.get(where, -1):
            self.wrong.append(f"offset {offset} of partition {where} ({value}) came after {self._last[where]}")
        if offset < self.committed.get(where, 0):
            self.wrong.append(
                f"offset {offset} of partition {where} came again after {self.committed[where]} was committed"
            )
        self._last[where] = offset
        known = self.seen[where].get(offset)
        if known is None:
            self.seen[where][offset] = value
            self._new = time.monotonic()
        elif known != value:
            self.wrong.append(f"offset {offset} of partition {where} was {known} and is {value}")

    def acknowledged(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """The coordinator has taken a commit; without one there is another soon."""
        for each in partitions:
            if error is None and each.error is None and each.offset >= 0:
                self.committed[each.partition] = max(each.offset, self.committed.get(each.partition, 0))

    def told(self, partitions: Sequence[TopicPartition]) -> None:
        """What the coordinator says that the group has committed."""
        for each in partitions:
            if each.error is None and each.offset < self.committed.get(each.partition, each.offset):
                was = self.committed[each.partition]
                self.wrong.append(f"partition {each.partition} was committed up to {was} and now is to {each.offset}")

    # -- inside

    def _run(self) -> None:
        consumer = Consumer(
            {
                **self.config,
                "group.id": self.group,
                "group.protocol": "consumer",  # with the other one the first member waits for 3 s
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "on_commit": self.acknowledged,
                "fetch.min.bytes": 4096,  # a few fetches a second are enough
                "fetch.wait.max.ms": 200,
                "reconnect.backoff.max.ms": 250,
                "topic.metadata.refresh.interval.ms": 10_000,
                "log_level": 2,
            }
        )
        consumer.subscribe([self.topic], on_assign=self.assigned)
        due = time.monotonic() + COMMITS_EVERY
        try:
            while not self._through():
                for message in consumer.consume(1000, 0.2):
                    if message.error() is None:  # what is told while brokers come and go passes
                        self.saw(message.partition() or 0, message.offset() or 0, value_of(message))
                if time.monotonic() >= due:
                    self._commit(consumer)
                    due = time.monotonic() + COMMITS_EVERY
            self._commit(consumer)
        finally:
            consumer.close()

    def _through(self) -> bool:
        if self._wanted is None:
            return False
        if time.monotonic() - self._new > self.patience:
            return True
        return not set(self._wanted).difference(*(records.values() for records in self.seen.values()))

    def _commit(self, consumer: Consumer) -> None:
        """What is committed is asked, and what was seen since is committed."""
        try:
            self.told(consumer.committed(consumer.assignment(), timeout=2))
            consumer.commit()
        except KafkaException:
            return  # its coordinator is away or there is nothing new: a second later there is another one
