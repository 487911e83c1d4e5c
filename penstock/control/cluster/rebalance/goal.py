"""Where everything should be: needs first (leaving brokers, racks), then bytes, then leadership. Greedy; pure.

Nothing is remembered between calls. What is under way counts as done and is not touched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from attrs import frozen

from penstock.control.cluster.rebalance.assignment import Assignment
from penstock.control.cluster.rebalance.balance import bytes_evenly, leaders_evenly
from penstock.control.cluster.rebalance.needs import empty, racks
from penstock.control.cluster.rebalance.words import brokers, name, size
from penstock.model.rebalance import Aims, Facts, Key, Move, Transfer


@frozen
class Goal:
    """What should change."""

    replicas: Mapping[Key, tuple[int, ...]]
    """Of each partition that should be otherwise: its replicas, preferred leader first."""
    moves: tuple[Move, ...]
    """The same as orders: leadership alone, then what is needed, then what is for balance; big ones first."""
    blocked: tuple[str, ...]
    """Needs that cannot be met now; a sentence each: what, why, what to do."""
    uneven: tuple[str, ...]
    """Brokers that stay off their share all the same; a sentence each."""

    @property
    def copied_bytes(self) -> int:
        """What has to be copied."""
        return sum(move.copied_bytes for move in self.moves)


def goal(facts: Facts, aims: Aims) -> Goal:
    """What should change, from what is."""
    assignment = Assignment(facts, aims)
    blocked = [*empty(assignment), *racks(assignment)]
    needed = {transfer.key for transfer in assignment.transfers}
    uneven = bytes_evenly(assignment)
    leads = leaders_evenly(assignment)
    by_key: defaultdict[Key, list[Transfer]] = defaultdict(list)
    for transfer in assignment.transfers:
        by_key[transfer.key].append(transfer)
    moves = [_move(assignment, key, by_key[key], leads.get(key), key in needed) for key in {**by_key, **leads}]
    moves = [move for move in moves if move is not None]
    ordered = sorted(moves, key=lambda move: (bool(move.adding), not move.needed, -move.size_bytes, move.key))
    return Goal({move.key: move.replicas for move in ordered}, tuple(ordered), tuple(blocked), tuple(uneven))


def _move(assignment: Assignment, key: Key, transfers: list[Transfer], lead: str | None, needed: bool) -> Move:
    partition = assignment.partitions[key]
    before, after = partition.target, tuple(assignment.replicas[key])
    adding = tuple(number for number in after if number not in before)
    removing = tuple(number for number in before if number not in after)
    if adding:
        reasons = list(dict.fromkeys(transfer.why for transfer in transfers))
        why = f"{name(key)} ({size(partition.size_bytes)}) from {brokers(removing)} to {brokers(adding)}: {'; '.join(reasons)}"
    else:
        why = f"leadership of {name(key)} {lead}"
    return Move(key, after, adding, removing, partition.size_bytes, needed, why)
