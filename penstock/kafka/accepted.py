"""The server properties that a configuration may hold, and what Kafka makes of their values: a typed reading of
`accepted.toml`. Pure: no network, no clock."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from attrs import frozen

from penstock.kafka import advertised

Release = tuple[int, int]
"""A line of Kafka, `(4, 3)`; patches change no setting."""


class Kind(StrEnum):
    """How a value is read: the types of Kafka's ConfigDef that occur here, and one of MSK's own."""

    BOOLEAN = "boolean"
    INT = "int"
    LONG = "long"
    SHORT = "short"
    DOUBLE = "double"
    STRING = "string"
    LIST = "list"
    NAMES = "names"
    """Of listeners (`advertised.py`)."""


class Applies(StrEnum):
    """When a change of a property takes effect."""

    RESTART = "no"
    """Kafka refuses it at run time (DescribeConfigs: read_only)."""
    CLUSTER = "cluster"
    """At run time, as the default of all brokers."""


class WrongValue(ValueError):
    """Kafka, or MSK, does not take the value. A sentence without the key."""


_BITS = MappingProxyType({Kind.SHORT: 16, Kind.INT: 32, Kind.LONG: 64})
_WHOLE = re.compile(r"[+-]?[0-9]+")
# Of what Double.parseDouble takes: decimal numbers and the suffix of a Java literal. Hexadecimal floats nobody writes.
_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[fFdD]?")
_SPACES = "".join(map(chr, range(0x21)))
"""What Java's `trim` takes away."""


@frozen
class Property:
    """One accepted property. What each field means stands at the head of `accepted.toml`."""

    name: str
    kind: Kind
    applies: Applies
    least: float | None = None
    most: float | None = None
    never: tuple[int, ...] = ()
    allowed: tuple[str, ...] = ()
    threads: bool = False
    controllers: bool = False
    default: str | None = None
    until: Release | None = None
    becomes: tuple[str, ...] = ()

    def known_to(self, release: Release) -> bool:
        """Does a Kafka of that line know this property?"""
        return self.until is None or release < self.until

    def normal(self, text: str) -> str:
        """The value as Kafka reads it, in one form for all spellings of it. Raises WrongValue."""
        trimmed = text.strip(_SPACES)
        match self.kind:
            case Kind.BOOLEAN:
                if trimmed.lower() not in ("true", "false"):
                    raise WrongValue(f"{text!r} is neither true nor false.")
                return trimmed.lower()
            case Kind.STRING:
                return self._listed(trimmed, text)
            case Kind.LIST:
                items = re.split(r"\s*,\s*", trimmed) if trimmed else []
                if not items:
                    raise WrongValue(f"is empty; name one or more of {', '.join(self.allowed)}.")
                return ",".join(dict.fromkeys(self._listed(item, text) for item in items))
            case Kind.DOUBLE:
                return self._double(trimmed, text)
            case Kind.NAMES:
                try:
                    return ",".join(map(str, advertised.read(trimmed)))
                except ValueError as wrong:
                    raise WrongValue(str(wrong)) from wrong
            case _:
                return self._whole(trimmed, text)

    def _listed(self, item: str, text: str) -> str:
        if item not in self.allowed:
            raise WrongValue(f"{text!r} is not allowed; allowed are {', '.join(self.allowed)}.")
        return item

    def _double(self, trimmed: str, text: str) -> str:
        match = _NUMBER.fullmatch(trimmed)
        number = float(match[1]) if match else math.nan
        if not math.isfinite(number):
            raise WrongValue(f"{text!r} is not a number.")
        self._in_range(number, text)
        return repr(number)

    def _whole(self, trimmed: str, text: str) -> str:
        # Python reads no number of thousands of digits, and Kafka none of more than nineteen.
        if not _WHOLE.fullmatch(trimmed) or len(trimmed) > 100:
            raise WrongValue(f"{_short(text)} is not a whole number.")
        number, half = int(trimmed), 1 << (_BITS[self.kind] - 1)
        if not -half <= number < half:
            raise WrongValue(f"{_short(text)} does not fit Kafka's type {self.kind}, which is {-half} to {half - 1}.")
        self._in_range(number, text)
        return str(number)

    def _in_range(self, number: float, text: str) -> None:
        low, high = self.least, self.most
        if (low is None or number >= low) and (high is None or number <= high) and number not in self.never:
            return
        rule = {
            (True, True): f"must be from {low} to {high}",
            (True, False): f"must be at least {low}",
            (False, True): f"must be at most {high}",
            (False, False): "may be any number",
        }[(low is not None, high is not None)]
        never = f" but not {' or '.join(map(str, self.never))}" if self.never else ""
        raise WrongValue(f"{rule}{never}; {_short(text)} is not.")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def release_of(version: str) -> Release:
    """The line of a version as MSK or Kafka names it: `4.3.x.kraft` and `4.3.1` are (4, 3)."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def read(text: str) -> Mapping[str, Property]:
    """The table in the given TOML text. ValueError, KeyError or TypeError where a row is none."""
    return MappingProxyType({name: _row(name, row) for name, row in tomllib.loads(text).items()})


def _row(name: str, row: Mapping[str, Any]) -> Property:
    facts = dict(row)
    kind, applies = Kind(facts.pop("type")), Applies(facts.pop("dynamic"))
    for listed in ("never", "allowed", "becomes"):
        facts[listed] = tuple(facts.get(listed, ()))
    if "until" in facts:
        facts["until"] = release_of(facts["until"])
    return Property(name=name, kind=kind, applies=applies, **facts)


ACCEPTED: Mapping[str, Property] = read(files(__package__).joinpath("accepted.toml").read_text(encoding="utf-8"))
"""Every accepted property by its name."""
