"""A disk that fails is told before a node starts on it again; a full one, and one that a node was killed on, are none."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

import pytest
from fakes.disks import FilesystemWorld, cannot, cram
from fakes.machine import machine
from fakes.worlds import ProcessWorld, broker, gone, running, specify

from penstock.compute.base import ComputeError
from penstock.compute.process.probe import probe
from penstock.model.action import How

SHUTDOWN = 0x8004587D
"""ioctl: the filesystem answers everything with an I/O error from now on, until it is mounted anew (linux/fs.h)."""
FAILS = ("/bin/sh", "-c", "exit 1")


def fails(number: int) -> object:
    """What the system does in place of writing."""

    def write(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.skipif(cannot() is not None, reason=cannot() or "")
def test_it_is_found_by_writing_to_the_disk_itself() -> None:
    with machine(FilesystemWorld) as disks:
        node = specify(disks, broker(1))
        disks.compute.start(node, [], fence=1)
        disks.compute.stop(node.id, How.AT_ONCE, fence=1)
        place = disks.home.place(node.id)  # type: ignore[attr-defined]
        probe(place)
        assert sorted(path.name for path in place.disk.iterdir()) == ["ballast", "data", "lost+found", "volume.json"]
        cram(place.data)
        probe(place)  # a full one is no fault
        handle = os.open(place.disk, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("=I", 2))
        finally:
            os.close(handle)
        with pytest.raises(
            ComputeError, match=r"disk of the volume of broker 1 fails: Input/output error.*move .* away"
        ):
            probe(place)
        disks.compute.start(node, [], fence=1)
        assert running(disks, node.id), "mounted afresh it is as good as before"
        disks.compute.stop(node.id, How.AT_ONCE, fence=1)
        probe(place)


def test_a_disk_that_gives_back_something_else_fails_too(world: ProcessWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    monkeypatch.setattr(os, "pread", lambda handle, size, at: bytes(size))
    with pytest.raises(ComputeError, match="was read back otherwise than it was written"):
        probe(world.home.place(node.id))


def test_a_node_that_failed_by_itself_is_not_started_on_it(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = specify(world, broker(1), FAILS)
    world.compute.start(node, [], fence=1)
    runs = gone(world, node.id).short_runs
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", fails(errno.EIO))
        with pytest.raises(ComputeError, match="the disk of the volume of broker 1 fails: Input/output error"):
            world.compute.start(node, [], fence=1)
        assert gone(world, node.id).short_runs == runs, "it was started all the same"
        disk.setattr(os, "pwrite", fails(errno.ENOSPC))
        world.compute.start(node, [], fence=1)
    assert gone(world, node.id).short_runs == runs + 1


def test_a_node_that_was_killed_or_stopped_is_started_without_a_trial(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", fails(errno.EIO))
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.kill(node.id)
    world.compute.start(node, [], fence=1)
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    world.compute.start(node, [], fence=1)
    assert running(world, node.id)
