"""Sizes, shares and names in words that people read."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.model.rebalance import Key


def size(count: float) -> str:
    """`512 B`, `3.4 MiB`, `1.2 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h`: as exact as a forecast can be."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"


def name(key: Key) -> str:
    return f"{key[0]}-{key[1]}"


def off(load: float, share: float, of: str = "its share") -> str:
    """`31 % over its share`, `60 % under its share`."""
    if share <= 0:
        return f"over {of}, which is nothing"
    away = round((load / share - 1) * 100)
    return f"{abs(away)} % {'over' if away >= 0 else 'under'} {of}"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def brokers(numbers: Iterable[int]) -> str:
    found = list(numbers)
    return f"broker{'' if len(found) == 1 else 's'} {', '.join(map(str, found))}"


def some(names: Iterable[str], most: int = 3) -> str:
    """The first few of the names, and how many more there are."""
    found = list(names)
    more = len(found) - most
    return ", ".join(found[:most]) + (f" and {more} more" if more > 0 else "")
