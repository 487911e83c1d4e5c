"""Properties that are set at run time, as brokers of the simulated Kafka take them: one order after another, each broker in
its own time, and all that went before at its start. Thread pools grow and shrink by at most twice at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from attrs import define, field

from penstock.kafka.accepted import ACCEPTED
from penstock.kafka.wire import KafkaRefused

SETTING_TAKES = timedelta(seconds=0.5)
"""Until broker 1 has taken what was set for all; broker 2 needs twice as long, and so on."""


@define
class FakeSettings:
    """What each broker has of them; what was never set has Kafka's default."""

    refused: set[str] = field(factory=set)
    """`name=value` of what no broker takes."""
    _orders: list[tuple[datetime, Mapping[str, str]]] = field(factory=list)
    """When each came, and what it sets for all."""
    _taken: dict[int, int] = field(factory=dict)
    """How many of them each broker has taken."""
    _values: dict[int, dict[str, str]] = field(factory=dict)

    def of(self, number: int, name: str) -> str:
        return self._values.get(number, {}).get(name, ACCEPTED[name].default or "")

    @property
    def kept(self) -> Mapping[str, str]:
        """What was ordered last, of each."""
        return {name: value for _, values in self._orders for name, value in values.items()}

    def order(self, values: Mapping[str, str], now: datetime) -> None:
        """Set them for all."""
        if wrong := [f"{name}={value}" for name, value in values.items() if f"{name}={value}" in self.refused]:
            raise KafkaRefused(f"setting {', '.join(wrong)}", 40, "it is refused here")
        self._orders.append((now, dict(values)))

    def started(self, number: int) -> None:
        """The broker registers: it has read all that was ordered."""
        for _, values in self._orders:
            self._values.setdefault(number, {}).update(values)
        self._taken[number] = len(self._orders)

    def tick(self, numbers: Iterable[int], now: datetime) -> None:
        for number in numbers:
            for came, values in self._orders[self._taken.get(number, 0) :]:
                if now >= came + SETTING_TAKES * number:
                    self._take(number, values)

    def _take(self, number: int, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            if ACCEPTED[name].threads:
                present = int(self.of(number, name))
                assert present <= 2 * int(value) <= 4 * present, f"broker {number} cannot go from {present} to {value}"
            self._values.setdefault(number, {})[name] = value
        self._taken[number] = self._taken.get(number, 0) + 1
