"""Levelling: bring loads into a band around shares with the least that must move. For bytes and for leadership alike.

Those above the band give (to the neediest), then those below it are filled (from the fullest). In one plan nobody both
gives and gets, and every transfer, were it the last one, brings giver and getter closer to their shares. So the sum of
squares of what brokers are off their shares falls with each transfer, in whatever order they are carried out: it ends."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from attrs import define, field, frozen

T = TypeVar("T")
NOTHING = 1e-6


@frozen
class Shift(Generic[T]):
    """One item from one broker to another."""

    item: T
    weight: float
    source: int
    target: int


@define
class Levelling(Generic[T]):
    """One levelling under construction. `do` and `undo` are told of each transfer."""

    load: dict[int, float]
    share: Mapping[int, float]
    upper: Mapping[int, float]
    lower: Mapping[int, float]
    items: Mapping[int, Sequence[tuple[float, T]]]
    """What each broker could give, lightest first."""
    may: Callable[[T, int, int], bool]
    """Whether an item may go now. What may not go never may later: nobody both gives and gets, so no place becomes free."""
    do: Callable[[Shift[T]], None]
    undo: Callable[[Shift[T]], None]
    _shifts: list[Shift[T]] = field(factory=list, init=False)
    _lists: dict[int, list[tuple[float, T]]] = field(init=False)
    _count: Counter[int] = field(init=False)
    _mean: float = field(init=False)
    _gave: set[int] = field(factory=set, init=False)
    _got: set[int] = field(factory=set, init=False)
    _open: dict[tuple[int, int], bool] = field(factory=dict, init=False)
    """Giver and getter -> may anything at all go from the one to the other? Mostly not, where racks confine partitions."""

    def __attrs_post_init__(self) -> None:
        self._lists = {number: list(found) for number, found in self.items.items()}
        self._count = Counter({number: len(found) for number, found in self.items.items()})
        self._mean = sum(self.load.values()) / (sum(self._count.values()) or 1)

    def run(self) -> None:
        for source in sorted(self.load, key=lambda n: (self.upper[n] - self.load[n], n)):
            while (need := self.load[source] - self.upper[source]) > NOTHING:
                if not any(self._give(source, self._getters(), need, strict=strict) for strict in (True, False)):
                    break
        for target in sorted(self.load, key=lambda n: (self.load[n] - self.lower[n], n)):
            while target not in self._gave and (need := self.lower[target] - self.load[target]) > NOTHING:
                tries = ((strict, source) for strict in (True, False) for source in self._givers())
                if not any(self._give(source, [target], need, strict=strict, keep=strict) for strict, source in tries):
                    break
        self._prune()

    def _off(self, number: int) -> float:
        return self.load[number] - self.share[number]

    def _getters(self) -> list[int]:
        """Who may get, the neediest first."""
        return sorted((n for n in self.load if n not in self._gave), key=lambda n: (self._off(n), n))

    def _givers(self) -> list[int]:
        """Who may give, the fullest first."""
        return sorted((n for n in self.load if n not in self._got), key=lambda n: (-self._off(n), n))

    def _give(self, source: int, targets: Sequence[int], need: float, *, strict: bool, keep: bool = False) -> bool:
        """Move one item: of fair weight and up to the need, else the lightest above it.

        `strict`: the target stays under its band's upper end. `keep`: the source stays above its band's lower end."""
        if source in self._got:
            return False
        # Any more would not be closer.
        room = {n: self._off(source) - self._off(n) - NOTHING for n in self._open_to(source, targets)}
        if strict:
            room = {n: min(free, self.upper[n] - self.load[n]) for n, free in room.items()}
        most = max(room.values(), default=0.0)
        if keep:
            most = min(most, self.load[source] - self.lower[source])
        own = self._lists.get(source, [])
        for place in self._places(own, most, need, self._fair(source, targets, need)):
            weight, item = own[place]
            for target, free in room.items():
                if weight < free and self.may(item, source, target):
                    del own[place]
                    self._shift(Shift(item, weight, source, target))
                    return True
        return False

    def _open_to(self, source: int, targets: Sequence[int]) -> list[int]:
        others = [target for target in targets if target != source]
        for target in others:
            if (source, target) not in self._open:
                own = self._lists.get(source, [])
                self._open[source, target] = any(self.may(item, source, target) for _, item in own)
        return [target for target in others if self._open[source, target]]

    def _places(self, own: Sequence[tuple[float, T]], most: float, need: float, fair: float) -> Iterator[int]:
        """Places of items up to `most`: first those up to the need, from the fair weight outwards; then the lightest above."""
        end = bisect_right(own, most, key=_weight)
        middle = min(end, bisect_right(own, need, key=_weight))
        above = min(middle, bisect_right(own, fair, key=_weight))
        below = above - 1
        while below >= 0 or above < middle:
            if above >= middle or (below >= 0 and fair - own[below][0] <= own[above][0] - fair):
                yield below
                below -= 1
            else:
                yield above
                above += 1
        yield from range(middle, end)

    def _fair(self, source: int, targets: Sequence[int], need: float) -> float:
        """What an item should weigh so that with the need met the number of items is met too: no few giants, no crowd."""
        spare = self._count[source] - self._number(source)
        if len(targets) == 1:
            spare = self._number(targets[0]) - self._count[targets[0]]
        return need / max(1.0, spare)

    def _number(self, number: int) -> float:
        """How many items a broker would have at its share, were all of mean weight."""
        return self.share[number] / self._mean if self._mean else 0.0

    def _shift(self, shift: Shift[T]) -> None:
        self._load(shift, 1)
        self._gave.add(shift.source)
        self._got.add(shift.target)
        self._shifts.append(shift)
        self.do(shift)

    def _load(self, shift: Shift[T], sign: int) -> None:
        self.load[shift.source] -= sign * shift.weight
        self.load[shift.target] += sign * shift.weight
        self._count[shift.source] -= sign
        self._count[shift.target] += sign

    def _prune(self) -> None:
        """Drop what would bring nobody closer were it the last one. The one that was made last always stays."""
        for shift in list(self._shifts):
            if self._off(shift.source) + shift.weight <= self._off(shift.target) + NOTHING:
                self._load(shift, -1)
                self._shifts.remove(shift)
                self.undo(shift)


def _weight(entry: tuple[float, object]) -> float:
    return entry[0]
