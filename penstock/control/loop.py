"""The loop: take the most overdue resource that is free, reconcile it, put it back. Nothing else.

Invariant: at most one pass at a time on a resource; a wake-up during a pass leads to another pass right after it.
The schedule is in memory: a crash is followed by a start that looks at everything."""

from __future__ import annotations

import math
import threading
import time
import zlib
from collections.abc import Callable, Iterable

import structlog
from attrs import define

from penstock.control.reconciler import Reconciler, Verdict

log = structlog.get_logger(__name__)

WORKERS = 16
"""Passes at once. Most of a pass over a cluster that does not answer is waiting, and so many such clusters hold up nobody."""
AFTER_AN_ERROR = 2.0
"""Seconds until the next pass over a resource whose pass raised."""
QUIET = 2.0
"""Seconds. A resource whose next look may wait so long is looked at when its turn comes in a round of that length."""
PASSES_END = 10.0
"""Seconds that passes under way have to end when the loop stops."""


def boot_seconds() -> float:
    """Seconds on a clock that no one can set and that counts while the machine sleeps (where the system has one)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def turn(resource: str, latest: float) -> float:
    """The resource's last turn up to that moment, which is less than a round before it.

    Resources that began together would else be looked at together for ever, and all of them at once hold up the API."""
    mine = zlib.crc32(resource.encode()) / 2**32 * QUIET
    return latest - (latest - mine) % QUIET


@define
class _Entry:
    due: float
    """Boot seconds; what has waited longest is looked at first, whoever is woken how often."""
    woken: bool = True
    busy: bool = False


class Loop:
    """Worker threads over a schedule of resources."""

    def __init__(
        self,
        reconciler: Reconciler,
        workers: int = WORKERS,
        observe: Callable[[float], None] | None = None,
        gone: Callable[[str], None] | None = None,
    ) -> None:
        """`observe` hears how long each pass took, `gone` which resource will not be looked at again."""
        self._reconciler = reconciler
        self._entries: dict[str, _Entry] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._minded = math.inf
        """When the next worker that waits looks up by itself, in boot seconds."""
        self._observe = observe
        self._gone = gone
        self._threads = [threading.Thread(target=self._work, name=f"loop-{n}", daemon=True) for n in range(workers)]

    def start(self, resources: Iterable[str]) -> None:
        """Begin with a look at every resource."""
        for resource in resources:
            self.wake(resource)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the passes under way and end; those that take longer than PASSES_END are left to themselves."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        end = time.monotonic() + PASSES_END
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=max(0.0, end - time.monotonic()))

    def wake(self, resource: str) -> None:
        """Look at the resource as soon as possible. Any thread; carries nothing but the name."""
        with self._changed:
            now = boot_seconds()
            entry = self._entries.setdefault(resource, _Entry(due=now))
            entry.due, entry.woken = min(entry.due, now), True
            self._changed.notify()

    def size(self) -> int:
        """How many resources are scheduled."""
        with self._changed:
            return len(self._entries)

    def _work(self) -> None:
        while (claimed := self._claim()) is not None:
            resource, woken = claimed
            began = time.perf_counter()
            try:
                verdict = self._reconciler.reconcile(resource, woken=woken)
            except Exception:  # a pass must not take its thread along; the next pass is the retry
                log.exception("a pass raised", resource=resource)
                verdict = Verdict(AFTER_AN_ERROR)
            if self._observe is not None:
                self._observe(time.perf_counter() - began)
            self._put_back(resource, verdict)

    def _claim(self) -> tuple[str, bool] | None:
        with self._changed:
            while not self._stopping:
                free = ((entry.due, name) for name, entry in self._entries.items() if not entry.busy)
                due, name = min(free, default=(math.inf, ""))
                now = boot_seconds()
                if due <= now:
                    entry = self._entries[name]
                    woken = entry.woken
                    entry.busy, entry.woken, entry.due = True, False, math.inf
                    self._changed.notify()  # somebody else minds what is next
                    return name, woken
                self._wait(due, now)
            return None

    def _wait(self, due: float, now: float) -> None:
        """Wait for a change. Of those who wait one minds the clock: if all did, each look would wake them all."""
        if due >= self._minded:
            self._changed.wait()
            return
        self._minded = due
        self._changed.wait(due - now)
        if self._minded == due:
            self._minded = math.inf

    def _put_back(self, resource: str, verdict: Verdict) -> None:
        with self._changed:
            entry = self._entries[resource]
            entry.busy = False
            if verdict.next_in is None and not entry.woken:
                del self._entries[resource]
                try:
                    self._reconciler.forget(resource)
                    if self._gone is not None:
                        self._gone(resource)
                except Exception:  # what could not be closed must not take the thread along
                    log.exception("forgetting raised", resource=resource)
            elif not entry.woken:
                latest = boot_seconds() + (verdict.next_in or 0.0)
                entry.due = turn(resource, latest) if (verdict.next_in or 0.0) >= QUIET else latest
            # This worker looks for what is due next by itself.
