"""The keeper of one node: starts it, waits for it, writes down how it ended, rotates its log.

A script of the standard library alone, run as `python -I -S keeper.py <node directory>` in a session of its own, so that
nothing that happens to the control plane reaches the node. Its orders come as JSON on standard input:

    {"mode": "start", "run": str, "boot": str, "command": [str], "environment": {str: str}, "work": path,
     "uid": int | null, "gid": int | null, "files": int, "background": bool, "rotate_bytes": int, "rotate_seconds": float}
    {"mode": "attach", "boot": str, "rotate_bytes": int, "rotate_seconds": float}

and it answers with one line on standard output: `{"pid": int}` or `{"error": str, "errno": int | null, "stage": str}`.
In the node's directory it writes `keeper.json` (itself), `run.json` (the run), `ended.json` (the last runs that ended, newest
last). `clock` in them is the boot-time clock, which nobody can set: what the wall clock said beside it is for people.
Invariants: `run.json` exists before the command's first instruction; while the node or its first keeper lives, the lock on
the file `lock` is held; at most one keeper holds `keeper.lock`; killing a keeper never touches the node."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any

HISTORY = 20
"""Ended runs that are kept."""
FUTILE = "as futile"
"""How a run was stopped that never came to its work: that is no wish of anybody's, but a failure of the run."""


def write(path: str, value: object) -> None:
    """Replace a JSON file: readers see the old one or the new one, never a part."""
    fresh = f"{path}.{os.getpid()}"
    try:
        with open(fresh, "w", encoding="utf-8") as file:
            json.dump(value, file)
        os.replace(fresh, path)
    except OSError:
        if os.path.exists(fresh):
            os.unlink(fresh)
        raise


def read(path: str) -> Any:
    """A JSON file's value; None where there is none or it cannot be understood."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def birth(pid: int) -> int:
    """When a process was born, in clock ticks since boot (field 22 of proc(5) stat); with pid and boot it names a process."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def raise_limit(files: int) -> None:
    """Open files as wanted, or as many as this user may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else max(files, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, wanted))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard), hard))


def lock(path: str) -> int | None:
    """A descriptor that holds the lock on a file, or None where another process holds it."""
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def become(directory: str, orders: dict[str, Any], failed: int, held: int) -> None:
    """In the forked child: write the run down, then turn into the node. Returns never."""
    stage = "record"
    try:
        log = os.open(f"{directory}/node.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        write(
            f"{directory}/run.json",
            {
                "run": orders["run"],
                "boot": orders["boot"],
                "pid": os.getpid(),
                "birth": birth(os.getpid()),
                "started": time.time(),
                "clock": time.clock_gettime(time.CLOCK_BOOTTIME),
                "log": os.fstat(log).st_size,
                "background": orders["background"],
            },
        )
        stage = "user"
        raise_limit(orders["files"])
        os.chdir(orders["work"])
        os.umask(0o027)
        if orders["uid"] is not None:
            os.setgroups([])
            os.setgid(orders["gid"])
            os.setuid(orders["uid"])
        stage = "command"
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            # Python ignores SIGPIPE and a shell may ignore others; ignored signals would stay ignored past the exec.
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.set_inheritable(held, True)
        os.execvpe(orders["command"][0], orders["command"], orders["environment"])  # noqa: S606 - no shell is the point
    except OSError as error:
        answer = {"error": error.strerror or str(error), "errno": error.errno, "stage": stage}
        os.write(failed, json.dumps(answer).encode())
    finally:
        os._exit(127)


def rotate(directory: str, limit: int) -> None:
    """Copy a log that has grown past the limit to `node.log.1` and empty it.

    Copied and truncated, not renamed: the node holds the file open for its whole life, and appending goes on at the
    file's new end. What it writes between the copy and the truncation is lost."""
    path = f"{directory}/node.log"
    try:
        if os.stat(path).st_size <= limit:
            return
        with open(path, "rb") as old, open(f"{path}.new", "wb") as new:
            while block := old.read(1 << 20):
                new.write(block)
        os.chmod(f"{path}.new", 0o640)
        os.replace(f"{path}.new", f"{path}.1")
        os.truncate(path, 0)
    except OSError as error:
        print(f"the log was not rotated: {error}", file=sys.stderr, flush=True)


def keep(directory: str, handle: int, orders: dict[str, Any]) -> None:
    """Wait until the process behind the handle has ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    while not poll.poll(orders["rotate_seconds"] * 1000):
        rotate(directory, orders["rotate_bytes"])


def record(directory: str, run: dict[str, Any], status: int | None) -> None:
    """Write down the end of a run; `status` is that of waitpid, None where only the end was seen."""
    stop = read(f"{directory}/stop.json") or {}
    ours = stop.get("run") == run["run"]
    futile = ours and stop.get("how") == FUTILE
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    ended = {
        "run": run["run"],
        "ended": time.time(),
        "clock": now,
        "seconds": now - run["clock"],
        "code": None if status is None else os.waitstatus_to_exitcode(status),
        "requested": ours and not futile,
        "futile": futile,
    }
    write(f"{directory}/ended.json", [*(read(f"{directory}/ended.json") or []), ended][-HISTORY:])


def start(directory: str, orders: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Start the node; the answer for the control plane, and the pid (0: not started)."""
    held = lock(f"{directory}/lock")
    if held is None:
        return {"error": "another process holds the node's lock", "errno": None, "stage": "lock"}, 0
    before = read(f"{directory}/run.json")
    told, failed = os.pipe()  # closed by a successful exec, so its end without words means success
    pid = os.fork()
    if pid == 0:
        become(directory, orders, failed, held)
    os.close(failed)
    with os.fdopen(told, "rb") as file:
        words = file.read()
    if not words:
        return {"pid": pid}, pid
    os.waitpid(pid, 0)
    # The node never ran: the record of the run before it is the truth again.
    if before is not None:
        write(f"{directory}/run.json", before)
    elif os.path.exists(f"{directory}/run.json"):
        os.unlink(f"{directory}/run.json")
    answer: dict[str, Any] = json.loads(words)
    return answer, 0


def main(directory: str) -> None:
    orders: dict[str, Any] = json.load(sys.stdin)
    if os.fork():
        os._exit(0)  # the control plane reaps this one at once; the keeper belongs to init
    report = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def answer(words: dict[str, Any]) -> None:
        os.write(report, json.dumps(words).encode() + b"\n")
        os.close(report)

    if lock(f"{directory}/keeper.lock") is None:
        return answer({"error": "the node has a keeper", "errno": None, "stage": "keeper"})
    try:
        write(f"{directory}/keeper.json", {"boot": orders["boot"], "pid": os.getpid(), "birth": birth(os.getpid())})
        if orders["mode"] == "start":
            words, pid = start(directory, orders)
            run = read(f"{directory}/run.json")
            handle = os.pidfd_open(pid) if pid else None
        else:
            run = read(f"{directory}/run.json")
            handle = os.pidfd_open(run["pid"])
            if birth(run["pid"]) != run["birth"]:
                raise ProcessLookupError
            words, pid = {"pid": run["pid"]}, 0
    except OSError as error:
        return answer({"error": error.strerror or str(error), "errno": error.errno, "stage": "record"})
    answer(words)
    if handle is None:
        return None
    keep(directory, handle, orders)
    return record(directory, run, os.waitpid(pid, 0)[1] if pid else None)


if __name__ == "__main__":
    main(sys.argv[1])
