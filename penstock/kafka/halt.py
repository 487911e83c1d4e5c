"""Why a node halted that lost its disk, by its own log: Kafka says that it halts, and some lines before what the disk said."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

HALTS = ("Shutdown broker because", "Encountered fatal fault")
"""A broker's last words when its only log directory has failed (LogManager, ReplicaManager); a controller's (FaultHandler)."""
ANSWERS = {number: os.strerror(number) for number in (errno.EIO, errno.EUCLEAN, errno.ENOSPC, errno.EROFS)}
"""What the system answers for a disk; Java's IOException carries the same words."""
FAULTS = (errno.EIO, errno.EUCLEAN)
"""Those that no room and no mount mend: the disk itself is bad, or what lies on it."""


def halt(lines: Sequence[str]) -> str | None:
    """The line that says it and the disk's answer; None where the log does not end so."""
    for at in range(len(lines) - 1, -1, -1):
        if any(words in lines[at] for words in HALTS):
            # A controller's stack comes after that line, a broker's before it.
            told = (line.strip() for line in (*reversed(lines[at:]), *reversed(lines[:at])))
            said = next((line for line in told if any(answer in line for answer in ANSWERS.values())), "")
            halts = lines[at].strip()
            return f"{halts}: {said}" if said and said not in halts else halts
    return None


def spoiled(words: str) -> bool:
    """Do a node's last words tell of a disk that fails?"""
    return any(ANSWERS[number] in words for number in FAULTS)
