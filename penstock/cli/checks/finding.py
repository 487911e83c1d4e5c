"""A finding: one fact about this machine, what it means, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from attrs import frozen

from penstock.settings import Settings


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Clusters run, with a drawback that is worth knowing."""
    WRONG = "wrong"
    """A cluster could not run here."""


@frozen
class Finding:
    """Invariant: what is not ok has a fix."""

    subject: str
    state: State
    sentence: str
    fix: str = ""


@frozen
class Visit:
    """What a check is given: the settings in force, how thoroughly to look, and how many clusters the home has already."""

    settings: Settings
    deep: bool = False
    clusters: int = 0


Check = Callable[[Visit], Iterable[Finding]]
"""One signature for all of them."""
