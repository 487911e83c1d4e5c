"""What the loop writes down about a rebalance, so that the next pass goes on from it, whoever makes it; and what that tells
of how far it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from penstock.control.cluster.rebalance.words import count, duration, size
from penstock.model.observation import ClusterView, Known
from penstock.model.operation import Work
from penstock.model.rebalance import Facts, Move, PartitionFacts, Remaining


@frozen
class Progress:
    """How far it is. Bytes are those that have to be copied."""

    remaining: Remaining
    total_bytes: int
    """What was left when it began, and what has been found since; at least what is left now."""

    @property
    def done_bytes(self) -> int:
        return self.total_bytes - self.remaining.left_bytes

    @property
    def percent(self) -> int:
        """Rounded down: 100 only when nothing is left."""
        if self.total_bytes:
            return 100 * self.done_bytes // self.total_bytes
        return 0 if self.remaining.partitions else 100

    def seconds_left(self, rate: float) -> float | None:
        """At so many bytes a second for each broker; None where it is zero."""
        return self.remaining.busiest_bytes / rate if rate > 0 else None

    def __str__(self) -> str:
        if not self.remaining.partitions:
            return f"{size(self.done_bytes)} moved, nothing left to move"
        return (
            f"{size(self.done_bytes)} of {size(self.total_bytes)} moved ({self.percent} %), "
            f"{count(self.remaining.partitions, 'partition')} left"
        )


def progress(remaining: Remaining, work: Work) -> Progress:
    """How far it is, by what was written down and what is left.

    What is found to be copied beyond what was left comes on top, so that what is done never becomes less."""
    return Progress(remaining, work.begun_bytes + max(0, remaining.left_bytes - work.left_bytes))


def kept(work: Work, view: ClusterView, ordered: Iterable[Move] = ()) -> Work:
    """The work after this look, and what was `ordered` then. Unchanged where it is not known what is where.

    A topic is written down a pass before it is throttled: whoever finds the throttle after a crash knows whose it is. A move
    is written down after its order: one that a crash came in between passes for somebody else's, and is left alone."""
    match view.balance:
        case Known(balance):
            seen = progress(balance.step.remaining, work)
            return evolve(
                work,
                begun_bytes=seen.total_bytes,
                left_bytes=seen.remaining.left_bytes,
                calm_ms=work.calm_ms if work.calm_ms is not None else view.traffic.calm_ms,
                throttles=tuple(sorted({*work.throttles, *balance.step.topics})),
                moves=tuple(
                    sorted(
                        {str(partition) for partition in own_moves(balance.facts, work)}
                        | {f"{topic}-{index}" for topic, index in (move.key for move in ordered if move.adding)}
                    )
                ),
            )
        case _:
            return work


def own_moves(facts: Facts, work: Work) -> tuple[PartitionFacts, ...]:
    """What is under way because the operation ordered it."""
    return tuple(partition for partition in facts.partitions if partition.adding and str(partition) in work.moves)


def detail(view: ClusterView, work: Work) -> str | None:
    """For the operation's step: `35 % of 2.0 GiB moved, 12 partitions and about 40 s left`. None where it is not known."""
    match view.balance:
        case Known(balance):
            seen = progress(balance.step.remaining, work)
            left = count(seen.remaining.partitions, "partition") if seen.remaining.partitions else ""
            if not seen.total_bytes and not left:
                return ""
            told = f"{seen.percent} % of {size(seen.total_bytes)} moved"
            if not left:
                return told
            seconds = seen.seconds_left(view.traffic.copied or 0.0)
            return f"{told}, {left}{'' if seconds is None else f' and about {duration(seconds)}'} left"
        case _:
            return None
