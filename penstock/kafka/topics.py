"""The topics of one cluster, as Kafka itself keeps them: looked at and changed, nothing remembered.

Errors are `KafkaRefused` (an error code of the protocol; 3: no such topic), `AnswerLost` (a change that may or may not have
happened) and `KafkaUnreachable` (nobody answered, nothing happened). No call takes longer than the brokers' deadline, and a
page of a list not longer than a few of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from attrs import evolve

from penstock.kafka import answers, questions
from penstock.kafka.brokers import Brokers
from penstock.kafka.wire import KafkaError, KafkaRefused
from penstock.model.observation import Partition
from penstock.model.topic import Topic

LARGEST_ANSWER = 2000
"""Partitions of one answer at most: Kafka's own limit."""
LARGEST_PAGE = 20_000
"""Partitions after which a page of topics ends early, so that no page takes seconds."""
GUESS = 4
"""Partitions that a topic has, as the first question of a page supposes: asking for too many costs more than asking twice."""
SETTLING = 5.0
"""Seconds for the broker that we ask to see what the controllers have decided. It takes milliseconds, and seconds where it
has just been told to make the fifty partitions of `__consumer_offsets` on a busy disk."""
GLANCE, GAZE = 0.02, 0.25
"""Seconds between the first two looks for it, and between two at most."""


class Topics:
    """The topics of one cluster."""

    def __init__(self, brokers: Brokers) -> None:
        self.brokers = brokers

    def page(self, prefix: str, after: str | None, size: int) -> tuple[list[Topic], bool]:
        """At most `size` topics whose names begin with `prefix`, by name, those after `after`; and whether more follow.

        Kafka sorts and cuts, so a page costs the same whether the cluster has ten topics or ten thousand."""
        start = (f"{after}\0", 0) if after is not None else (prefix, 0) if prefix else None
        limit = min((size + 1) * GUESS, LARGEST_ANSWER)
        found: dict[str, Topic] = {}
        while True:
            some, start = self.brokers.ask(questions.partitions_from((), start, limit), answers.partitions_from)
            for topic in some:
                if not topic.name.startswith(prefix):
                    start = None
                    break
                before = found.get(topic.name)
                found[topic.name] = topic if before is None else _joined(before, topic)
            whole = [topic for name, topic in found.items() if start is None or name != start[0]]
            if start is None or len(whole) > size:
                return whole[:size], len(whole) > size
            if whole and sum(len(topic.partitions) for topic in found.values()) >= LARGEST_PAGE:
                return whole, True
            limit = LARGEST_ANSWER

    def held(self) -> Mapping[int, int]:
        """Number of each broker that holds anything -> how many replicas, leaders and Kafka's own topics among them."""
        every = self.brokers.ask(questions.topics(), answers.topics)
        return Counter(replica for parts in every.values() for part in parts for replica in part.replicas)

    def describe(self, name: str) -> Topic:
        """One topic, whole."""
        return self.brokers.ask(questions.topic(name), answers.topic)

    def partitions(self, name: str, first: int, size: int) -> tuple[tuple[Partition, ...], bool]:
        """At most `size` partitions from index `first` on, and whether more follow."""
        question = questions.partitions_from([name], (name, first), size)
        found, following = self.brokers.ask(question, answers.partitions_from)
        return (found[0].partitions if found else ()), following is not None

    def configs(self, name: str) -> Mapping[str, str]:
        """What was set on the topic itself; the cluster's defaults are not among it."""
        return self.brokers.ask(questions.configs(questions.TOPIC, [name], None), answers.own_configs)

    def create(self, name: str, partitions: int, replicas: int, configs: Mapping[str, str]) -> None:
        """Create a topic; returns when `describe` finds it."""
        order = questions.create_topic(name, partitions, replicas, configs, self.brokers.milliseconds)
        self.brokers.order(order, answers.created)
        self._settle(lambda: self._count(name) == partitions)

    def grow(self, name: str, total: int) -> None:
        """Raise the number of partitions to `total`."""
        order = questions.add_partitions(name, total, self.brokers.milliseconds)
        self.brokers.order(order, answers.grown)
        self._settle(lambda: self._count(name) >= total)

    def configure(self, name: str, values: Mapping[str, str | None], *, dry: bool = False) -> None:
        """Set these properties and leave others as they are; None takes the topic's own value away. `dry`: only check."""
        self.brokers.order(questions.alter_configs(questions.TOPIC, {name: values}, dry=dry), answers.altered)
        if not dry:
            self._settle(lambda: _holds(self.configs(name), values))

    def delete(self, name: str) -> None:
        """Delete a topic with its data."""
        self.brokers.order(questions.delete_topic(name, self.brokers.milliseconds), answers.deleted)
        self._settle(lambda: self._count(name) == 0)

    def close(self) -> None:
        """End all connections."""
        self.brokers.close()

    def _count(self, name: str) -> int:
        """How many partitions the topic has; 0 where there is none of that name."""
        try:
            return len(self.describe(name).partitions)
        except KafkaRefused as refused:
            if refused.code == answers.UNKNOWN_TOPIC:
                return 0
            raise

    def _settle(self, seen: Callable[[], Any]) -> None:
        """Wait a moment until a look shows the change. The controllers have decided: no look can undo that."""
        until, pause = time.monotonic() + SETTLING, GLANCE
        try:
            while not seen() and time.monotonic() < until:
                time.sleep(pause)
                pause = min(2 * pause, GAZE)
        except KafkaError:
            return  # the change is made, and a broker that fails now will be found out by the next call


def _joined(one: Topic, other: Topic) -> Topic:
    return evolve(one, partitions=(*one.partitions, *other.partitions))


def _holds(found: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    return all(_meant(found.get(key)) == _meant(value) for key, value in wanted.items())


def _meant(value: str | None) -> Sequence[Decimal | str] | None:
    """A value without its spelling, of which Kafka shows its own: `0.50` is shown as 0.5, `TRUE` as true, and
    `compact, delete` as compact,delete."""
    return None if value is None else [_item(item.strip().lower()) for item in value.split(",")]


def _item(text: str) -> Decimal | str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text
