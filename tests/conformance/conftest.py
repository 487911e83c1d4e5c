"""One world for each story; afterwards none of its processes is left."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds import MemoryWorld, ProcessWorld, World


@pytest.fixture(params=["process", "memory"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        yield MemoryWorld()
        return
    root = Path(tempfile.mkdtemp(prefix="penstock-"))  # not tmp_path: the nodes' user may not enter that one
    root.chmod(0o711)
    world = ProcessWorld(root)
    try:
        yield world
    finally:
        world.close()
        shutil.rmtree(root)
