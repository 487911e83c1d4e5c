"""The limits that a container or a service manager has set on this process: control groups, versions 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

PROC = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60
"""Version 1 writes a number near 2^63 where there is no limit."""


@frozen
class Groups:
    """The control groups of a process: `memberships` is the text of its /proc file, `root` where the groups are mounted."""

    memberships: str
    root: Path = ROOT

    def memory(self) -> tuple[int, int] | None:
        """Bytes (limit, free below it) of the tightest group; None where nothing is limited.

        File pages that nobody uses at the moment count as free: the kernel gives them up first."""
        found = []
        for folder in self._folders("memory"):
            limit = _number(folder, "memory.max", "memory.limit_in_bytes")
            used = _number(folder, "memory.current", "memory.usage_in_bytes")
            if limit is not None and limit < _UNLIMITED:
                busy = max(0, (used or 0) - _inactive(folder))
                found.append((limit, max(0, limit - busy)))
        return min(found, key=lambda pair: pair[1]) if found else None

    def processors(self) -> float | None:
        """How many processors' worth of time there is; None where that is not limited."""
        found = []
        for folder in self._folders("cpu"):
            match _text(folder / "cpu.max").split():
                case [quota, period] if quota != "max":
                    found.append(int(quota) / int(period))
            quota_us = _number(folder, "cpu.cfs_quota_us")
            period_us = _number(folder, "cpu.cfs_period_us")
            if quota_us is not None and quota_us > 0 and period_us:
                found.append(quota_us / period_us)
        return min(found) if found else None

    def threads(self) -> int | None:
        """How many more processes and threads may be started; None where that is not limited."""
        found = [
            max(0, limit - (_number(folder, "pids.current") or 0))
            for folder in self._folders("pids")
            if (limit := _number(folder, "pids.max")) is not None
        ]
        return min(found) if found else None

    def unit(self) -> str | None:
        """The systemd service that the process belongs to; None for a login session or no systemd."""
        for line in self.memberships.splitlines():
            last = line.rpartition("/")[2]
            if last.endswith(".service"):
                return last
        return None

    def _folders(self, controller: str) -> Iterator[Path]:
        """The group and every group around it: each may limit."""
        for line in self.memberships.splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if controllers and controller not in controllers.split(","):
                continue
            top = self.root / controllers if controllers else self.root
            folder = top / path.strip("/")
            # In a container the path may be that of the outer machine, while the group itself is mounted at the top.
            yield from (step for step in (folder, *folder.parents) if step == top or top in step.parents)


def current() -> Groups:
    """Those of this process; none where the system has no control groups."""
    return Groups(_text(PROC))


def of(pid: int) -> Groups:
    """Those of another process; none where it is gone."""
    return Groups(_text(Path("/proc", str(pid), "cgroup")))


def _inactive(folder: Path) -> int:
    for line in _text(folder / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _number(folder: Path, *names: str) -> int | None:
    for name in names:
        text = _text(folder / name).strip()
        if text.lstrip("-").isdigit():
            return int(text)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError, PermissionError, ProcessLookupError):
        return ""
