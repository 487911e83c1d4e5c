"""One world for each story."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.disks import FilesystemWorld, cannot
from fakes.machine import machine
from fakes.worlds import MemoryWorld, ProcessWorld, World


@pytest.fixture(params=["process", "process with filesystems", "memory"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        yield MemoryWorld()
        return
    real = request.param == "process with filesystems"
    if real and (why := cannot()):
        pytest.skip(why)
    with machine(FilesystemWorld if real else ProcessWorld) as world:
        yield world
