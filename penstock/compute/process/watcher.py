"""The watcher: wakes the loop when a node's process ends or its ready line appears, and replaces keepers that died."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from collections.abc import Callable
from logging import getLogger
from pathlib import Path
from threading import Lock, Thread
from typing import TypeVar

from attrs import define, field, frozen

from penstock.compute.base import ComputeError
from penstock.compute.process import process
from penstock.compute.process.home import Place
from penstock.compute.process.launch import Launcher
from penstock.compute.process.run import Run, Witness
from penstock.model.ids import ClusterId

IN_MODIFY, IN_CLOEXEC, IN_NONBLOCK = 0x2, 0o2000000, 0o4000
_EVENT = struct.Struct("iIII")
KEEPER_PAUSE_SECONDS = 5.0
"""Between two keepers for the same run: a keeper that cannot live here must not become a loop."""
_log = getLogger(__name__)
T = TypeVar("T")


class Changes:
    """inotify, as far as it is needed: which files were written to."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._checked(self._libc.inotify_init1(IN_CLOEXEC | IN_NONBLOCK))

    def add(self, path: Path) -> int:
        """From now on writes to the file are told, under the returned number. Raises OSError."""
        return self._checked(self._libc.inotify_add_watch(self.fd, os.fsencode(path), IN_MODIFY))

    def drop(self, number: int) -> None:
        self._libc.inotify_rm_watch(self.fd, number)

    def read(self) -> set[int]:
        """Numbers of the files written to since the last call."""
        try:
            events = os.read(self.fd, 65536)
        except BlockingIOError:
            return set()
        found, at = set(), 0
        while at < len(events):
            number, _, _, length = _EVENT.unpack_from(events, at)
            found.add(number)
            at += _EVENT.size + length
        return found

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result


@define(eq=False)
class Reading:
    """A log in which the ready line of a run is looked for; only bytes that are new are read."""

    place: Place
    line: bytes
    position: int
    rest: bytes = b""

    def found(self) -> bool:
        with self.place.log.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self.position:
                self.position = 0  # rotated
            file.seek(self.position)
            while block := file.read(1 << 20):
                self.position += len(block)
                text = self.rest + block
                if self.line in text:
                    return True
                self.rest = text[-(len(self.line) - 1) :] if len(self.line) > 1 else b""
        return False


@frozen
class Subject:
    """Behind a pidfd: a node's process, or its keeper."""

    place: Place
    run: Run
    keeper: bool


@define(eq=False)
class Watcher:
    """One thread that sleeps in epoll. Invariant: it changes nothing but dead keepers; a lost event costs a period and no more."""

    witness: Witness
    launcher: Launcher
    wake: Callable[[ClusterId], None]
    _epoll: select.epoll = field(factory=select.epoll, init=False)
    _changes: Changes = field(factory=Changes, init=False)
    _bell: int = field(factory=lambda: os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK), init=False)
    _lock: Lock = field(factory=Lock, init=False)
    _subjects: dict[int, Subject] = field(factory=dict, init=False)
    _readings: dict[int, Reading] = field(factory=dict, init=False)
    _new: list[Place] = field(factory=list, init=False)
    _later: dict[Place, float] = field(factory=dict, init=False)
    _replaced: dict[str, float] = field(factory=dict, init=False)
    _stopping: bool = field(default=False, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def start(self) -> None:
        self._epoll.register(self._bell, select.EPOLLIN)
        self._epoll.register(self._changes.fd, select.EPOLLIN)
        self._thread = Thread(target=self._watch, name="penstock-watcher", daemon=True)
        self._thread.start()

    def add(self, place: Place) -> None:
        """A node that runs or was just started; from any thread."""
        with self._lock:
            self._new.append(place)
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        self._stopping = True
        os.eventfd_write(self._bell, 1)
        if self._thread is not None:
            self._thread.join()
        for fd in (*self._subjects, self._changes.fd, self._bell):
            os.close(fd)
        self._epoll.close()

    def _watch(self) -> None:
        while not self._stopping:
            pause = max(0.0, min(self._later.values()) - time.monotonic()) if self._later else None
            for fd, _ in self._epoll.poll(pause):
                self._guarded(self._event, fd)
            now = time.monotonic()
            for place in [place for place, due in self._later.items() if due <= now]:
                del self._later[place]
                self._guarded(self._replace_keeper, place)

    @staticmethod
    def _guarded(duty: Callable[[T], None], subject: T) -> None:
        """One bad record or one failing `wake` must not end the watching of all others."""
        try:
            duty(subject)
        except Exception:
            _log.exception("the watcher failed at %r; the next period looks again", subject)

    def _event(self, fd: int) -> None:
        if fd == self._bell:
            os.eventfd_read(self._bell)
            with self._lock:
                new, self._new = self._new, []
            for place in new:
                self._take_up(place)
        elif fd == self._changes.fd:
            for number in self._changes.read():
                self._read(number)
        elif subject := self._subjects.get(fd):
            self._drop(fd)
            if not subject.keeper:
                for number in [n for n, reading in self._readings.items() if reading.place == subject.place]:
                    self._stop_reading(number)
                self._replaced.pop(subject.run.run, None)
                self.wake(subject.place.id.cluster)
            elif self.witness.alive(subject.run):
                self._replace_keeper(subject.place)

    def _take_up(self, place: Place) -> None:
        """Watch a node's process, keeper and log; again is no harm."""
        try:
            run = self.witness.run(place)
            keeper = self.witness.keeper(place)
        except (OSError, ValueError, KeyError, TypeError):
            return  # sightings say Unknown and why; there is nothing here to wait for
        if run is None:
            return
        if not self.witness.alive(run):
            self.wake(place.id.cluster)  # it ended between its start and now
            return
        watched = {(subject.run.run, subject.keeper) for subject in self._subjects.values()}
        if (run.run, False) not in watched:
            node = process.handle(run.process)
            if node is None:
                self.wake(place.id.cluster)
                return
            self._hold(node, Subject(place, run, keeper=False))
            self._start_reading(place, run)
        if keeper is None:
            self._replace_keeper(place)
        elif (run.run, True) not in watched:
            handle = process.handle(keeper)
            if handle is None:
                self._replace_keeper(place)
            else:
                self._hold(handle, Subject(place, run, keeper=True))

    def _replace_keeper(self, place: Place) -> None:
        run = self.witness.run(place)
        if run is None or not self.witness.alive(run):
            return
        due = self._replaced.get(run.run, -KEEPER_PAUSE_SECONDS) + KEEPER_PAUSE_SECONDS
        if due > time.monotonic():
            self._later[place] = due
            return
        self._replaced[run.run] = time.monotonic()
        try:
            self.launcher.attach(place)
        except ComputeError as error:
            _log.warning("%s", error)
            self._later[place] = time.monotonic() + KEEPER_PAUSE_SECONDS
            return
        keeper = self.witness.keeper(place)
        handle = process.handle(keeper) if keeper else None
        if handle is not None:
            self._hold(handle, Subject(place, run, keeper=True))

    def _start_reading(self, place: Place, run: Run) -> None:
        label = self.witness.records.object(place.record("node")) or {}
        line = str(label.get("ready_line", "")).encode()
        if not line:
            return
        # Watched first, read second: a line that is written in between is found by the reading.
        number = self._changes.add(place.log)
        self._readings[number] = Reading(place, line, run.log)
        self._read(number)

    def _read(self, number: int) -> None:
        reading = self._readings.get(number)
        if reading is None:
            return None
        try:
            found = reading.found()
        except FileNotFoundError:  # the node was removed meanwhile
            return self._stop_reading(number)
        if found:
            self._stop_reading(number)
            self.wake(reading.place.id.cluster)
        return None

    def _stop_reading(self, number: int) -> None:
        if self._readings.pop(number, None) is not None:
            self._changes.drop(number)

    def _hold(self, fd: int, subject: Subject) -> None:
        self._subjects[fd] = subject
        self._epoll.register(fd, select.EPOLLIN)

    def _drop(self, fd: int) -> None:
        del self._subjects[fd]
        self._epoll.unregister(fd)
        os.close(fd)
