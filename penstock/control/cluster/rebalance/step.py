"""The next few moves, decided anew from what is. A restart of the control plane changes nothing: nothing is remembered.

It ends: seen as if everything under way had ended, each move that is started empties a leaving broker further, or spreads
a partition over one more rack, or (these done) brings loads closer to shares, or (bytes done) leadership."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from penstock.control.cluster.rebalance.goal import Goal, goal
from penstock.control.cluster.rebalance.words import brokers, count, some
from penstock.model.rebalance import Aims, Balance, Facts, Limits, Move, PartitionFacts, Remaining, Step


def weighed(facts: Facts, limits: Limits) -> Balance:
    """The facts with what to do about them, to the aims that every rebalance has."""
    return Balance(facts, next_moves(facts, limits, Aims()))


def next_moves(facts: Facts, limits: Limits, aims: Aims) -> Step:
    """The moves to start now."""
    wanted = goal(facts, aims)
    under_way = [partition for partition in facts.partitions if partition.moving]
    foreign = [partition for partition in under_way if is_foreign(facts, partition)]
    known = {broker.number for broker in facts.brokers}
    stalled = [p for p in under_way if p not in foreign and any(number not in known for number in p.adding)]
    waits = _wounds(facts)
    moves: Sequence[Move] = ()
    if not waits:
        moves = _start(wanted, under_way, limits)
        if wanted.moves and not moves:
            waits.append(_full(under_way, limits))
    if foreign:
        waits.append(
            f"{some(map(str, foreign))}: a reassignment that somebody else ordered is under way; it is left alone"
        )
    if stalled:
        waits.append(f"{some(map(str, stalled))}: under way towards a broker that is not there; it is taken back")
    settled = not wanted.moves and not under_way
    waits += [*wanted.blocked, *(wanted.uneven if settled else ())]
    return Step(
        moves=tuple(moves),
        remaining=_remaining(wanted, [p for p in under_way if p not in foreign]),
        waits=tuple(waits),
        foreign=tuple(partition.key for partition in foreign),
        stalled=tuple(partition.key for partition in stalled),
        topics=frozenset(move.key[0] for move in wanted.moves if move.adding)
        | {partition.topic for partition in under_way if partition not in foreign},
        settled=settled,
    )


def is_foreign(facts: Facts, partition: PartitionFacts) -> bool:
    """A reassignment under way that breaks a rule which is never broken here: replication factor, racks, leaving brokers."""
    rack = {broker.number: broker.rack for broker in facts.brokers}
    before = {rack.get(number) for number in partition.origin}
    after = {rack.get(number) for number in partition.target}
    return (
        len(partition.adding) != len(partition.removing)
        or any(number in facts.leaving for number in partition.adding)
        or len(after) < len(before)
    )


def lagging(facts: Facts) -> Mapping[str, Sequence[int]]:
    """Partition -> brokers of replicas that lag for another reason than being new, or being on a broker that leaves."""
    leaving = facts.leaving
    found = {
        str(partition): [n for n in partition.target if n not in (*partition.isr, *partition.adding, *leaving)]
        for partition in facts.partitions
    }
    return {name: numbers for name, numbers in found.items() if numbers}


def _wounds(facts: Facts) -> list[str]:
    """While replicas lag there is no time for more load."""
    behind = lagging(facts)
    if not behind:
        return []
    missing = brokers(sorted({number for numbers in behind.values() for number in numbers}))
    have = "has" if len(behind) == 1 else "have"
    return [
        f"{count(len(behind), 'partition')} ({some(behind)}) {have} replicas out of sync on {missing};"
        " nothing more is moved until they have caught up"
    ]


def _start(wanted: Goal, under_way: Iterable[PartitionFacts], limits: Limits) -> Sequence[Move]:
    moves: Counter[int] = Counter()
    busy: Counter[int] = Counter()
    for partition in under_way:
        for number in (*partition.adding, *partition.removing):
            moves[number] += 1
            busy[number] += partition.size_bytes
    leaderships = [move for move in wanted.moves if not move.adding][: limits.leaderships]
    started = []
    needs_wait = False
    for move in wanted.moves:
        if not move.adding or (needs_wait and not move.needed):
            # For balance only when every need is under way: else a balance made now would be undone by it.
            continue
        parties = (*move.adding, *move.removing)
        if all(_free(moves[n], busy[n] + move.size_bytes, limits) for n in parties):
            started.append(move)
            for number in parties:
                moves[number] += 1
                busy[number] += move.size_bytes
        else:
            needs_wait = needs_wait or move.needed
    return [*leaderships, *started]


def _free(moves: int, size_bytes: int, limits: Limits) -> bool:
    if moves < limits.moves:
        return True
    return bool(limits.moves) and moves < limits.small_moves and size_bytes <= limits.small_bytes


def _full(under_way: Sequence[PartitionFacts], limits: Limits) -> str:
    if not limits.moves:
        return "no move is started now: the limit is zero"
    return f"{count(len(under_way), 'move')} under way, which is as many as may be at once; the next when one has ended"


def _remaining(wanted: Goal, under_way: Iterable[PartitionFacts]) -> Remaining:
    arriving: Counter[int] = Counter()
    partitions = 0
    for partition in under_way:
        partitions += 1
        for number in partition.adding:
            arriving[number] += partition.left_bytes(number)
    for move in wanted.moves:
        partitions += bool(move.adding)
        for number in move.adding:
            arriving[number] += move.size_bytes
    return Remaining(sum(arriving.values()), partitions, max(arriving.values(), default=0))
