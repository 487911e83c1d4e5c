"""A filesystem of a real size: ext4 in a sparse image file, mounted through a loop device.

Invariant: a loop device belongs to its mount (the kernel frees it with the last one), so a kill at any moment leaks none; an
image that is mounted already gets no second loop device, so its filesystem is never driven twice."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.compute.base import ComputeError
from penstock.compute.process.files import make_directory, told
from penstock.compute.process.home import PASSABLE

TOOLS = ("mkfs.ext4", "e2fsck", "resize2fs", "mount", "umount")
SYSTEM_PATHS = "/usr/sbin:/sbin:/usr/bin:/bin"
"""Where these programs lie; users' own PATH often leaves out the first two."""
LOOP_CONTROL = Path("/dev/loop-control")
CAP_SYS_ADMIN, CAP_SYS_RESOURCE = 21, 24
"""Numbers of the capabilities to mount, and to grow ext4 that is in use (linux/capability.h)."""
LOOP_MAJOR = 7
SUPERBLOCK = 1024
"""Where it begins in an ext4 filesystem; within it, at 0x4 and 0x150 the number of blocks, at 0x18 their size (ext4 disk layout)."""
LOOP_SET_CAPACITY = 0x4C07
"""ioctl: look again how large the image is (linux/loop.h)."""
FORMAT = ("-q", "-F", "-m", "0", "-i", "32768", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard")
"""Nothing reserved for root; an inode for each 32 KiB, since segments are large and partitions many; nothing zeroed, since an
image is born full of zeros."""
OPTIONS = "loop,nodev,nosuid,noexec,noatime,discard,minixdf,noinit_itable"
"""noexec: Java unpacks its native libraries into its temporary folder, which lies elsewhere. discard: what is deleted goes back
to the disk below. minixdf: sizes count the filesystem's own tables, so that a size is what was asked for."""
PATIENCE_SECONDS = 120.0
SAID_BYTES = 4096
"""So much of what a tool says is told."""
RELEASE_SECONDS = 2.0
"""A process that has just ended may hold its files for a moment longer."""


def why_not() -> str | None:
    """Why this machine cannot have such volumes: a clause; None where it can. Only looks."""
    if not _has(CAP_SYS_ADMIN):
        return "only root may mount filesystems (CAP_SYS_ADMIN)"
    if not LOOP_CONTROL.exists():
        return f"the system has no loop devices ({LOOP_CONTROL}; `modprobe loop`, or --privileged for a container)"
    absent = [tool for tool in TOOLS if _find(tool) is None]
    if absent:
        return f"{', '.join(absent)} cannot be found (packages e2fsprogs and mount)"
    return None


def why_not_in_use() -> str | None:
    """Why this machine cannot make one larger while it is in use: a clause; None where it can. At rest every machine can."""
    if not _has(CAP_SYS_RESOURCE):
        return "the system lets nobody here make ext4 larger while it is in use (CAP_SYS_RESOURCE is missing)"
    return None


def make(image: Path, size: int, content: Path) -> None:
    """A new image of `size` bytes whose filesystem holds a copy of the folder `content`, owners and modes too; durable."""
    with told(f"making the image {image}"):
        with image.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.truncate(size)
        _run("mkfs.ext4", *FORMAT, "-d", str(content), str(image))
        _sync(image)


def mounted(point: Path) -> bool:
    return os.path.ismount(point)


def mounts_below(folder: Path) -> list[str]:
    """Where something is mounted inside a folder. Deleting the folder would delete what lies there."""
    inside = f"{folder.resolve()}{os.sep}".encode()
    points = (line.split(b" ")[1] for line in Path("/proc/self/mounts").read_bytes().splitlines())
    # An odd character stands there as its number, `\040` for a space (proc(5)).
    plain = (re.sub(rb"\\([0-7]{3})", lambda odd: bytes([int(odd[1], 8)]), point) for point in points)
    return [os.fsdecode(point) for point in plain if point.startswith(inside)]


def mount(image: Path, point: Path) -> None:
    """The image's filesystem is at the mount point, writable. One that went read-only, or stopped itself, is mounted once more."""
    if mounted(point):
        with told(f"looking at {point}"):
            whole = writable(point) and answers(point)
        if whole:
            return
        unmount(point)
    with told(f"mounting {image}"):
        make_directory(point, PASSABLE)
    _run("mount", "-t", "ext4", "-o", OPTIONS, str(image), str(point))


def unmount(point: Path) -> None:
    """Nothing is mounted there afterwards. Raises ComputeError where a process goes on using it."""
    until = time.monotonic() + RELEASE_SECONDS
    while mounted(point):
        try:
            _run("umount", str(point))
        except ComputeError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def fit_at_rest(image: Path, point: Path, size: int) -> None:
    """As `fit`, for one that nobody uses: it is unmounted, grown, and stays so. Mounted once more it is as large as the image."""
    with _alone(image) as held:
        with told(f"looking at the size of {image}"):
            if _size(image) >= size:
                return
        unmount(point)
        with told(f"making {image} larger"):
            _lengthen(image, size)
        # resize2fs insists on a check first; 1: it mended something.
        _run("e2fsck", "-f", "-p", str(image), fine=(0, 1), held=held)
        _run("resize2fs", str(image), held=held)


def fit(image: Path, point: Path, size: int) -> None:
    """The mounted filesystem has at least `size` bytes: grown while it is in use, never made smaller."""
    if room(point)[0] >= size:
        return
    with _alone(image) as held:
        with told(f"making {image} larger"):
            _lengthen(image, size)
            device = _device(point)
            handle = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(handle, LOOP_SET_CAPACITY)
            finally:
                os.close(handle)
        _run("resize2fs", device, held=held)
    if room(point)[0] < size:
        raise ComputeError(
            f"the filesystem at {point} has {room(point)[0]} bytes and should have {size}: another image than {image} "
            "is mounted there; unmount it, the next start mounts the right one"
        )


def room(point: Path) -> tuple[int, int]:
    """Bytes of the filesystem at a path: its size, and those that a node can still fill. Raises OSError."""
    facts = os.statvfs(point)
    return facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize


def writable(path: Path) -> bool:
    """Does the filesystem at a path take writes, by its mount? Raises OSError."""
    return not os.statvfs(path).f_flag & os.ST_RDONLY


def answers(point: Path) -> bool:
    """Can a file be made at a mount point? After a fault a filesystem may refuse all, and its mount does not show that."""
    try:
        os.close(os.open(point, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno != errno.EIO  # others, as no room, say nothing of a fault
    return True


@contextmanager
def _alone(image: Path) -> Iterator[int]:
    """The lock on an image, as a descriptor: tools that work on it inherit it, so one that outlives us holds it to its end.

    Raises ComputeError where it is held: then nothing may touch the image, and mounting it least of all."""
    with told(f"opening {image}"):
        held = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with told(f"locking {image}"):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ComputeError(
                    f"{image} is still being checked or made larger by a tool that an earlier control plane began; it is not "
                    "to be cut off, and the next try follows by itself"
                ) from None
        yield held
    finally:
        os.close(held)


def _lengthen(image: Path, size: int) -> None:
    if image.stat().st_size < size:
        os.truncate(image, size)
        _sync(image)


def _size(image: Path) -> int:
    """Bytes of the filesystem in an image that is at rest, from its superblock: the image may be longer already."""
    with image.open("rb") as file:
        file.seek(SUPERBLOCK)
        block = file.read(1024)
    low, shift, high = (int.from_bytes(block[at : at + 4], "little") for at in (0x4, 0x18, 0x150))
    return (low | high << 32) << 10 + shift


def _device(point: Path) -> str:
    number = point.stat().st_dev
    if os.major(number) != LOOP_MAJOR:
        raise ComputeError(f"no image is mounted at {point}; look at `findmnt {point}` and unmount what is there")
    return f"/dev/loop{os.minor(number)}"


def _has(capability: int) -> bool:
    """May this process do it? Root in a container often may not."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return os.geteuid() == 0 and bool(int(line.split()[1], 16) >> capability & 1)
    return False


def _find(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATHS}")


def _run(tool: str, *arguments: str, fine: tuple[int, ...] = (0,), held: int | None = None) -> None:
    """Run a tool that goes on whatever happens to us: in a session of its own, its words in a file and not in a pipe, which
    would end it when we do. With `held`, a lock that it inherits, it is waited for however long it takes: a filesystem must
    not be left half changed. Others are ended after PATIENCE_SECONDS; that leaves a file, or a mount as it was.

    Raises ComputeError with the tool's own words."""
    doing = f"`{tool} {arguments[-1]}`"
    program = _find(tool)
    if program is None:
        raise ComputeError(f"{doing} failed: {tool} cannot be found; install it")
    with told(doing):
        words = os.memfd_create(tool)
    try:
        with told(doing):
            done = subprocess.run(
                [program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env={"PATH": SYSTEM_PATHS, "LC_ALL": "C"},
                start_new_session=True,
                pass_fds=() if held is None else (held,),
                timeout=PATIENCE_SECONDS if held is None else None,
                check=False,
            )
        said = os.pread(words, SAID_BYTES, 0).decode(errors="replace")
    except subprocess.TimeoutExpired:
        raise ComputeError(
            f"{doing} did not end within {PATIENCE_SECONDS:.0f} s; the disk may hang: look at the system log"
        ) from None
    finally:
        os.close(words)
    if done.returncode not in fine:
        cause = " ".join(said.split()) or f"exit status {done.returncode}"
        raise ComputeError(f"{doing} failed: {cause}; {_remedy(tool)}")


def _remedy(tool: str) -> str:
    match tool:
        case "mount":
            return "look at the system log; `e2fsck -f` on the image mends a damaged filesystem"
        case "umount":
            return "end what uses it (`fuser -vm` on that path); the next try follows by itself"
        case _:
            return "look at the disk and the system log; the next try follows by itself"


def _sync(image: Path) -> None:
    handle = os.open(image, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
