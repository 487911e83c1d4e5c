"""Files of nodes: written atomically, owned by the node's user, placeholders expanded; and the sentences for a bad disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from secrets import token_hex

from penstock.compute.base import ComputeError
from penstock.model.node import NODE, VOLUME

Owner = tuple[int, int]
"""uid and gid."""


@contextmanager
def told(doing: str) -> Iterator[None]:
    """An OSError inside becomes a ComputeError: what was done, why it failed, what to do."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        why = f"{error.strerror or error}{where}"
        raise ComputeError(
            f"{doing} failed: {why}; {REMEDIES.get(error.errno or 0, 'look at the disk and try again')}"
        ) from error


REMEDIES = {
    errno.ENOSPC: "free some space on that disk: the next try follows by itself",
    errno.EDQUOT: "free some space or raise the quota: the next try follows by itself",
    errno.EROFS: "the disk is read-only: mount it writable again",
    errno.EACCES: "let the control plane's user in, or choose another place with PENSTOCK_HOME",
    errno.EPERM: "let the control plane's user do this, or choose another place with PENSTOCK_HOME",
    errno.EIO: "the disk has errors: look at the system log, move the home to a good disk",
    errno.EMFILE: "the control plane has too many files open: raise its limit (`ulimit -n`); the next try follows by itself",
    errno.ENFILE: "the machine has too many files open: raise fs.file-max; the next try follows by itself",
    errno.EFBIG: "the file system below holds no file of that size (ext4: 16 TiB): ask for less, or PENSTOCK_VOLUMES=directory",
    errno.EXDEV: "all of a home must lie on one file system",
}


def expand(text: str, node: Path, volume: Path) -> str:
    return text.replace(NODE, str(node)).replace(VOLUME, str(volume))


def expand_bytes(content: bytes, node: Path, volume: Path) -> bytes:
    return content.replace(NODE.encode(), os.fsencode(node)).replace(VOLUME.encode(), os.fsencode(volume))


def inside(directory: Path, name: str) -> Path:
    """A relative path under a directory; ComputeError where it would lead out of it."""
    parts = PurePosixPath(name)
    if not name or parts.is_absolute() or ".." in parts.parts:
        raise ComputeError(
            f"`{name}` is no path inside the directory of a node; a file's path must be relative and without `..`"
        )
    return directory / parts


def make_directory(path: Path, mode: int = 0o755, owner: Owner | None = None) -> None:
    """The directory with that mode and owner, whatever the umask; missing parents get the same mode and no owner."""
    if not path.parent.is_dir():
        make_directory(path.parent, mode)
    try:
        path.mkdir()
    except FileExistsError:
        facts = path.lstat()
        if facts.st_mode & 0o7777 == mode and (owner is None or (facts.st_uid, facts.st_gid) == owner):
            return
    path.chmod(mode)
    if owner is not None:
        os.chown(path, *owner, follow_symlinks=False)


def write(path: Path, content: bytes, mode: int = 0o644, owner: Owner | None = None, durable: bool = False) -> None:
    """Replace a file: readers see the old one or the new one. `durable`: it survives a power cut from the return on."""
    fresh = path.with_name(f".{path.name}.{token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            if durable:
                os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    if durable:
        sync_directory(path.parent)


def read_object(path: Path) -> Mapping[str, object]:
    """A JSON object, or an empty one where there is none that can be read."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def sync_directory(path: Path) -> None:
    """Renames and new names in a directory survive a power cut from the return on."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def give(tree: Path, owner: Owner) -> None:
    """A whole tree to another owner; links are not followed."""
    for directory, folders, files in os.walk(tree):
        for name in (*folders, *files):
            os.chown(os.path.join(directory, name), *owner, follow_symlinks=False)
    os.chown(tree, *owner, follow_symlinks=False)


def delete(path: Path) -> None:
    """A file or a whole tree, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def delete_if_empty(path: Path) -> None:
    try:
        path.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def last_lines(path: Path, lines: int) -> list[str]:
    """The last lines of a file, read from its end; empty where there is no file."""
    try:
        with path.open("rb") as file:
            at, text = file.seek(0, os.SEEK_END), b""
            while at > 0 and text.count(b"\n") <= lines:
                step = min(at, 1 << 16)
                at -= step
                file.seek(at)
                text = file.read(step) + text
    except FileNotFoundError:
        return []
    return text.decode(errors="replace").splitlines()[-lines:] if lines > 0 else []
