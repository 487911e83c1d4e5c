"""A machine of processes whose volumes are real filesystems, on loop devices; nothing stays mounted."""

from __future__ import annotations

import errno
import os
import secrets
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from fakes.worlds import ProcessWorld, _files

from penstock.compute.process import filesystem
from penstock.compute.process.provider import ProcessCompute
from penstock.model.volume import VolumeKind


def cannot() -> str | None:
    """Why this machine cannot have such volumes; None where it can."""
    why = filesystem.why_not()
    return None if why is None else f"volumes cannot be filesystems here: {why}"


def cannot_in_use() -> str | None:
    """Why they cannot grow in use here."""
    return cannot() or filesystem.why_not_in_use()


def mounts(root: Path) -> list[Path]:
    """Everything that is mounted under a folder, one entry for each mount, the deepest first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return sorted((Path(line.split()[1]) for line in lines if line.split()[1].startswith(f"{root}/")), reverse=True)


def loops(root: Path) -> list[str]:
    """Loop devices over files that lie, or lay, under a folder."""
    backing = [Path(entry, "loop", "backing_file") for entry in Path("/sys/block").glob("loop*")]
    return [path.parts[3] for path in backing if path.exists() and path.read_text().startswith(f"{root}/")]


def cram(folder: Path) -> None:
    """Take all the room that is left on the file system of a folder, by files that hold nothing."""
    step = 1 << 30
    while step >= 4096:
        handle = os.open(folder / f"crammed-{secrets.token_hex(8)}", os.O_WRONLY | os.O_CREAT)
        try:
            os.posix_fallocate(handle, 0, step)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            os.ftruncate(handle, 0)
            step //= 2
        finally:
            os.close(handle)


class FilesystemWorld(ProcessWorld):
    """The same hands on other volumes."""

    def open(self, **options: int | float) -> ProcessCompute:
        return super().open(volumes=VolumeKind.FILESYSTEM, **options)  # type: ignore[arg-type]

    def unmount_all(self) -> None:
        for point in mounts(self.root):
            subprocess.run(["umount", str(point)], check=True)

    def in_quarantine(self, place: str) -> Mapping[str, bytes]:
        if not os.path.exists(f"{place}/image"):
            return super().in_quarantine(place)
        with tempfile.TemporaryDirectory() as point:
            subprocess.run(["mount", "-o", "loop,ro", f"{place}/image", point], check=True)
            try:
                return _files(Path(point, "data"))
            finally:
                subprocess.run(["umount", point], check=True)

    def restart_machine(self) -> None:
        """And no mount outlives it."""
        super().restart_machine()
        self.unmount_all()

    def close(self) -> None:
        super().close()
        self.unmount_all()
        assert loops(self.root) == []
