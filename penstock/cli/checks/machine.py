"""The machine itself: Python, memory, processors, limits, the clock, and what ends together with the control plane."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil

from penstock.cli.checks import cgroup
from penstock.cli.checks.finding import Finding, State, Visit
from penstock.cli.common import home_lock
from penstock.kafka.versions import catalogue
from penstock.settings import Settings

OLDEST_PYTHON = (3, 11)
NODES = 3
"""Brokers, and as many controllers: the smallest cluster over three zones."""
FRESH_MIB = (313, 143)
"""What a broker and a controller occupy right after their start, with TLS and the authorizer (kafka.md 2.1)."""
BESIDE_HEAP_MIB = (200, 120)
"""What they occupy beside a full heap: code, classes, threads, network buffers."""
NODE_FILES = 100_000
"""The open-files limit that a node is given where that is possible (model/node.py)."""
FEWEST_FILES = 1024
CAP_SYS_RESOURCE = 24
"""Number of the capability to raise hard limits (linux/capability.h)."""
NODE_THREADS = 100
"""Threads of one Java process, in round numbers."""
INITS = (
    "systemd",
    "init",
    "tini",
    "dumb-init",
    "docker-init",
    "podman-init",
    "catatonit",
    "s6-svscan",
    "runit",
    "openrc-init",
)
"""Names of first processes that take over orphans and wait for them."""
MIB = 1 << 20


def python(_: Visit) -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield Finding(
            "python", State.WRONG, f"Python {version} is too old.", "Install Penstock with Python 3.11 or newer."
        )
    elif sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        yield Finding(
            "python",
            State.WRONG,
            f"Nodes as processes need Linux 5.3 or newer (pidfd, /proc), and this is {platform.system()} {platform.release()}.",
            "Run Penstock on such a Linux, for example in a virtual machine.",
        )
    else:
        yield Finding("python", State.OK, f"Python {version} at {sys.executable}, on Linux {platform.release()}.")


def needs(settings: Settings) -> tuple[int, int]:
    """MiB that a cluster of 3 + 3 takes right after its start, and with every heap full."""
    heaps = (settings.broker_heap_mib, settings.controller_heap_mib)
    full = [heap + beside for heap, beside in zip(heaps, BESIDE_HEAP_MIB, strict=True)]
    fresh = [min(pair) for pair in zip(FRESH_MIB, full, strict=True)]
    return NODES * sum(fresh), NODES * sum(full)


def memory(visit: Visit) -> Iterator[Finding]:
    seen, swap = psutil.virtual_memory(), psutil.swap_memory()
    free, whose = (seen.available + swap.free) // MIB, "the machine"
    limited = cgroup.current().memory()
    if limited is not None and limited[1] // MIB < free:
        free, whose = limited[1] // MIB, f"the control group, which allows {limited[0] // MIB} MiB,"
    yield weigh(free, whose, visit)


def weigh(free_mib: int, whose: str, visit: Visit) -> Finding:
    """Free memory against what a cluster takes."""
    fresh, full = needs(visit.settings)
    wants = f"A cluster of 3 brokers and 3 controllers takes {fresh} MiB at the start and {full} MiB with full heaps"
    fix = (
        "End other programs, add memory or swap, or make heaps smaller "
        "(broker_heap_mib, controller_heap_mib in penstock.toml)."
    )
    if free_mib >= full:
        return Finding("memory", State.OK, f"{wants}; {whose} has {free_mib} MiB free.")
    if free_mib >= fresh:
        return Finding("memory", State.WARNING, f"{wants}, and {whose} has only {free_mib} MiB free.", fix)
    # The clusters that are here already may be what fills it: then it is no fault that another does not fit.
    worst = State.WARNING if visit.clusters else State.WRONG
    return Finding("memory", worst, f"{wants}, and {whose} has only {free_mib} MiB free: another does not fit.", fix)


def processors(_: Visit) -> Iterator[Finding]:
    here, limit = len(os.sched_getaffinity(0)), cgroup.current().processors()
    share = here if limit is None else min(float(here), limit)
    said = f"{share:g} processor{'s' if share != 1 else ''}" + (
        "" if limit is None else " (limited by a control group)"
    )
    if share < 1:
        fix = "Allow at least one processor: a start needs some 12 seconds of processor time."
        yield Finding("processors", State.WARNING, f"{said}: starts are slow and frozen nodes look likely.", fix)
    else:
        yield Finding("processors", State.OK, f"{said}.")


def processes(_: Visit) -> Iterator[Finding]:
    group = cgroup.current().threads()
    user = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    # The limit of a user does not bind root, and what the user has running is part of it.
    left = [
        each for each in (group, user if os.geteuid() and user != resource.RLIM_INFINITY else None) if each is not None
    ]
    wanted = 2 * NODES * NODE_THREADS
    if not left or min(left) >= wanted:
        allowed = f"{min(left)} more" if left else "Any number of"
        yield Finding("processes", State.OK, f"{allowed} processes and threads may be started.")
        return
    state = State.WARNING if min(left) >= wanted // 2 else State.WRONG
    sentence = f"Only {min(left)} more processes and threads may be started; a cluster has some {wanted}."
    yield Finding(
        "processes",
        state,
        sentence,
        "Raise the limit: `ulimit -u`, TasksMax of the unit, or --pids-limit of the container.",
    )


def open_files(_: Visit) -> Iterator[Finding]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    yield openable(hard, may_raise=_has_capability(CAP_SYS_RESOURCE))


def openable(hard: int, *, may_raise: bool) -> Finding:
    """The hard limit of open files against what nodes are given; who may raise it gets there anyway."""
    if hard == resource.RLIM_INFINITY or hard >= NODE_FILES or may_raise:
        return Finding("open files", State.OK, f"Every node may open {NODE_FILES} files.")
    state = State.WARNING if hard >= FEWEST_FILES else State.WRONG
    sentence = f"A node may open {hard} files at most; a broker opens several for each segment of each partition."
    fix = f"Raise the hard limit to {NODE_FILES}: `* hard nofile {NODE_FILES}` in /etc/security/limits.conf, or LimitNOFILE of the unit."
    return Finding("open files", state, sentence, fix)


def _has_capability(number: int) -> bool:
    """May this process do it? Root in a container often may not."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def survival(visit: Visit) -> Iterator[Finding]:
    holder = home_lock(visit.settings).holder()
    groups = cgroup.of(holder.pid) if holder else cgroup.current()
    first = Path("/proc/1/comm").read_text().strip()
    unit = groups.unit()
    yield outlive(first, unit, _kill_mode(unit) if unit else None)


def outlive(first: str, unit: str | None, kill_mode: str | None) -> Finding:
    """Would brokers go on when the control plane ends? `first` is the name of process 1, `kill_mode` None where unknown."""
    if unit is not None and kill_mode != "process":
        known = f"has KillMode={kill_mode}" if kill_mode else "may end all its processes"
        return Finding(
            "survival",
            State.WARNING,
            f"The control plane belongs to the systemd unit {unit}, which {known}: brokers would die with it.",
            "Set KillMode=process in the unit.",
        )
    if first not in INITS:
        return Finding(
            "survival",
            State.WARNING,
            f"Process 1 is `{first}`, which is no init, as in a container without one: dead nodes may stay as zombies, "
            "and brokers die when it ends.",
            "Give the container an init (`docker run --init`) and let it outlive the control plane.",
        )
    return Finding("survival", State.OK, f"Brokers go on when the control plane ends (process 1 is {first}).")


def _kill_mode(unit: str) -> str | None:
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return None
    command = [systemctl, "show", "--property=KillMode", "--value", unit]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return ran.stdout.strip() or None


def clock(visit: Visit) -> Iterator[Finding]:
    now = datetime.now(UTC)
    store = visit.settings.home / "store.sqlite3"
    written = datetime.fromtimestamp(store.stat().st_mtime, UTC) if store.exists() else None
    released = max(row.released for row in catalogue().values())
    yield told_time(now, datetime(released.year, released.month, released.day, tzinfo=UTC), written)


def told_time(now: datetime, released: datetime, written: datetime | None) -> Finding:
    """The wall clock against what must lie in its past: the newest Kafka's release, and the last write of the store."""
    fix = "Set the clock, best by a time service (chrony, systemd-timesyncd): signatures and certificates are judged by it."
    said = f"The clock says {now:%Y-%m-%d %H:%M:%S}Z"
    if now < released:
        return Finding("clock", State.WRONG, f"{said}, which is before the Kafka on offer was released.", fix)
    if written is not None and (written - now).total_seconds() > 300:
        return Finding(
            "clock", State.WARNING, f"{said}, and this home was written to at {written:%Y-%m-%d %H:%M:%S}Z.", fix
        )
    return Finding("clock", State.OK, f"{said}; clients must agree within five minutes.")
