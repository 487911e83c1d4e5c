"""How full volumes are: a filesystem tells it at once; directories are walked, once a minute, beside everything else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from logging import getLogger
from pathlib import Path
from threading import Event, Thread
from typing import Any

from attrs import define, field, frozen

from penstock.compute.base import ComputeError
from penstock.compute.process import ballast, filesystem
from penstock.compute.process.ballast import BLOCK
from penstock.compute.process.files import write
from penstock.compute.process.home import Home, Place
from penstock.compute.process.label import LABEL, Label
from penstock.model.ids import NodeId
from penstock.model.volume import GIB, VolumeKind, VolumeUse

EVERY_SECONDS = 60.0
_log = getLogger(__name__)
Read = Callable[[Path], dict[str, Any] | None]
"""The object in a JSON file; None where there is none. Raises OSError and ValueError."""


def use(place: Place, read: Read) -> VolumeUse | None:
    """What is known of a volume, without walking it; None where nothing is: not mounted, no label, a disk that fails."""
    try:
        label = read(place.volume / LABEL)
        if label is None:
            return None
        beneath, held = filesystem.room(place.volume)[1], ballast.weight(place)
        if label.get("kind") == VolumeKind.FILESYSTEM:
            if not filesystem.mounted(place.disk):
                return None
            size, left = filesystem.room(place.disk)
            writable = filesystem.writable(place.disk)
            return VolumeUse(VolumeKind.FILESYSTEM, size, size - left - held, beneath, held, writable)
        measured = read(place.record("use"))
        used = None if measured is None else int(measured["used"])
        size, writable = int(label.get("gib") or 0) * GIB, filesystem.writable(place.volume)
        return VolumeUse(VolumeKind.DIRECTORY, size, used, beneath, held, writable)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # said by the type; whether the node runs must not hang on it


def occupied(tree: Path, stopping: Event | None = None) -> int:
    """Bytes that a tree takes on its disk: what is allocated, so that Kafka's preallocated indexes count as what they are.

    Files that vanish meanwhile are not counted. Raises InterruptedError where it should stop, and OSError."""
    total, folders = 0, [tree]
    while folders:
        if stopping is not None and stopping.is_set():
            raise InterruptedError
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    else:
                        total += _blocks(entry)
        except FileNotFoundError:
            continue
    return total


def _blocks(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * BLOCK
    except FileNotFoundError:
        return 0


@frozen
class Laid:
    """All volumes of one kind in a home: how many, what they may grow to, and what they take on the disk (bytes)."""

    kind: VolumeKind
    count: int
    promised: int
    taken: int


def census(home: Home) -> Iterable[Laid]:
    """Every labelled volume of a home that need not exist. Directories count as last measured. Only looks."""
    for kind in VolumeKind:
        found = [(label, volume) for label, volume in _labelled(home) if label.kind is kind]
        if found:
            promised = sum(label.gib or 0 for label, _ in found) * GIB
            yield Laid(kind, len(found), promised, sum(_taken(home, label, volume) for label, volume in found))


def uses(home: Home, read: Read) -> Iterator[tuple[str, VolumeUse]]:
    """Every volume of a home that need not exist, whose it is and how full, where that can be told. Only looks."""
    if not (home.nodes.is_dir() and home.volumes.is_dir()):
        return
    for node in (node for cluster in home.clusters() for node in home.members(cluster)):
        if (found := use(home.place(node), read)) is not None:
            yield f"{node} of {node.cluster}", found


def _labelled(home: Home) -> Iterator[tuple[Label, Path]]:
    for path in sorted(home.volumes.glob(f"*/[!.]*/{LABEL}")):
        try:
            yield Label.read(path.read_bytes()), path.parent
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            continue  # nobody's: sightings and quarantine speak of those


def _taken(home: Home, label: Label, volume: Path) -> int:
    try:
        if label.kind is VolumeKind.FILESYSTEM:
            return (volume / "image").stat().st_blocks * BLOCK
        record = home.nodes / volume.parent.name / volume.name / "use.json"
        return int(json.loads(record.read_bytes())["used"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0


@define(eq=False)
class Gauge:
    """Measures directories into each node's use.json: at once where nothing is known, and by its own thread after `start`."""

    home: Home
    turn: Callable[[NodeId], AbstractContextManager[Place]]
    """The right to change a node's records."""
    every: float = EVERY_SECONDS
    _stopping: Event = field(factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def start(self) -> None:
        self._stopping.clear()
        self._thread = Thread(target=self._measure_all, name="penstock-gauge", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def first(self, place: Place) -> None:
        """Inside the node's turn: a volume that was never measured is. Raises OSError."""
        if not place.disk.exists() and not place.record("use").exists():
            self._write(place, occupied(place.data))

    def _measure_all(self) -> None:
        while True:
            for node in self._nodes():
                try:
                    self._measure(node)
                except InterruptedError:
                    return
                except (OSError, ComputeError) as error:
                    _log.warning("the volume of %s was not measured: %s", node, error)
            if self._stopping.wait(self.every):
                return

    def _nodes(self) -> list[NodeId]:
        try:
            return [node for cluster in self.home.clusters() for node in self.home.members(cluster)]
        except ComputeError as error:
            _log.warning("no volume was measured: %s", error)
            return []

    def _measure(self, node: NodeId) -> None:
        place = self.home.place(node)
        if not place.data.is_dir() or place.disk.exists():
            return
        used = occupied(place.data, self._stopping)
        with self.turn(node):
            # It may have been removed meanwhile, and nothing of it must come back.
            if place.directory.is_dir() and place.data.is_dir():
                self._write(place, used)

    @staticmethod
    def _write(place: Place, used: int) -> None:
        write(place.record("use"), json.dumps({"used": used, "at": time.time()}).encode())
