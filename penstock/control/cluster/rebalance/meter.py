"""What is measured from look to look while a rebalance goes on: how fast it copies, who writes, how long producers wait.

No clock and no I/O: each look is given with its moment. All of it may be lost at any time: then it is measured anew, from
the limits that brokers have, and what was calm comes from what the loop wrote down."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from attrs import define, field, frozen

from penstock.control.cluster.rebalance.pace import BEGINNING, Felt, Pace
from penstock.control.cluster.rebalance.step import lagging
from penstock.model.rebalance import Facts, Key, Throttled, Traffic

WINDOW = timedelta(seconds=10)
"""Over so long a time rates are taken."""
PAUSE = timedelta(seconds=15)
"""After a pause between looks as long as this nothing is concluded from what was before it."""
SILENCE = timedelta(seconds=1)
"""Before so long was watched nobody is said to be silent: looks may be nearer to each other than a producer's records."""
RECOVERS, SLOWED_AFTER, STEERED_EVERY = timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=10)
"""What producers feel right after a change says nothing, and what they feel later needs records: so it is changed seldom,
soonest where they wait too long."""
REMEMBERED, SHORT_OF_IT = timedelta(seconds=60), 0.75
"""For so long the rate stays by so much below the one that hurt last: else it would go up and down all the time."""
CALM_AFTER, CALM_WITHIN = timedelta(seconds=3), timedelta(seconds=15)
"""How long it is measured, at least and at most, what is calm; and which partitions are written to how much."""
CALM_RECORDS, FELT_RECORDS = 24, 12
"""So many records are enough to tell how long producers wait: while nothing moves, and while something does."""
HIGH = 0.95
"""The quantile of latency that counts: with so few records a higher one would be the luck of one of them."""


@frozen
class Glimpse:
    """What one look brought in, beside the facts."""

    limits: Mapping[int, int | None]
    throttled: Mapping[str, Throttled]
    canary: bool = False
    """Is the canary's topic there?"""
    records: Sequence[float] = ()
    """Milliseconds that each record of the canary took."""
    trouble: str = ""
    """Why there are none."""


@frozen
class _Look:
    at: datetime
    sizes: Mapping[Key, int]
    arrived: Mapping[tuple[Key, int], int]
    """Partition and broker of each new replica -> bytes that it has."""
    copied: Mapping[int, int]
    """Broker -> bytes that it got for new replicas since the first look."""


@define
class Meter:
    """The measurements of one operation."""

    operation: str
    """Its id."""
    rates: Mapping[Key, float] = field(factory=dict)
    """Partition -> bytes a second that producers write. Measured once, before anything moves, and then kept: a plan that
    followed each fluctuation would never end."""
    _began: datetime | None = None
    _looks: deque[_Look] = field(factory=deque)
    _calm: list[float] = field(factory=list)
    _calm_ms: float | None = None
    _warm: bool = False
    _felt: list[float] = field(factory=list)
    """Since the rate was last steered."""
    _latency_ms: float | None = None
    """What it was steered by then."""
    _unmeasured: str = ""
    _pace: Pace | None = None
    _writing: bool | None = None
    _steered: datetime | None = None
    _hurt: tuple[datetime, float] | None = None
    """When it was lowered last, and from which rate."""

    def look(self, facts: Facts, seen: Glimpse, calm_ms: float | None, now: datetime) -> Traffic:
        """One more look. `calm_ms`: what was written down of an earlier measurement."""
        moving = facts.copying
        if self._looks and now - self._looks[-1].at > PAUSE:
            self._looks.clear()
            self._felt.clear()
        self._looks.append(_look(facts, self._looks[-1] if self._looks else None, now))
        while len(self._looks) > 2 and now - self._looks[1].at >= WINDOW:
            self._looks.popleft()
        if self._began is None:
            self._began, self._calm_ms = now, calm_ms
            if moving and self._calm_ms is None:
                self._unmeasured = "replicas moved already when it was first looked at, so what is calm is not known"
        self._measure(seen, now - self._began, moving)
        self._steer(facts, seen, now, moving)
        return Traffic(
            limits=seen.limits,
            throttled=seen.throttled,
            rate=int(self._pace.rate) if self._pace else None,
            writing=self._writing,
            copied=self._copied(),
            canary=seen.canary,
            calm_ms=self._calm_ms,
            latency_ms=self._latency_ms if moving else None,
            unmeasured=self._unmeasured,
        )

    def _measure(self, seen: Glimpse, elapsed: timedelta, moving: bool) -> None:
        if not self.rates and elapsed >= CALM_AFTER and len(self._looks) > 1:
            self.rates = self._written()
        if moving:
            self._felt.extend(seen.records)
        elif self._warm:  # the first records of a connection pay for its beginning
            self._calm.extend(seen.records)
        self._warm = self._warm or bool(seen.records)
        if self._calm_ms is not None or self._unmeasured:
            return
        if len(self._calm) >= CALM_RECORDS and elapsed >= CALM_AFTER:
            self._calm_ms = quantile(self._calm)
        elif elapsed >= CALM_WITHIN:
            why = seen.trouble or "too few of its records were acknowledged"
            self._unmeasured = f"the canary did not tell how long producers wait: {why}"

    def _steer(self, facts: Facts, seen: Glimpse, now: datetime, moving: bool) -> None:
        written, hurt = self._written(), bool(lagging(facts))
        # Records that brokers keep for themselves say nothing about clients.
        self._writing = any(rate for (topic, _), rate in written.items() if topic[:2] != "__")
        if not self._writing and now - self._looks[0].at < SILENCE:
            self._writing = None
        if self._writing is False and not hurt:
            self._pace = self._steered = None  # nobody waits for anything
            return
        if self._pace is None:
            present = [rate for rate in seen.limits.values() if rate] if moving else []
            # What is there was set by an earlier control plane: it came so far.
            self._pace = Pace(float(min(present)) if present else BEGINNING)
        if not moving or self._steered is None:
            self._steered = now if moving else None
            self._felt.clear()
        elif now - self._steered < RECOVERS:
            self._felt.clear()
        elif now - self._steered >= SLOWED_AFTER:
            self._latency_ms = quantile(self._felt) if len(self._felt) >= FELT_RECORDS else None
            steered = self._pace.steered(Felt(self._latency_ms, self._calm_ms, hurt, self._copied()))
            if steered.rate < self._pace.rate:
                self._hurt = now, self._pace.rate
            elif self._hurt is not None and now - self._hurt[0] < REMEMBERED:
                steered = max(self._pace, steered.below(SHORT_OF_IT * self._hurt[1]), key=lambda pace: pace.rate)
            if steered.rate < self._pace.rate or now - self._steered >= STEERED_EVERY:
                self._pace, self._steered = steered, now
                self._felt.clear()
        self._pace = self._pace.over(_busiest(facts, written))

    def _written(self) -> Mapping[Key, float]:
        """Partition -> bytes a second, over the last looks; what is deleted does not count."""
        if len(self._looks) < 2:
            return {}
        first, last = self._looks[0], self._looks[-1]
        seconds = (last.at - first.at).total_seconds()
        if seconds <= 0:
            return {}
        return {key: max(0, size - first.sizes.get(key, size)) / seconds for key, size in last.sizes.items()}

    def _copied(self) -> float | None:
        if len(self._looks) < 2:
            return None
        first, last = self._looks[0], self._looks[-1]
        seconds = (last.at - first.at).total_seconds()
        most = max((got - first.copied.get(number, 0) for number, got in last.copied.items()), default=0)
        return most / seconds if seconds > 0 else None


def quantile(found: Sequence[float]) -> float:
    """The high one that counts, of at least one."""
    return sorted(found)[min(len(found) - 1, int(HIGH * len(found)))]


def _look(facts: Facts, before: _Look | None, now: datetime) -> _Look:
    partitions = {partition.key: partition for partition in facts.partitions}
    sizes = {key: partition.size_bytes for key, partition in partitions.items()}
    arrived = {(key, n): p.arrived.get(n, 0) for key, p in partitions.items() for n in p.adding}
    copied = dict(before.copied) if before else {}
    had = before.arrived if before else arrived
    for key, number in {**had, **arrived}:
        partition = partitions.get(key)
        if partition is None or number not in partition.replicas:
            continue  # it was taken back, or its topic deleted
        has = arrived.get((key, number), partition.size_bytes)  # one that is new no more has all
        copied[number] = copied.get(number, 0) + max(0, has - had.get((key, number), 0))
    return _Look(now, sizes, arrived, copied)


def _busiest(facts: Facts, written: Mapping[Key, float]) -> float:
    """Bytes a second that producers write to partitions on the move, as the broker has it that sends or gets most."""
    sent: dict[int, float] = {}
    got: dict[int, float] = {}
    for partition in facts.partitions:
        for number in partition.adding:
            rate = written.get(partition.key, 0.0)
            got[number] = got.get(number, 0.0) + rate
            sent[partition.leader] = sent.get(partition.leader, 0.0) + rate
    return max([0.0, *sent.values(), *got.values()])
