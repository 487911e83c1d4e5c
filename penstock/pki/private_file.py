"""Files that only their owner may read: keys and what is as good as one. Whole or not there, also after a crash."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path` with mode 0600, replacing what was there in one step. Raises OSError."""
    draft = _draft(path, content)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink()
        raise
    _settle(path.parent)


def create_private(path: Path, content: bytes) -> bool:
    """Put `content` at `path` with mode 0600 unless something is there; says whether it did. Of two, one wins."""
    draft = _draft(path, content)
    try:
        # A link fails where the name exists, and the content is whole before the name appears.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _settle(path.parent)
    return True


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(FileNotFoundError):
            draft.unlink()
        raise
    return draft


def _settle(folder: Path) -> None:
    """Make the new name itself durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
