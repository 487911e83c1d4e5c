"""When nodes were asked to stop and when they ended: on a clock that nobody sets, and never without the signal."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from fakes.worlds import ProcessWorld, broker, gone, running, specify

from penstock.compute.base import ComputeError
from penstock.compute.process import process
from penstock.model.action import How
from penstock.model.node import NodeSpec

HOUR = timedelta(hours=1)
MOMENT = timedelta(seconds=20)
DEAF = ("/bin/sh", "-c", "mkfifo never; trap 'echo asked' TERM; echo ready; while :; do read line <>never; done")
"""Hears SIGTERM, says so, and stays."""


def deaf(world: ProcessWorld) -> NodeSpec:
    """A node that is asked to stop and does not."""
    node = specify(world, broker(1), DEAF)
    world.compute.start(node, [], fence=1)
    said(world, node, "ready")
    return node


def said(world: ProcessWorld, node: NodeSpec, line: str, times: int = 1) -> None:
    """It says the line so many times, within seconds."""
    until = time.monotonic() + 5
    while list(world.compute.tail(node.id, 100)).count(line) < times:
        assert time.monotonic() < until, world.compute.tail(node.id, 100)
        time.sleep(0.005)


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_wall_clock_that_was_set_makes_nothing_older_or_younger(world: ProcessWorld, step: timedelta) -> None:
    began = datetime.now(UTC) - step  # what the clock of the loop says, since the wall clock was set after its start
    world.compute.close()
    world.compute = world.open(began=began)
    node = deaf(world)
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    seen = running(world, node.id)
    assert seen.stopping is not None
    assert began <= seen.since <= seen.stopping < began + MOMENT
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    at = gone(world, node.id).at
    assert at is not None
    assert seen.stopping <= at < began + MOMENT
    world.home.place(node.id).record("ended").unlink()  # nobody saw the end: what it wrote last counts
    at = gone(world, node.id).at
    assert at is not None
    assert seen.since <= at < began + MOMENT


def test_a_log_that_was_written_ahead_of_the_wall_clock_tells_no_moment(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    place = world.home.place(node.id)
    place.record("ended").unlink()
    ahead = time.time() + 3600  # the wall clock was set back since
    os.utime(place.log, (ahead, ahead))
    seen = gone(world, node.id)
    assert (seen.at, seen.status) == (None, "unknown")


def test_records_of_an_older_format_are_not_believed_where_they_tell_the_wall_clock(world: ProcessWorld) -> None:
    node = deaf(world)
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    place = world.home.place(node.id)
    old = json.loads(place.record("stop").read_bytes())
    place.record("stop").write_text(json.dumps({"run": old["run"], "how": old["how"], "at": time.time() - 3600}))
    before = datetime.now(UTC)
    world.new_control_plane()
    seen = running(world, node.id)
    assert seen.stopping is not None, "an older control plane wrote it, and the node is on its way down"
    assert before <= seen.stopping < before + MOMENT
    assert not seen.signalled
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    assert running(world, node.id).signalled
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    gone(world, node.id)
    history = json.loads(place.record("ended").read_bytes())
    del history[-1]["clock"]
    place.record("ended").write_text(json.dumps(history))
    ended = gone(world, node.id)
    assert (ended.at, ended.status, ended.requested) == (None, "signal 9 (SIGKILL)", True)


def test_a_stop_says_that_it_was_sent_and_the_first_one_counts(world: ProcessWorld) -> None:
    node = deaf(world)
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    first = running(world, node.id)
    assert first.signalled
    said(world, node, "asked")
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    assert running(world, node.id).stopping == first.stopping
    said(world, node, "asked", 2)


def test_a_control_plane_that_dies_before_the_signal_leaves_a_stop_that_is_seen_as_not_sent(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = deaf(world)

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(signal, "pidfd_send_signal", die)
        with pytest.raises(SystemExit):
            world.compute.stop(node.id, How.GRACEFUL, fence=1)
    world.new_control_plane()
    unsent = running(world, node.id)
    assert unsent.stopping is not None
    assert not unsent.signalled
    assert "asked" not in world.compute.tail(node.id, 10)
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    said(world, node, "asked")
    sent = running(world, node.id)
    assert sent.signalled
    assert sent.stopping is not None
    assert sent.stopping > unsent.stopping, "patience begins with the signal"


def test_a_node_that_cannot_be_signalled_was_not_asked_and_the_error_says_what_to_do(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = deaf(world)

    def full(pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(process.os, "pidfd_open", full)
        for how in How:
            with pytest.raises(ComputeError, match=r"Too many open files; .*ulimit -n"):
                world.compute.stop(node.id, how, fence=1)
            assert running(world, node.id).stopping is None
        with pytest.raises(ComputeError, match=r"Too many open files; .*ulimit -n"):
            world.compute.remove(node.id, fence=1)
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    said(world, node, "asked")
