"""A partition of a cluster that is played."""

from __future__ import annotations

from attrs import define

from penstock.model.rebalance import Key, PartitionFacts

MIB = 2**20


@define
class Replicas:
    """A partition, changing. While it moves `replicas` holds the new ones and the old ones, as Kafka's own list does."""

    topic: str
    index: int
    replicas: tuple[int, ...]
    isr: list[int]
    min_isr: int
    leader: int = -1
    size: int = 8 * MIB
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()

    @property
    def key(self) -> Key:
        return self.topic, self.index

    @property
    def facts(self) -> PartitionFacts:
        """As it is now: what is under way, and what that comes from and goes to."""
        return PartitionFacts(
            self.topic,
            self.index,
            self.replicas,
            self.leader,
            tuple(self.isr),
            self.size,
            adding=self.adding,
            removing=self.removing,
        )
