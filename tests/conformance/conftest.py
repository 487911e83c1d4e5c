"""One world for each story."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.machine import machine
from fakes.worlds import MemoryWorld, World


@pytest.fixture(params=["process", "memory"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        yield MemoryWorld()
        return
    with machine() as world:
        yield world
