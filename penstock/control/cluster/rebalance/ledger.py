"""What the loop writes down about a rebalance, so that the next pass goes on from it, whoever makes it. Pure."""

from __future__ import annotations

from attrs import evolve

from penstock.control.cluster.rebalance.step import Progress, next_moves
from penstock.control.cluster.rebalance.words import duration, size
from penstock.model.observation import ClusterView, Known
from penstock.model.operation import Work
from penstock.model.rebalance import Aims, Facts, Limits


def kept(work: Work, view: ClusterView) -> Work:
    """The work after this look. Unchanged where it is not known what is where.

    What is found to be copied beyond what was left comes on top, so that what is done never becomes less. A topic is
    written down a pass before it is throttled: whoever finds the throttle after a crash knows whose it is."""
    match view.balance:
        case Known(facts):
            step = next_moves(facts, Limits(), Aims())
            left = step.progress.left_bytes
            return evolve(
                work,
                begun_bytes=work.begun_bytes + max(0, left - work.left_bytes),
                left_bytes=left,
                calm_ms=work.calm_ms if work.calm_ms is not None else view.traffic.calm_ms,
                throttles=tuple(sorted({*work.throttles, *step.topics})),
            )
        case _:
            return work


def progress(facts: Facts, work: Work) -> Progress:
    """How far it is, by what was written down and what is."""
    left = next_moves(facts, Limits(), Aims()).progress
    return evolve(left, total_bytes=work.begun_bytes + max(0, left.left_bytes - work.left_bytes))


def detail(view: ClusterView, work: Work) -> str | None:
    """For the operation's step: `35 % of 2.0 GiB moved, 12 partitions and about 40 s left`. None where it is not known."""
    match view.balance:
        case Known(facts):
            seen = progress(facts, work)
            if not seen.total_bytes and not seen.partitions_left:
                return ""
            told = f"{seen.percent} % of {size(seen.total_bytes)} moved"
            if not seen.partitions_left:
                return told
            seconds = seen.seconds_left(view.traffic.copied or 0.0)
            left = f"{seen.partitions_left} partition{'' if seen.partitions_left == 1 else 's'}"
            return f"{told}, {left}{'' if seconds is None else f' and about {duration(seconds)}'} left"
        case _:
            return None
