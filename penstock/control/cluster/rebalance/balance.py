"""Soft duties: bytes spread evenly over brokers, leadership and its traffic too. Levelling with two kinds of items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from penstock.control.cluster.rebalance.assignment import Assignment
from penstock.control.cluster.rebalance.level import Levelling, Shift
from penstock.control.cluster.rebalance.share import shares
from penstock.control.cluster.rebalance.words import off
from penstock.model.rebalance import Key, Transfer


def bytes_evenly(assignment: Assignment) -> Sequence[str]:
    """Move replicas until every broker is near its share. Returns a sentence about each that stays off it.

    Blind to leadership, and partitions that have to move anyway are left out: so what it decides does not change while
    leaders change or needed moves are under way."""
    share = shares(assignment)
    band = assignment.aims.band
    load = {number: float(assignment.load[number]) for number in assignment.staying}
    upper = {number: min(share[number] * (1 + band), assignment.brim[number]) for number in load}
    lower = {number: share[number] * (1 - band) for number in load}
    why = _reasons(load, share, band, "its share")
    needed = {transfer.key for transfer in assignment.transfers}
    crossed: set[Key] = set()
    taken: set[Key] = set()
    made: dict[Shift[Key], Transfer] = {}

    everywhere = {
        key
        for key, replicas in assignment.replicas.items()
        if len(replicas) == assignment.racks == assignment.spread(replicas)
    }
    rack = assignment.rack

    def may(key: Key, source: int, target: int) -> bool:
        # One replica in every rack: none of them can leave its own. Asked first, since it is what nearly always answers.
        # A partition changes racks only alone: then each of its transfers can be taken back by itself.
        if rack[source] != rack[target] and (key in everywhere or key in taken):
            return False
        return key not in crossed and assignment.fits(key, source, target)

    def do(shift: Shift[Key]) -> None:
        assignment.move(shift.item, shift.source, shift.target, why(shift.source, shift.target))
        made[shift] = assignment.transfers[-1]
        taken.add(shift.item)
        if assignment.rack[shift.source] != assignment.rack[shift.target]:
            crossed.add(shift.item)

    items: dict[int, list[tuple[float, Key]]] = {number: [] for number in load}
    for key, replicas in assignment.replicas.items():
        if key in assignment.fixed or key in needed:
            continue
        for number in replicas:
            if number in items:
                items[number].append((float(assignment.weight(key)), key))
    for found in items.values():
        found.sort()
    Levelling(load, share, upper, lower, items, may, do, lambda shift: assignment.undo(made[shift])).run()
    return [
        f"broker {number} stays {off(load[number], share[number])}: no replica that may move would bring it closer"
        for number in load
        if share[number] > 0 and not lower[number] - 1 <= load[number] <= upper[number] + 1
    ]


def leaders_evenly(assignment: Assignment) -> Mapping[Key, str]:
    """Put other replicas first where leadership is uneven; returns why, of each partition that it changed.

    A leader weighs one, or where rates are known half of that and half its share of what producers write. Only replicas
    that are in sync, or that are on their way anyway, are put first."""
    rates = {key: partition.rate or 0.0 for key, partition in assignment.partitions.items()}
    mean = sum(rates.values()) / len(rates) if rates else 0.0
    weights = {key: 0.5 + 0.5 * rate / mean if mean > 0 else 1.0 for key, rate in rates.items()}
    load = dict.fromkeys(assignment.staying, 0.0)
    items: dict[int, list[tuple[float, Key]]] = {number: [] for number in load}
    for key, replicas in assignment.replicas.items():
        if replicas and replicas[0] in load:
            load[replicas[0]] += weights[key]
            if key not in assignment.fixed:
                items[replicas[0]].append((weights[key], key))
    for found in items.values():
        found.sort()
    share = dict.fromkeys(load, sum(load.values()) / len(load) if load else 0.0)
    band = assignment.aims.leader_band
    upper = {number: share[number] * (1 + band) for number in load}
    lower = {number: share[number] * (1 - band) for number in load}
    reason = _reasons(load, share, band, "its share of leadership")
    why: dict[Key, str] = {}

    def may(key: Key, source: int, target: int) -> bool:
        partition = assignment.partitions[key]
        return target in assignment.replicas[key] and (target in partition.isr or target not in partition.replicas)

    def do(shift: Shift[Key]) -> None:
        assignment.lead(shift.item, shift.target)
        why[shift.item] = f"from broker {shift.source} to broker {shift.target}: {reason(shift.source, shift.target)}"

    def undo(shift: Shift[Key]) -> None:
        assignment.lead(shift.item, shift.source)
        del why[shift.item]

    Levelling(load, share, upper, lower, items, may, do, undo).run()
    return why


def _reasons(
    load: Mapping[int, float],
    share: Mapping[int, float],
    band: float,
    of: str,
) -> Callable[[int, int], str]:
    """Why something goes from one broker to another, by what they carry before anything is levelled."""
    before = dict(load)

    def why(source: int, target: int) -> str:
        over = before[source] > share[source] * (1 + band)
        number = source if over or before[target] >= share[target] * (1 - band) else target
        return f"broker {number} is {off(before[number], share[number], of)}"

    return why
