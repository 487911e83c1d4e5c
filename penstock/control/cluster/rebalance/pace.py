"""How fast data may move: a rate that follows what producers feel. Pure; the caller keeps the pace between calls.

It halves at once when producers wait too long and grows by a quarter while they do not: it finds what the machine has
to spare and gives it back when clients need it."""

from __future__ import annotations

from attrs import evolve, frozen

PATIENCE = 2.0
"""How many times the undisturbed latency producers may feel."""
EASE = 1.5
"""Below so many times of it there is room for more."""


@frozen
class Pace:
    """Bytes a second that each broker may send, and get, for moves; never outside `floor` and `ceiling`."""

    rate: float
    floor: float
    ceiling: float

    def steered(self, latency_ms: float | None, calm_ms: float | None) -> Pace:
        """The pace after a look at produce latency (a high quantile), beside what it was with nothing under way.

        Unchanged where either is not known; between EASE and PATIENCE as well."""
        if latency_ms is None or calm_ms is None:
            return self
        # Below a millisecond a multiple is noise.
        strain = latency_ms / max(1.0, calm_ms)
        if strain > PATIENCE:
            return self._at(self.rate / 2)
        if strain < EASE:
            return self._at(self.rate * 1.25)
        return self

    def _at(self, rate: float) -> Pace:
        return evolve(self, rate=min(self.ceiling, max(self.floor, rate)))
