"""Processes as the kernel shows them: a process is a pid and a birth time within one boot, never a pid alone."""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path

from attrs import frozen

TICKS = os.sysconf("SC_CLK_TCK")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The kernel's name for the time since this machine started."""
    return BOOT_ID.read_text().strip()


def boot_clock() -> float:
    """Seconds on a clock that nobody can set and that counts while the machine sleeps; it means something within one boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


BACKGROUND = 15
"""Niceness of a session in the background: a thirtieth of the weight of others, so that it comes to its end on a machine in
full use, too."""
WEIGHED_SECONDS = 2.0


@frozen
class Process:
    """One process within a boot; the same pid with another birth is somebody else."""

    pid: int
    birth: int


@frozen
class Facts:
    """What /proc says of a living process."""

    birth: int
    state: str
    cpu_seconds: float

    @property
    def suspended(self) -> bool:
        return self.state in "Tt"


def facts(process: Process) -> Facts | None:
    """None where the process is gone: no such pid, another birth, or a zombie."""
    try:
        text = Path(f"/proc/{process.pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses and may hold anything; fields are counted after it.
    fields = text.rpartition(b")")[2].split()
    seen = Facts(int(fields[19]), fields[0].decode(), (int(fields[11]) + int(fields[12])) / TICKS)
    return seen if seen.birth == process.birth and seen.state not in "ZX" else None


def niceness(pid: int) -> int | None:
    """How far the process's session gives way to others, 0 to 19 (sched(7), autogroups). None where the kernel does not
    weigh sessions, or the process is gone."""
    try:
        said = (Path("/proc") / str(pid) / "autogroup").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(said[-1]) if said else None


def weigh(pid: int, nice: int) -> None:
    """Change that, where there is something to change. Unlike a process's own nice value, whoever owns it can take it back."""
    until = time.monotonic() + WEIGHED_SECONDS
    while niceness(pid) not in (None, nice):
        try:
            (Path("/proc") / str(pid) / "autogroup").write_text(str(nice))
        except (FileNotFoundError, ProcessLookupError):
            return  # it has ended meanwhile
        except BlockingIOError:  # without CAP_SYS_ADMIN the kernel takes one in 0.1 s, of all sessions
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def handle(process: Process) -> int | None:
    """A descriptor of exactly this process (a pidfd, to be closed by the caller), or None where it is gone."""
    try:
        opened = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    # Opened first, checked second: from here on the kernel cannot give the pid to another process behind our back.
    if facts(process) is None:
        os.close(opened)
        return None
    return opened


def wait(process: Process, seconds: float) -> bool:
    """Has the process ended within so many seconds?"""
    opened = handle(process)
    if opened is None:
        return True
    try:
        poll = select.poll()
        poll.register(opened, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(opened)


def send(process: Process, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; False where it is gone."""
    opened = handle(process)
    if opened is None:
        return False
    try:
        return signal_by(opened, number)
    finally:
        os.close(opened)


def signal_by(opened: int, number: signal.Signals) -> bool:
    """Send a signal through a process's descriptor; False where it is gone."""
    try:
        signal.pidfd_send_signal(opened, number)
    except ProcessLookupError:
        return False
    return True


def users_of(path: Path) -> list[int]:
    """Pids of processes that hold a file open, as far as this user may see."""
    facts_of_file = path.stat()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if any(_same(link, facts_of_file) for link in (entry / "fd").iterdir()):
                found.append(int(entry.name))
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue  # another user's process, or one that ended meanwhile
    return found


def _same(link: Path, wanted: os.stat_result) -> bool:
    try:
        seen = link.stat()
    except (FileNotFoundError, PermissionError):
        return False
    return (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino)


def program(pid: int) -> str:
    """`pid 4242 (java)`, for sentences."""
    try:
        return f"pid {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    except (FileNotFoundError, ProcessLookupError):
        return f"pid {pid}"
