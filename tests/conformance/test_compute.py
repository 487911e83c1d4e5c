"""What every provider promises of nodes, told on processes and in memory."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from attrs import evolve
from fakes.worlds import CLUSTER, World, broker, eventually, gone, leaf, running, sees, specify

from penstock.compute.base import ComputeError, StaleFence
from penstock.compute.process import loopback
from penstock.model.action import How
from penstock.model.ids import ClusterId
from penstock.model.node import Applies, File
from penstock.model.observation import Absent, Gone, Known, Running


def test_a_started_node_runs_with_what_it_was_given(world: World) -> None:
    node = specify(world, broker(1))
    pem = leaf("leaf.pem", days=30)
    world.compute.start(node, [pem], fence=3)
    seen = running(world, node.id)
    assert (seen.revision, seen.start, seen.live, seen.fence) == ("one", node.start, node.live, 3)
    assert not seen.suspended
    assert seen.stopping is None
    assert world.file(node.id, "leaf.pem") == pem.content
    assert world.file(node.id, "password") == b"sesame"


def test_placeholders_become_real_paths(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    written = world.file(node.id, "server.properties").decode()
    assert "@" not in written
    assert f"key={world.compute.path(node.id, 'leaf.pem')}" in written
    assert b"@volume@" not in world.data(node.id)["meta.properties"]


def test_a_second_start_changes_nothing(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    first = running(world, node.id)
    world.compute.start(node, [], fence=1)
    assert running(world, node.id).pid == first.pid
    assert running(world, node.id).since == first.since


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel weighs no sessions")
def test_a_node_starts_in_the_background_and_comes_to_the_front(world: World) -> None:
    behind, before = specify(world, broker(1)), specify(world, broker(2))
    world.compute.start(before, [], fence=1)
    world.compute.start(behind, [], fence=1, background=True)
    assert running(world, behind.id).background
    assert not running(world, before.id).background
    world.compute.foreground(behind.id, fence=2)
    seen = running(world, behind.id)
    assert (seen.background, seen.fence) == (False, 2)
    with pytest.raises(StaleFence):
        world.compute.foreground(behind.id, fence=1)
    world.kill(behind.id)
    world.compute.foreground(behind.id, fence=2)
    world.compute.start(behind, [], fence=2)
    assert not running(world, behind.id).background


def test_a_running_node_is_left_alone_even_when_the_wish_is_another(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.compute.start(evolve(node, revision="two"), [], fence=1)
    assert running(world, node.id).revision == "one"


def test_a_cluster_that_is_not_known_has_no_nodes(world: World) -> None:
    assert world.compute.sightings(ClusterId("nobody-1")) == {}
    assert world.compute.clusters() == []


def test_a_killed_node_is_gone_with_its_signal_and_its_restart_keeps_the_data(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.put(node.id, "topic-0.log", b"acknowledged")
    pid = running(world, node.id).pid
    world.kill(node.id)
    seen = gone(world, node.id)
    assert seen.status == "signal 9 (SIGKILL)"
    assert seen.at is not None
    assert not seen.requested
    assert not seen.clean
    world.compute.start(node, [], fence=1)
    assert running(world, node.id).pid != pid
    assert world.data(node.id)["topic-0.log"] == b"acknowledged"


def test_a_graceful_stop_is_seen_as_ours_and_in_good_order(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    seen = gone(world, node.id)
    assert seen.requested
    assert seen.clean
    assert seen.short_runs == 0


def test_a_node_stopped_at_once_is_dead_on_return(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    seen = sees(world, node.id)
    assert isinstance(seen, Gone)
    assert seen.requested
    assert not seen.clean


def test_a_suspended_node_is_seen_as_such_and_ends_at_once(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.suspend(node.id)
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    seen = running(world, node.id)
    assert seen.suspended
    assert seen.stopping is not None
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    assert running(world, node.id).stopping == seen.stopping, "patience begins with the first asking"
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    assert isinstance(sees(world, node.id), Gone)


def test_stopping_what_does_not_run_is_no_error(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.stop(node.id, How.GRACEFUL, fence=1)
    world.compute.start(node, [], fence=1)
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    assert isinstance(sees(world, node.id), Gone)


def test_runs_that_end_soon_are_counted(world: World) -> None:
    node = specify(world, broker(1))
    for times in (1, 2, 3):
        world.compute.start(node, [], fence=1)
        world.kill(node.id)
        assert gone(world, node.id).short_runs == times


def test_a_stop_that_we_asked_for_is_no_failure(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.kill(node.id)
    world.compute.start(node, [], fence=1)
    world.compute.stop(node.id, How.AT_ONCE, fence=1)
    assert gone(world, node.id).short_runs == 0
    world.compute.start(node, [], fence=1)
    world.kill(node.id)
    assert gone(world, node.id).short_runs == 2, "the failure before the stop and the one after it"


def test_a_run_that_was_futile_counts_like_one_that_failed(world: World) -> None:
    node = specify(world, broker(1))
    for times in (1, 2, 3):
        world.compute.start(node, [], fence=1)
        world.compute.stop(node.id, How.AS_FUTILE, fence=1)
        seen = sees(world, node.id)
        assert isinstance(seen, Gone), "dead on return"
        assert (seen.requested, seen.short_runs) == (False, times)
        assert "did not come to serve" in seen.status
    world.compute.start(node, [], fence=1)
    world.kill(node.id)
    assert gone(world, node.id).short_runs == 4
    assert "did not come to serve" not in gone(world, node.id).status


def test_what_a_node_writes_to_its_log_is_noticed(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    eventually(lambda: running(world, node.id).said > 0)
    before = running(world, node.id).said
    assert running(world, node.id).said == before, "it has said nothing more"
    world.say(node.id, "a segment more")
    assert running(world, node.id).said != before
    assert world.compute.tail(node.id, 1) == ["a segment more"]


def test_an_older_control_plane_is_refused_every_change(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=7)
    pid = running(world, node.id).pid
    with pytest.raises(StaleFence):
        world.compute.stop(node.id, How.AT_ONCE, fence=6)
    with pytest.raises(StaleFence):
        world.compute.write(node, [], fence=6)
    with pytest.raises(StaleFence):
        world.compute.remove(node.id, fence=6)
    with pytest.raises(StaleFence):
        world.compute.start(node, [], fence=6)
    assert running(world, node.id).pid == pid


def test_a_newer_term_counts_from_its_first_word(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.compute.start(node, [], fence=2)
    assert running(world, node.id).fence == 2
    with pytest.raises(StaleFence):
        world.compute.stop(node.id, How.AT_ONCE, fence=1)


def test_renewed_leaves_and_live_files_are_visible_without_a_restart(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [leaf("leaf.pem", days=30)], fence=1)
    before = running(world, node.id)
    changed = evolve(node, files=(*node.files[:1], File("live.properties", b"second", Applies.LIVE), *node.files[2:]))
    world.compute.write(changed, [leaf("leaf.pem", days=60)], fence=1)
    after = running(world, node.id)
    assert after.pid == before.pid
    assert after.live == changed.live != before.live
    assert after.start == before.start
    assert world.file(node.id, "live.properties") == b"second"
    assert (after.leaves["leaf.pem"][1] - before.leaves["leaf.pem"][1]).days in (29, 30)


def test_writing_to_a_node_that_never_was_is_an_error(world: World) -> None:
    with pytest.raises(ComputeError, match="never started"):
        world.compute.write(specify(world, broker(1)), [], fence=1)


def test_removal_leaves_nothing_and_may_be_repeated(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    assert world.compute.remove(node.id, fence=1) is None
    assert world.compute.sightings(CLUSTER) == {}
    assert world.compute.clusters() == []
    assert world.compute.remove(node.id, fence=1) is None
    assert world.compute.tail(node.id, 5) == []


def test_a_stray_is_visible(world: World) -> None:
    node = specify(world, broker(1, ClusterId("forgotten-1")))
    world.compute.start(node, [], fence=1)
    world.new_control_plane()
    assert world.compute.clusters() == ["forgotten-1"]
    assert list(world.compute.sightings(ClusterId("forgotten-1"))) == [node.id]


def test_a_new_control_plane_finds_the_nodes_running(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    before = running(world, node.id)
    world.new_control_plane()
    assert running(world, node.id).pid == before.pid
    world.compute.start(node, [], fence=2)
    assert running(world, node.id).pid == before.pid


def test_a_node_that_ended_while_nobody_looked_is_gone_with_its_status(world: World) -> None:
    node = specify(world, broker(1))
    world.compute.start(node, [], fence=1)
    world.kill(node.id)
    world.new_control_plane()
    assert gone(world, node.id).status == "signal 9 (SIGKILL)"


def test_after_a_restart_of_the_machine_every_node_comes_back_with_its_data(world: World) -> None:
    nodes = [specify(world, broker(number)) for number in (1, 2, 3)]
    for node in nodes:
        world.compute.start(node, [], fence=1)
        world.put(node.id, "record", str(node.id).encode())
    world.restart_machine()
    world.new_control_plane()
    for node in nodes:
        seen = sees(world, node.id)
        assert isinstance(seen, Gone)
        assert (seen.at, seen.status, seen.short_runs) == (None, "the machine restarted", 0)
        world.compute.start(node, [], fence=2)
    for node in nodes:
        assert isinstance(sees(world, node.id), Running)
        assert world.data(node.id)["record"] == str(node.id).encode()


def test_the_end_of_a_node_wakes_the_loop(world: World) -> None:
    woken: list[ClusterId] = []
    node = specify(world, broker(1), ready_line="")
    world.compute.watch(woken.append)
    world.compute.start(node, [], fence=1)
    assert woken == []
    world.kill(node.id)
    eventually(lambda: woken == [CLUSTER])


def test_proposed_endpoints_do_not_meet(world: World) -> None:
    ports = {"CLIENT": 9092, "CLIENT_SECURE": 9094}
    first = world.compute.propose([(broker(n), n % 3, ports) for n in (1, 2, 3)], [])
    second = world.compute.propose([(broker(n), n % 3, ports) for n in (4, 5, 6)], first.values())
    everything = [(e.address, port) for e in (*first.values(), *second.values()) for port in e.ports.values()]
    assert len(set(everything)) == 12


def test_on_a_shared_address_every_listener_has_a_port_of_its_own(world: World) -> None:
    ports = {"CLIENT": 9092, "CLIENT_SECURE": 9094}
    own = world.compute.propose([(broker(1), 1, ports)], [])
    first = world.compute.propose([(broker(n), n % 3, ports) for n in (1, 2)], own.values(), shared="127.0.0.1")
    written = [*own.values(), *first.values()]
    second = world.compute.propose([(broker(3), 0, ports)], written, shared="127.0.0.1")
    ends = [*first.values(), *second.values()]
    assert {end.address for end in ends} == {"127.0.0.1"}
    assert len({port for end in ends for port in end.ports.values()}) == 6
    assert all(end.ports.keys() == ports.keys() for end in ends)


@pytest.mark.skipif(loopback.why_none() is not None, reason="this machine has no IPv6 loopback")
def test_endpoints_over_ipv6_do_not_meet_either(world: World) -> None:
    ports = {"CLIENT_IPV6": 20092, "CLIENT_SECURE_IPV6": 20094}
    first = world.compute.propose([(broker(n), n % 3, ports) for n in (1, 2)], [], ipv6=True)
    second = world.compute.propose([(broker(3), 0, ports)], first.values(), ipv6=True)
    ends = [*first.values(), *second.values()]
    assert all(ip_address(end.address).version == 6 for end in ends)
    assert len({(end.address, port) for end in ends for port in end.ports.values()}) == 6
    assert world.compute.capabilities.no_ipv6 is None


def test_a_node_whose_start_failed_was_never_started(world: World) -> None:
    node = specify(world, broker(1))
    world.refuse_next_start(node.id)
    with pytest.raises(ComputeError):
        world.compute.start(node, [], fence=1)
    assert world.compute.sightings(CLUSTER)[node.id] == Known(Absent())
    world.compute.start(node, [], fence=1)
    assert isinstance(sees(world, node.id), Running)
