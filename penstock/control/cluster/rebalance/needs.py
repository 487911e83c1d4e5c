"""Hard duties: brokers that leave are emptied, and every partition is in as many racks as it can be."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.control.cluster.rebalance.assignment import Assignment
from penstock.control.cluster.rebalance.words import name
from penstock.model.rebalance import Key


def empty(assignment: Assignment) -> Sequence[str]:
    """Move everything off the brokers that leave, biggest first, each to the least loaded broker of the best rack.

    Returns a sentence about each partition for which there is no place."""
    blocked = []
    for key in _biggest_first(assignment):
        for source in list(assignment.replicas[key]):
            if source in assignment.staying or source not in assignment.rack:
                continue
            target = _place(assignment, key, source)
            if target is None:
                blocked.append(_nowhere(assignment, key, source))
            else:
                assignment.move(key, source, target, f"broker {source} is leaving")
    return blocked


def racks(assignment: Assignment) -> Sequence[str]:
    """Spread partitions that share a rack without need. Returns a sentence about each that cannot be helped now."""
    blocked = []
    for key in _biggest_first(assignment):
        replicas = assignment.replicas[key]
        while (now := assignment.spread(replicas)) < assignment.most_racks(key):
            crowded = [n for n in replicas if sum(assignment.rack[m] == assignment.rack[n] for m in replicas) > 1]
            # The preferred leader moves last; of the others the one on the fullest broker first.
            sources = sorted(crowded, key=lambda n: (n == replicas[0], -assignment.load[n], n))
            held = {assignment.rack[number] for number in replicas}
            pairs = [
                (source, target)
                for source in sources
                for target in sorted(assignment.staying, key=lambda n: (assignment.load[n], n))
                if assignment.rack[target] not in held and assignment.fits(key, source, target)
            ]
            if not pairs:
                most = assignment.most_racks(key)
                blocked.append(
                    f"{name(key)} stays in {now} of {most} racks: no broker of another rack has room for it;"
                    " enlarge the volumes or delete data"
                )
                break
            assignment.move(key, *pairs[0], f"its replicas share a rack and could be in {now + 1}")
    return blocked


def _biggest_first(assignment: Assignment) -> Sequence[Key]:
    free = (key for key in assignment.replicas if key not in assignment.fixed)
    return sorted(free, key=lambda key: (-assignment.weight(key), key))


def _place(assignment: Assignment, key: Key, source: int) -> int | None:
    replicas = assignment.replicas[key]

    def rank(target: int) -> tuple[int, int, int]:
        after = assignment.spread([target if number == source else number for number in replicas])
        return -after, assignment.load[target], target

    fitting = (target for target in assignment.staying if assignment.fits(key, source, target))
    return min(fitting, key=rank, default=None)


def _nowhere(assignment: Assignment, key: Key, source: int) -> str:
    replicas = assignment.replicas[key]
    others = [number for number in assignment.staying if number not in replicas]
    told = f"{name(key)} cannot leave broker {source}: "
    if not others:
        return told + (
            f"it has {len(replicas)} replicas and {len(assignment.staying)} brokers stay; keep more brokers, or lower"
            " its replication factor"
        )
    if all(assignment.room[number] < assignment.partitions[key].size_bytes for number in others):
        full = round(assignment.aims.full * 100)
        return told + (f"it would fill every other broker's volume past {full} %; enlarge the volumes or delete data")
    return (
        told
        + "no broker with room would keep it in as many racks; keep a broker in the same rack, or enlarge its volume"
    )
