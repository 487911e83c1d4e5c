"""What a starting broker's own log says of its logs: how many it has read, and at which segment it is.

The words are those of 4.1 and 4.3 (`kafka.log.LogManager`, `LogLoader`). How many segments a log still has is never told,
and no other line counts: a broker that cannot join says something many times a second and gets nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import evolve

from penstock.model.observation import Recovery

_STARTS = re.compile(r"\[BrokerServer id=\d+\] Transition from SHUTDOWN to STARTING")
"""What it says first of all: what comes before is of an earlier run, which may have ended amid its logs."""
METADATA = "__cluster_metadata"
"""The metadata log is read before all others and is not one of them."""
_BEGINS = re.compile(
    r"(?:Recovering|Skipping recovery of) (\d+) logs from .* since (?:no )?clean shutdown file was found"
)
_SEGMENT = re.compile(r"Recovering unflushed segment (\d+)\. \d+(?:/\d+)? recovered for (\S+)\.")
_LOADED = re.compile(r"Completed load of Log\(.*\((\d+)/(\d+) completed in ")
_DONE = re.compile(r"Loaded \d+ logs in \d+ms")


def recovery(lines: Iterable[str], before: Recovery | None = None) -> Recovery | None:
    """How far it is after these lines, which follow on those that led to `before`, or overlap them. None: not at it."""
    at = before
    for line in lines:
        if _STARTS.search(line):
            at = None
        elif found := _BEGINS.search(line):
            at = Recovery(0, int(found[1]))  # a broker's volume is one directory: whatever it read follows
        elif (found := _SEGMENT.search(line)) and not found[2].startswith(METADATA):
            at = evolve(at or Recovery(0, 0), segment=f"{found[2]} from offset {found[1]}")
        elif found := _LOADED.search(line):
            loaded = max(int(found[1]), at.loaded if at else 0)  # threads tell it out of order
            at = Recovery(loaded, int(found[2]), at.segment if at else "")
        elif _DONE.search(line):
            at = None
    return at
