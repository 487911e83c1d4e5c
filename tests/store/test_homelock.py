"""Two control planes on one home: the second finds out who is there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from penstock.store.homelock import Holder, HomeLock

HOLD = """
import os, sys
from pathlib import Path
from penstock.store.homelock import Holder, HomeLock
lock = HomeLock(Path(sys.argv[1]))
assert lock.acquire()
lock.say(Holder(os.getpid(), "127.0.0.1:9480"))
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_second_up_learns_who_holds_the_home_until_that_one_is_killed(
    tmp_path: Path, another_process: Callable[..., Popen[str]]
) -> None:
    path = tmp_path / "lock"
    first = another_process(HOLD, str(path))
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    lock = HomeLock(path)
    assert not lock.acquire()
    assert lock.holder() == Holder(first.pid, "127.0.0.1:9480")
    first.kill()
    first.wait()
    assert lock.holder() is None, "the word of the dead counts for nothing"
    assert lock.acquire()
    assert lock.held()
    assert lock.holder() is None, "the new holder has not spoken yet"
    lock.release()
    assert not lock.held()


def test_nobody_has_a_home_that_was_never_used(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path / "lock")
    assert not lock.held()
    assert lock.holder() is None
    assert list(tmp_path.iterdir()) == [], "looking makes no files"


def test_only_the_holder_may_speak_and_release_takes_the_word_back(tmp_path: Path) -> None:
    lock, other = HomeLock(tmp_path / "lock"), HomeLock(tmp_path / "lock")
    with pytest.raises(RuntimeError, match="acquire the lock first"):
        lock.say(Holder(1, "127.0.0.1:1"))
    assert lock.acquire()
    assert lock.acquire(), "asking twice does no harm"
    lock.say(Holder(os.getpid(), "127.0.0.1:1", tls=True))
    assert not other.acquire()
    seen = other.holder()
    assert seen is not None
    assert seen.endpoint == "https://127.0.0.1:1"
    lock.release()
    assert other.acquire()
    assert other.holder() is None
    other.release()


def test_a_node_that_outlives_the_control_plane_does_not_keep_the_home(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path / "lock")
    assert lock.acquire()
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, close_fds=False
    )
    try:
        lock.release()
        assert lock.acquire()
        lock.release()
    finally:
        child.communicate()
