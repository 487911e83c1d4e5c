"""Records of nodes as they lie on disk, parsed once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from cryptography import x509


class Records:
    """JSON and PEM files of nodes, parsed once for each version of a file.

    Invariant: a file with another inode, size or time of change is read again, so nothing outlives what lies on disk."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[tuple[int, int, int], Any]] = {}
        self._lock = Lock()

    def json(self, path: Path) -> dict[str, Any] | list[dict[str, Any]] | None:
        """The value of a JSON file; None where there is none. Raises OSError and ValueError."""
        value: dict[str, Any] | list[dict[str, Any]] | None = self._read(path, json.loads)
        return value

    def object(self, path: Path) -> dict[str, Any] | None:
        """A JSON object; None where there is no file. Raises OSError and ValueError."""
        value = self.json(path)
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"{path} holds no JSON object")
        return value

    def leaf(self, path: Path) -> tuple[datetime, datetime] | None:
        """(not before, not after) of the first certificate of a PEM file; None where there is none. Raises OSError."""
        dates: tuple[datetime, datetime] | None = self._read(path, _dates)
        return dates

    def forget(self, directory: Path) -> None:
        """Drop what was kept of a directory that is gone."""
        with self._lock:
            for path in [path for path in self._kept if path.is_relative_to(directory)]:
                del self._kept[path]

    def _read(self, path: Path, parse: Callable[[bytes], Any]) -> Any:
        try:
            facts = path.stat()
        except FileNotFoundError:
            return None
        version = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
        with self._lock:
            kept = self._kept.get(path)
        if kept is not None and kept[0] == version:
            return kept[1]
        try:
            value = parse(path.read_bytes())
        except FileNotFoundError:
            return None
        with self._lock:
            self._kept[path] = (version, value)
        return value


def _dates(pem: bytes) -> tuple[datetime, datetime] | None:
    try:
        leaf = x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        return None
    return leaf.not_valid_before_utc, leaf.not_valid_after_utc
