"""Work on images that must not be cut off: each has a thread of its own, and whoever wants it done does not wait for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Lock, Thread

from attrs import define, field

from penstock.compute.base import ComputeError

ATTENDED_SECONDS = 10.0
"""A check and a growth are over within seconds, mostly. A cluster's pass waits so long for them and no longer."""


@define(eq=False)
class Errands:
    """What is being done to images. Invariant: one errand at a time for an image, and nothing here ends it before its time."""

    attended: float = ATTENDED_SECONDS
    """Seconds that are waited for one that has just begun."""
    _begun: dict[Path, Future[None]] = field(factory=dict, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def run(self, image: Path, work: Callable[[], None]) -> None:
        """It is done afterwards. `work` does nothing where all is as it should be: it may be asked for again and again.

        Raises ComputeError: its own where it failed, also an earlier one's whose end nobody waited for; and where it, or an
        earlier one, goes on."""
        errand: Future[None] = Future()
        while (earlier := self._turn(image, errand)) is not errand:
            self._attend(image, earlier, 0.0)
        Thread(target=_do, args=(work, errand), name="penstock-errand", daemon=True).start()
        self._attend(image, errand, self.attended)

    def _turn(self, image: Path, errand: Future[None]) -> Future[None]:
        """Whose turn it is: this one's where there is no other."""
        with self._lock:
            return self._begun.setdefault(image, errand)

    def _attend(self, image: Path, errand: Future[None], seconds: float) -> None:
        try:
            errand.exception(seconds)
        except TimeoutError:
            raise ComputeError(
                f"{image} is still being checked and made larger, which is not to be cut off: it goes on, and the next try "
                "follows by itself"
            ) from None
        with self._lock:
            if self._begun.get(image) is errand:
                del self._begun[image]
        errand.result()


def _do(work: Callable[[], None], errand: Future[None]) -> None:
    try:
        work()
    except Exception as error:
        errand.set_exception(error)
    else:
        errand.set_result(None)
