"""The topics of a cluster in memory: the face of `kafka.topics.Topics`, with Kafka's own error codes and a way to break it."""

from __future__ import annotations

from collections import Counter

from attrs import define, evolve, field

from penstock.kafka.wire import KafkaRefused
from penstock.model.observation import Partition
from penstock.model.topic import Topic

KNOWN = {"retention.ms", "min.insync.replicas", "cleanup.policy"}


@define
class MemoryTopics:
    """Three brokers' worth of topics. `broken`: what every call raises; `asked`: the calls that came, by name."""

    topics: dict[str, Topic] = field(factory=dict)
    settings: dict[str, dict[str, str]] = field(factory=dict)
    broken: Exception | None = None
    asked: list[str] = field(factory=list)

    def have(self, name, partitions=1, replicas=3, *, internal=False):
        """A topic that is there already."""
        parts = tuple(Partition(name, n, 1, tuple(range(1, replicas + 1)), (1,)) for n in range(partitions))
        self.topics[name] = Topic(name, parts, internal)

    def page(self, prefix, after, size):
        self._note("page")
        names = sorted(name for name in self.topics if name.startswith(prefix) and (after is None or name > after))
        return [self.topics[name] for name in names[:size]], len(names) > size

    def held(self):
        self._note("held")
        return Counter(
            replica for topic in self.topics.values() for part in topic.partitions for replica in part.replicas
        )

    def describe(self, name):
        self._note("describe")
        return self._topic(name)

    def partitions(self, name, first, size):
        self._note("partitions")
        found = self._topic(name).partitions
        return found[first : first + size], len(found) > first + size

    def configs(self, name):
        self._note("configs")
        self._topic(name)
        return self.settings.get(name, {})

    def create(self, name, partitions, replicas, configs):
        self._note("create")
        if name in self.topics:
            raise KafkaRefused(f"creating topic {name}", 36)
        self._check(configs)
        self.have(name, partitions, replicas)
        self.settings[name] = dict(configs)

    def grow(self, name, total):
        self._note("grow")
        replicas = self._topic(name).replication_factor
        self.have(name, total, replicas)

    def configure(self, name, values, *, dry=False):
        self._note("check" if dry else "configure")
        self._check(values)
        if not dry:
            kept = {**self.settings.get(name, {}), **values}
            self.settings[name] = {key: value for key, value in kept.items() if value is not None}

    def delete(self, name):
        self._note("delete")
        self._topic(name)
        del self.topics[name]

    def lose(self, name, index):
        """The partition has no leader any more."""
        parts = list(self.topics[name].partitions)
        parts[index] = evolve(parts[index], leader=-1)
        self.topics[name] = evolve(self.topics[name], partitions=tuple(parts))

    def _note(self, call):
        self.asked.append(call)
        if self.broken is not None:
            raise self.broken

    def _topic(self, name):
        if name not in self.topics:
            raise KafkaRefused(f"reading topic {name}", 3)
        return self.topics[name]

    def _check(self, values):
        for key in values:
            if key not in KNOWN:
                raise KafkaRefused("changing settings", 40, f"Unknown topic config name: {key}")
