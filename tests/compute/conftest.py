"""A machine for each story about processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.machine import machine
from fakes.worlds import ProcessWorld


@pytest.fixture
def world() -> Iterator[ProcessWorld]:
    with machine() as world:
        yield world
