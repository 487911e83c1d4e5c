"""How long a rebalance takes to think, and how little it moves: no Kafka, numbers alone."""

from __future__ import annotations

import time
from collections import Counter
from random import Random

from benchmarks.result import Result
from penstock.control.cluster.rebalance.goal import goal
from penstock.control.cluster.rebalance.step import next_moves
from penstock.model.rebalance import Aims, BrokerFacts, Facts, Limits, PartitionFacts

GIB = 2**30
PARTITIONS, BEFORE, AFTER = 3000, 12, 15


def measure() -> list[Result]:
    """Twelve brokers in three zones hold 3,000 partitions of very different sizes; three brokers join."""
    facts = _grown(Random(7))
    began = time.perf_counter()
    next_moves(facts, Limits(), Aims())
    seconds = time.perf_counter() - began
    moved = sum(move.size_bytes * len(move.adding) for move in goal(facts, Aims()).moves)
    return [
        Result(f"plan for {PARTITIONS} partitions over {AFTER} brokers", "s", seconds, goal=1.0),
        Result(
            "… bytes that it moves, against the least that must",
            "GiB",
            moved / GIB,
            _least(facts) / GIB,
            goal_ratio=1.05,
        ),
    ]


def _grown(random: Random) -> Facts:
    rack = {number: f"az{(number - 1) % 3 + 1}" for number in range(1, AFTER + 1)}
    used: Counter[int] = Counter()
    partitions = []
    for index in range(PARTITIONS):
        first = random.randrange(BEFORE)
        placed = tuple((first + turn) % BEFORE + 1 for turn in range(3))  # neighbours are in three zones
        size = int(random.paretovariate(1.2) * GIB / 20)
        partitions.append(PartitionFacts("t", index, placed, placed[0], placed, min(size, 20 * GIB)))
        for number in placed:
            used[number] += partitions[-1].size_bytes
    brokers = [BrokerFacts(number, rack[number], 4096 * GIB, used[number]) for number in rack]
    return Facts(tuple(brokers), tuple(partitions))


def _least(facts: Facts) -> float:
    """Every broker that joined must get its share, less what is good enough."""
    total = sum(broker.used_bytes for broker in facts.brokers)
    return (AFTER - BEFORE) * total / AFTER * (1 - Aims().band)
