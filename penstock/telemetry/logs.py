"""Structured logs of the control plane: one JSON object a line in a file, readable lines on a terminal."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading

import structlog


class Voice:
    """A stream of lines that holds up nobody and never fails: what is not taken at once is dropped, and counted.

    A pipe that nobody reads, a terminal that is held and a full disk must not stop a loop that heals clusters."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lock = threading.Lock()
        self._dropped = 0

    def write(self, text: str) -> int:
        """Whole lines, as loggers give them."""
        with self._lock:
            if self._dropped and self._put(f"\n{self._dropped} lines of this log were lost: they were not taken\n"):
                self._dropped = 0
            if self._dropped or not self._put(text):
                self._dropped += 1
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def _put(self, text: str) -> bool:
        left = text.encode(errors="backslashreplace")
        try:
            while left and self._poll.poll(0):
                taken = os.write(self._descriptor, left[: select.PIPE_BUF])  # so much blocks no more, once it is polled
                left = left[taken:]
        except OSError:
            return False
        return not left


def configure() -> None:
    """Log to standard error from now on; for people when that is a terminal, for machines otherwise."""
    human = sys.stderr.isatty()
    voice = Voice(sys.stderr.fileno())
    logging.basicConfig(
        level=logging.WARNING,
        handlers=[logging.StreamHandler(voice)],
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if human else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(voice),  # type: ignore[arg-type]  # write and flush are all it calls
        cache_logger_on_first_use=True,
    )
