"""What the loop runs: one pass over one resource, and what it says about the next one."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen


@frozen
class Verdict:
    """The outcome of a pass: when to look again (seconds; None: the resource is gone), and the pass in one sentence."""

    next_in: float | None
    sentence: str = ""


class Reconciler(Protocol):
    """A root object's own pass. Takes a name and nothing else: what happened is read from the world each time."""

    def reconcile(self, resource: str, *, woken: bool) -> Verdict:
        """One pass. `woken`: something happened, so look deeper than usual."""

    def forget(self, resource: str) -> None:
        """The resource is gone: drop what was remembered for speed."""
