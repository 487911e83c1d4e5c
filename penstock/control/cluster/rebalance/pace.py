"""How fast data may move beside producers: a rate that follows what they feel. Pure; the caller keeps the pace between calls.

It begins moderate, halves when they wait too long or replicas fall out of sync, and grows by half while they do not: it finds
what the machine has to spare and gives it back when clients need it. While nobody produces there is no pace: nothing is
limited. Decision 0025 has the numbers and their reasons."""

from __future__ import annotations

from attrs import evolve, frozen

from penstock.model.rebalance import Limits

MIB = 1024**2
PATIENCE = 2.0
"""How many times the undisturbed latency producers may feel."""
EASE = 1.5
"""Below so many times of it there is room for more."""
FLOOR, BEGINNING, UNMEASURED, CEILING = 4.0 * MIB, 8.0 * MIB, 32.0 * MIB, 1024.0 * MIB
"""Bytes a second of each broker: never less, to begin with, at most where it is not known what producers feel, never more
(no disk is that fast)."""
SMALL, SMALL_MOVES, FOR_EACH = 4 * 1024**2, 16, 32.0 * MIB
"""Partitions up to so many bytes cost more by their number: so many at once at most, and one for each so much of the rate."""
UNMEASURED_MOVES = 2
"""So many of them at once where it is not known what producers feel: mostly since there was little to copy, and soon over."""
LITTLE = 64 * 1024**2
"""Bytes left to copy in all: with fewer it is done before it could be measured how long producers wait."""
MARGIN = 1.5
"""How many times what is written to moving partitions the rate is at least: else they would never catch up."""


def gentle(rate: float, *, measured: bool) -> Limits:
    """What goes on at once beside producers, at a pace of so many bytes a second; `measured`: is it known what they feel?

    A follower asks for a MiB of each partition that it is behind in, and what it fetches for producers comes in the same
    answer: with ten of them they wait ten times as long for each. Empty partitions cost too: new connections, logs and
    leaders. Eight of them at once held all producers up for seconds, two for 0.2 s, one by one nobody noticed (six brokers,
    two cores)."""
    small = max(1, min(SMALL_MOVES, int(rate / FOR_EACH))) if measured else UNMEASURED_MOVES
    return Limits(moves=1, small_bytes=SMALL, small_moves=small)


@frozen
class Felt:
    """What was felt since the pace was last changed."""

    latency_ms: float | None = None
    """A high quantile; None where it is not known."""
    calm_ms: float | None = None
    """The same with nothing under way."""
    hurt: bool = False
    """Are replicas out of sync that are not new?"""
    copied: float | None = None
    """Bytes a second that the busiest broker really copied; None where it is not known."""


@frozen
class Pace:
    """Bytes a second that each broker may send for moves; never outside `floor` and `ceiling`."""

    rate: float
    floor: float = FLOOR
    ceiling: float = CEILING

    def over(self, written: float) -> Pace:
        """The same pace with a floor above what producers write to what moves, on the busiest broker, in bytes a second."""
        return evolve(self, floor=min(self.ceiling, max(FLOOR, MARGIN * written)))._at(self.rate)

    def below(self, rate: float) -> Pace:
        """The same pace, or this rate where that is less."""
        return self._at(min(self.rate, rate))

    def steered(self, felt: Felt) -> Pace:
        """The pace after a look. Unchanged between EASE and PATIENCE; moderate where it is not known what producers feel."""
        if felt.hurt:
            return self._halved(felt)
        if felt.latency_ms is None or felt.calm_ms is None:
            return self._at(min(self.rate, UNMEASURED))
        # Below a millisecond a multiple is noise.
        strain = felt.latency_ms / max(1.0, felt.calm_ms)
        if strain > PATIENCE:
            return self._halved(felt)
        if strain < EASE:
            return self._at(self.rate * 1.5)
        return self

    def _halved(self, felt: Felt) -> Pace:
        """Half of what really went: half of a rate that nobody reached would change nothing. A quarter at the least:
        what went may be little because it has just begun."""
        reached = self.rate if felt.copied is None else max(felt.copied, self.rate / 2)
        return self._at(min(self.rate, reached) / 2)

    def _at(self, rate: float) -> Pace:
        return evolve(self, rate=min(self.ceiling, max(self.floor, rate)))
