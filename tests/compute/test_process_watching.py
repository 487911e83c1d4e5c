"""The loop is woken by what happens to nodes, within milliseconds."""

from __future__ import annotations

import os
import signal
import time

from fakes.worlds import CLUSTER, ProcessWorld, broker, eventually, running, specify

from penstock.model.ids import ClusterId


def test_the_end_of_a_node_and_its_readiness_wake_the_loop_at_once(world: ProcessWorld) -> None:
    woken: list[tuple[ClusterId, float]] = []
    world.compute.watch(lambda cluster: woken.append((cluster, time.monotonic())))
    node = specify(
        world, broker(1), ("/bin/sh", "-c", "echo starting; sleep 0.1; printf rea; sleep 0.05; echo dy; exec sleep 600")
    )
    began = time.monotonic()
    world.compute.start(node, [], fence=1)
    eventually(lambda: len(woken) == 1)
    assert woken[0][1] - began >= 0.1
    assert "ready" in world.compute.tail(node.id, 1)[0]
    killed = time.monotonic()
    os.kill(running(world, node.id).pid, signal.SIGKILL)
    eventually(lambda: len(woken) == 2)
    assert woken[1][0] == CLUSTER
    assert woken[1][1] - killed < 1.0, "a period would be much longer"


def test_a_control_plane_that_comes_back_is_woken_by_nodes_that_it_did_not_start(world: ProcessWorld) -> None:
    node = specify(world, broker(1), ready_line="")
    world.compute.start(node, [], fence=1)
    world.new_control_plane()
    woken: list[ClusterId] = []
    world.compute.watch(woken.append)
    world.kill(node.id)
    eventually(lambda: woken == [CLUSTER])


def test_a_node_that_was_ready_before_anybody_watched_is_worth_a_look(world: ProcessWorld) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    eventually(lambda: world.compute.tail(node.id, 1) == ["ready"])
    world.new_control_plane()
    woken: list[ClusterId] = []
    world.compute.watch(woken.append)
    eventually(lambda: woken == [CLUSTER])


def test_the_ready_line_of_an_earlier_run_does_not_count(world: ProcessWorld) -> None:
    first = specify(world, broker(1))
    world.compute.start(first, [], fence=1)
    eventually(lambda: world.compute.tail(first.id, 1) == ["ready"])
    world.kill(first.id)
    woken: list[ClusterId] = []
    world.compute.watch(woken.append)
    eventually(lambda: woken == [CLUSTER])  # for its end
    world.compute.start(specify(world, broker(1), ("/bin/sh", "-c", "echo busy; exec sleep 600")), [], fence=1)
    eventually(lambda: world.compute.tail(first.id, 1) == ["busy"])
    time.sleep(0.1)
    assert woken == [CLUSTER]


def test_a_wake_that_fails_does_not_end_the_watching(world: ProcessWorld) -> None:
    woken: list[ClusterId] = []

    def wake(cluster: ClusterId) -> None:
        woken.append(cluster)
        raise RuntimeError("the store is away")

    world.compute.watch(wake)
    for number in (1, 2):
        node = specify(world, broker(number), ready_line="")
        world.compute.start(node, [], fence=1)
        world.kill(node.id)
        eventually(lambda number=number: len(woken) == number)
