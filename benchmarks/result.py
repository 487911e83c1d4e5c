"""One measured number beside what it is compared with, and the goal it was set. Goals are printed, never asserted."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import asdict, frozen


@frozen
class Result:
    """`by_hand` is the other side of the ratio; `goal` is in the unit, `goal_ratio` for ours / by_hand.

    Less is better, but for `least_ratio`: there more is."""

    what: str
    unit: str
    ours: float
    by_hand: float | None = None
    goal: float | None = None
    goal_ratio: float | None = None
    least_ratio: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.by_hand if self.by_hand else None

    @property
    def met(self) -> bool | None:
        """Whether every goal is reached; None where there is none."""
        checks = []
        if self.goal is not None:
            checks.append(self.ours <= self.goal)
        if self.goal_ratio is not None and self.ratio is not None:
            checks.append(self.ratio <= self.goal_ratio)
        if self.least_ratio is not None and self.ratio is not None:
            checks.append(self.ratio >= self.least_ratio)
        return all(checks) if checks else None

    @property
    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "ratio": self.ratio, "met": self.met}

    @property
    def cells(self) -> tuple[str, ...]:
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else ""
        goals = [f"{self.goal:g} {self.unit}".strip()] if self.goal is not None else []
        goals += [f"ratio {self.goal_ratio:g}"] if self.goal_ratio is not None else []
        goals += [f"ratio {self.least_ratio:g} or more"] if self.least_ratio is not None else []
        met = {True: "yes", False: "no", None: ""}[self.met]
        compared = f"{self.by_hand:.3g}" if self.by_hand is not None else ""
        return self.what, f"{self.ours:.3g} {self.unit}".strip(), compared, ratio, ", ".join(goals), met


HEAD = ("measurement", "Penstock", "compared", "ratio", "goal", "met")


def text(results: Sequence[Result], machine: str, at: str) -> str:
    rows = [HEAD, *(result.cells for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"{at}; {machine}", *lines])


def markdown(results: Sequence[Result], machine: str, at: str) -> str:
    lines = [f"Measured {at} on {machine}.", "", f"| {' | '.join(HEAD)} |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(result.cells)} |" for result in results)])
