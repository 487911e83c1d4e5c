"""The fake misbehaves as it is told, and no other way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fakes.memory_compute import fingerprint
from fakes.memory_machine import Crash
from fakes.worlds import CLUSTER, MemoryWorld, broker, gone, running, sees, specify

from penstock.compute.base import ComputeError
from penstock.model.action import How
from penstock.model.observation import Absent, Blocked, Gone, Known, Running, Unknown


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


def test_starts_fail_as_often_as_told(world: MemoryWorld) -> None:
    node = specify(world, broker(1))
    world.compute.of(node.id).start_fails = 2
    for _ in range(2):
        with pytest.raises(ComputeError):
            world.compute.start(node, [], fence=1)
    world.compute.start(node, [], fence=1)
    assert isinstance(sees(world, node.id), Running)


def test_a_node_that_dies_after_its_start_does_so_on_the_clock(world: MemoryWorld) -> None:
    node = specify(world, broker(1))
    world.compute.of(node.id).dies_after = timedelta(seconds=5)
    world.compute.start(node, [], fence=1)
    began = world.compute.clock()
    world.compute.clock.forward(4)
    assert running(world, node.id).cpu_seconds == 4.0
    world.compute.clock.forward(60)
    seen = gone(world, node.id)
    assert (seen.at, seen.status, seen.short_runs) == (began + timedelta(seconds=5), "exit status 1", 1)


def test_runs_of_half_a_minute_are_not_short(world: MemoryWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.compute.clock.forward(30)
    world.kill(node.id)
    assert gone(world, node.id).short_runs == 0


def test_a_stop_takes_its_time_or_is_never_answered(world: MemoryWorld) -> None:
    slow, deaf = specify(world, broker(1)), specify(world, broker(2))
    world.compute.of(slow.id).stop_takes = timedelta(seconds=3)
    world.compute.of(deaf.id).ignores_stop = True
    for node in (slow, deaf):
        world.compute.start(node, [], fence=1)
        world.compute.stop(node.id, How.GRACEFUL, fence=1)
        assert isinstance(sees(world, node.id), Running)
    world.compute.clock.forward(600)
    assert isinstance(sees(world, slow.id), Gone)
    assert isinstance(sees(world, deaf.id), Running)
    world.compute.stop(deaf.id, How.AT_ONCE, fence=1)
    assert isinstance(sees(world, deaf.id), Gone)


def test_what_is_not_known_and_what_is_blocked_are_told(world: MemoryWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.compute.of(node.id).unknown = "the disk does not answer"
    assert world.compute.sightings(CLUSTER)[node.id] == Unknown("the disk does not answer")
    world.compute.of(node.id).unknown = ""
    world.kill(node.id)
    world.compute.of(node.id).blocked = Blocked("A stranger.", "Stop it.")
    with pytest.raises(ComputeError, match=r"A stranger\. Stop it\."):
        world.compute.start(node, [], fence=1)
    assert sees(world, node.id) == Blocked("A stranger.", "Stop it.")


def test_a_crash_comes_after_the_work_is_done(world: MemoryWorld) -> None:
    one, two = specify(world, broker(1)), specify(world, broker(2))
    world.compute.crash_after = 1
    world.compute.start(one, [], fence=1)
    with pytest.raises(Crash):
        world.compute.start(two, [], fence=1)
    world.new_control_plane()
    assert isinstance(sees(world, two.id), Running)
    before = fingerprint(world.compute)
    world.compute.start(two, [], fence=1)
    assert fingerprint(world.compute) == before


def test_a_node_whose_first_start_crashed_before_any_run_is_absent(world: MemoryWorld) -> None:
    node = specify(world, broker(1))
    world.compute.of(node.id).start_fails = 1
    with pytest.raises(ComputeError):
        world.compute.start(node, [], fence=1)
    assert world.compute.sightings(CLUSTER)[node.id] == Known(Absent())


def test_a_futile_run_counts_however_long_it_was() -> None:
    world = MemoryWorld()
    node = specify(world, broker(1))
    for times in (1, 2):
        world.compute.start(node, [], fence=1)
        world.compute.clock.forward(90)
        world.compute.stop(node.id, How.AS_FUTILE, fence=1)
        assert gone(world, node.id).short_runs == times
