"""The assignment under construction: where every replica would be, and what each broker would carry.

Only this file changes it. Invariant: no partition loses a replica or a rack, none has two on one broker, and nothing
comes to a broker that leaves or has no room. Room counts what comes and never what goes, so moves need no order."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.model.rebalance import Aims, Facts, Key, Transfer

REPLICA = 1024**2
"""Bytes that a replica weighs beyond its data, so that empty partitions are shared out too."""


class Assignment:
    """Begins as what will be when everything under way has ended."""

    def __init__(self, facts: Facts, aims: Aims) -> None:
        self.aims = aims
        self.rack = {broker.number: broker.rack for broker in facts.brokers}
        self.staying = tuple(sorted(broker.number for broker in facts.brokers if not broker.leaving))
        self.racks = len({self.rack[number] for number in self.staying})
        self.partitions = {p.key: p for p in sorted(facts.partitions, key=lambda p: p.key)}
        self.replicas = {key: list(p.target) for key, p in self.partitions.items()}
        self.fixed = {
            key for key, p in self.partitions.items() if p.moving or any(n not in self.rack for n in p.target)
        }
        """Not to be touched: under way already, or on a broker that is not known."""
        self.load = dict.fromkeys(self.rack, 0)
        """Weight on each broker: bytes, and REPLICA for each replica."""
        self.room = {b.number: int(b.capacity_bytes * aims.full) - b.used_bytes for b in facts.brokers}
        """Bytes that may still come to each broker."""
        there = dict.fromkeys(self.rack, 0)
        for key, partition in self.partitions.items():
            for number in self.replicas[key]:
                if number in self.load:
                    self.load[number] += self.weight(key)
            for number in partition.replicas:
                if number in self.rack:
                    left = partition.left_bytes(number)
                    there[number] += partition.size_bytes - left
                    self.room[number] -= left
        self.brim = {
            b.number: max(0, int(b.capacity_bytes * aims.full) - max(0, b.used_bytes - there[b.number]))
            for b in facts.brokers
        }
        """The weight at which each broker is as full as it may be: its volume without what is no replica."""
        self.transfers: list[Transfer] = []

    def weight(self, key: Key) -> int:
        return self.partitions[key].size_bytes + REPLICA

    def spread(self, numbers: Iterable[int]) -> int:
        """How many racks these brokers are in; a broker that is not known counts as none."""
        return len({self.rack[number] for number in numbers if number in self.rack})

    def most_racks(self, key: Key) -> int:
        """How many racks the partition could be in."""
        return min(len(self.replicas[key]), self.racks)

    def fits(self, key: Key, source: int, target: int) -> bool:
        """May this replica go there? Distinct brokers, room, and no rack lost, neither now nor since it began."""
        now = self.replicas[key]
        if target in now or self.room[target] < self.partitions[key].size_bytes:
            return False
        rack = self.rack
        if rack[source] == rack[target]:
            return True
        others = [rack.get(number) for number in now if number != source]
        return rack[source] in others or rack[target] not in others

    def move(self, key: Key, source: int, target: int, why: str) -> None:
        """Move one replica; it keeps its place in the order of leadership."""
        if not self.fits(key, source, target):
            raise ValueError(f"a replica of {key} cannot go from broker {source} to broker {target}")
        self._put(key, source, target)
        self.room[target] -= self.partitions[key].size_bytes
        self.transfers.append(Transfer(key, source, target, why))

    def undo(self, transfer: Transfer) -> None:
        """Take back a transfer that was made here."""
        self._put(transfer.key, transfer.target, transfer.source)
        self.room[transfer.target] += self.partitions[transfer.key].size_bytes
        self.transfers.remove(transfer)

    def lead(self, key: Key, number: int) -> None:
        """Put one of the replicas first."""
        replicas = self.replicas[key]
        replicas.remove(number)
        replicas.insert(0, number)

    def _put(self, key: Key, source: int, target: int) -> None:
        replicas = self.replicas[key]
        replicas[replicas.index(source)] = target
        self.load[source] -= self.weight(key)
        self.load[target] += self.weight(key)
