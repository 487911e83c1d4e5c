"""What each broker that stays should carry, and the least that must move for it.

A rack's share follows its number of brokers, within what its partitions allow: with as many replicas as racks each rack
has one of each, whatever its size. Inside a rack shares are equal. No share is above what a broker may hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from typing import TypeVar

from attrs import frozen

from penstock.control.cluster.rebalance.assignment import Assignment
from penstock.model.rebalance import Aims, Facts

K = TypeVar("K", bound=Hashable)


@frozen
class Bound:
    """How much of a total one may get, and how much of it at equal treatment."""

    low: float
    high: float
    weight: float


def spread(total: float, bounds: Mapping[K, Bound]) -> Mapping[K, float]:
    """The total in parts proportional to `weight`, each within its bounds; where these leave no way, the nearest bounds."""

    def parts(level: float) -> dict[K, float]:
        return {name: min(max(level * b.weight, b.low), b.high) for name, b in bounds.items()}

    low, high = 0.0, max((max(b.low, min(b.high, total)) / b.weight for b in bounds.values()), default=0.0)
    for _ in range(100):
        middle = (low + high) / 2
        if sum(parts(middle).values()) < total:
            low = middle
        else:
            high = middle
    return parts(high)


def shares(assignment: Assignment) -> Mapping[int, float]:
    """Broker -> the weight that it should carry of what lies on those that stay."""
    members: dict[str, list[int]] = {}
    for number in assignment.staying:
        members.setdefault(assignment.rack[number], []).append(number)
    least: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for key, replicas in assignment.replicas.items():
        # Past one in each rack replicas may gather; up to that each rack has at most one.
        spare = max(0, len(replicas) - len(members))
        for rack, numbers in members.items():
            least[rack] += assignment.weight(key) if len(replicas) >= len(members) else 0
            most[rack] += assignment.weight(key) * min(len(numbers), 1 + spare)
    brim = {rack: sum(assignment.brim[n] for n in numbers) for rack, numbers in members.items()}
    total = sum(assignment.load[number] for number in assignment.staying)
    racks = {
        rack: Bound(min(least[rack], brim[rack]), min(most[rack], brim[rack]), len(numbers))
        for rack, numbers in members.items()
    }
    found: dict[int, float] = {}
    for rack, part in spread(total, racks).items():
        found.update(spread(part, {n: Bound(0, assignment.brim[n], 1) for n in members[rack]}))
    return found


def least_bytes(facts: Facts, aims: Aims) -> float:
    """A lower bound of what must be copied until every broker is within its band, whatever plan is made.

    Counts data and what a replica weighs beyond it. Exact only if partitions could be cut at will; ignores leaving brokers."""
    assignment = Assignment(facts, aims)
    share = shares(assignment)
    confined = all(len(replicas) == assignment.racks for replicas in assignment.replicas.values())
    over: defaultdict[str, float] = defaultdict(float)
    under: defaultdict[str, float] = defaultdict(float)
    for number, wanted in share.items():
        group = assignment.rack[number] if confined else ""
        over[group] += max(0.0, assignment.load[number] - wanted * (1 + aims.band))
        under[group] += max(0.0, wanted * (1 - aims.band) - assignment.load[number])
    return sum(max(over[group], under[group]) for group in over)
