"""A process world in a temporary directory that the nodes' user may enter; nothing is left of it afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes.worlds import ProcessWorld


@contextmanager
def machine(kind: type[ProcessWorld] = ProcessWorld) -> Iterator[ProcessWorld]:
    root = Path(tempfile.mkdtemp(prefix="penstock-"))  # pytest's tmp_path is closed to other users
    root.chmod(0o711)
    world = kind(root)
    try:
        yield world
    finally:
        world.close()
        shutil.rmtree(root)
