"""A topic as Kafka's metadata has it."""

from __future__ import annotations

from attrs import frozen

from penstock.model.observation import Partition


@frozen
class Topic:
    """One topic and all of its partitions, by index. `min_isr` of the partitions was not asked for."""

    name: str
    partitions: tuple[Partition, ...]
    internal: bool = False
    """Kafka's own: `__consumer_offsets`, `__transaction_state`, …"""

    @property
    def replication_factor(self) -> int:
        """Replicas of the first partition, as Kafka's own tools count them."""
        return len(self.partitions[0].replicas) if self.partitions else 0

    @property
    def out_of_sync(self) -> int:
        """Replicas, over all partitions, that are not in sync."""
        return sum(len(each.replicas) - len(each.isr) for each in self.partitions)
