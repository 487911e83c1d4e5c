"""Nodes that ended come back, and UnregisterBroker is used only where it can do no harm (kafka.md 3.3)."""

import pytest
from attrs import evolve
from fakes.views import ago, broker, brokers_of, controller, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.rules.bootstrap import bootstrap
from penstock.control.cluster.rules.revive import pause, revive
from penstock.model.action import Start, Unregister
from penstock.model.observation import Absent, Blocked, Gone, Known, Partition, Unknown


def kinds(seen):
    return [type(reasoned.action) for reasoned in seen.plan().actions]


def test_a_killed_broker_is_unregistered_by_those_that_live_and_started_at_once():
    assert three_brokers().killed(broker(2)).text() == snapshot("""\
unregister broker 2 | broker 2 ended with signal 9 (SIGKILL) | heals
start broker 2 | broker 2 ended with signal 9 (SIGKILL) | heals\
""")


def test_the_order_to_unregister_names_live_brokers_alone():
    action = three_brokers().killed(broker(2)).plan().actions[0].action
    assert isinstance(action, Unregister)
    assert action.via == (broker(1), broker(3))


def test_it_starts_with_its_old_address_and_its_old_volume():
    seen = three_brokers()
    start = seen.killed(broker(2)).plan().actions[-1].action
    assert isinstance(start, Start)
    assert start.node == seen.view.node(broker(2))


def test_a_killed_controller_is_started_at_once_and_nobody_is_unregistered():
    assert three_brokers().killed(controller(2)).text() == snapshot(
        "start controller 10002 | controller 10002 ended with signal 9 (SIGKILL) | heals"
    )


def test_two_brokers_dead_at_once_wait_for_the_end_of_their_sessions():
    assert three_brokers().killed(broker(1)).killed(broker(2)).text() == snapshot("""\
start broker 1 | broker 1 ended with signal 9 (SIGKILL) | heals
start broker 2 | broker 2 ended with signal 9 (SIGKILL) | heals\
""")


def test_everything_down_is_a_start_and_not_a_failure():
    seen = three_brokers()
    for node in seen.view.layout:
        seen = seen.killed(node.id)
    assert kinds(seen) == [Start] * 6


def test_nobody_is_unregistered_while_another_broker_does_not_serve():
    assert kinds(three_brokers().killed(broker(1)).fenced(2)) == [Start]


def test_nobody_is_unregistered_while_another_broker_is_frozen_and_its_session_still_counts():
    seen = three_brokers().killed(broker(1)).with_run(broker(2), suspended=True).silent(broker(2), 1)
    assert Unregister not in kinds(seen)


def test_a_controller_that_died_as_well_is_reason_enough_not_to_unregister():
    assert Unregister not in kinds(three_brokers().killed(broker(1)).killed(controller(1)))


@pytest.mark.parametrize(
    ("partition", "unregistered"),
    [
        (Partition("a", 0, 2, (2, 3), (2, 3)), True),
        (Partition("a", 0, 3, (2, 3), (3,)), True),
        (Partition("a", 0, 2, (2, 3), (2,)), False),
        (Partition("a", 0, 2, (2,), (2,)), False),
        (Partition("a", 0, 1, (1,), (1,)), True),
    ],
    ids=["another in sync", "it was out of sync", "the last in sync", "the only replica", "holds no replica"],
)
def test_every_partition_of_the_dead_broker_needs_another_live_replica_in_sync(partition, unregistered):
    seen = three_brokers().with_topics(partition).killed(broker(2))
    assert (Unregister in kinds(seen)) is unregistered
    assert kinds(seen)[-1] is Start


def test_nobody_is_unregistered_on_a_guess():
    killed = three_brokers().killed(broker(2))
    assert Unregister not in kinds(killed.but(partitions=Unknown("no broker is fresh")))
    assert Unregister not in kinds(killed.but(brokers=Unknown("nobody answered")))


def test_the_partitions_are_looked_at_before_anybody_is_unregistered():
    assert three_brokers().killed(broker(2)).only(2).drafted(revive).depth == 3


def test_nothing_is_looked_at_in_vain_for_a_broker_whose_session_has_ended():
    assert three_brokers().killed(broker(2), seconds=10).only(2).drafted(revive).depth == 2


def test_a_broker_that_was_never_complete_is_not_unregistered():
    assert kinds(three_brokers().creating().killed(broker(2))) == [Start]


def test_a_session_that_has_ended_needs_no_order_so_one_that_fails_cannot_hold_up_the_start_for_ever():
    assert kinds(three_brokers().killed(broker(2), seconds=3)) == [Unregister, Start]
    assert kinds(three_brokers().killed(broker(2), seconds=5)) == [Start]


def test_a_broker_that_is_not_registered_is_simply_started():
    assert kinds(three_brokers().unregistered(2).killed(broker(2))) == [Start]


def test_a_single_broker_is_started_and_never_unregistered():
    assert kinds(brokers_of(1).killed(broker(1))) == [Start]


@pytest.mark.parametrize(("runs", "seconds"), [(0, 0), (1, 0), (2, 2), (3, 4), (4, 8), (5, 16), (7, 60), (500, 60)])
def test_pauses_grow_and_end_at_a_minute(runs, seconds):
    assert pause(runs).total_seconds() == seconds


def test_a_node_that_keeps_ending_rests_and_its_last_words_and_the_next_try_are_told():
    seen = three_brokers().with_sighting(broker(2), Gone(ago(1), "exit status 1", short_runs=3))
    assert seen.text() == snapshot(
        "waits for broker 2: it ended soon after its start 3 times in a row (exit status 1); next try 12:00:03Z | heals"
    )


def test_after_its_pause_it_is_tried_again():
    seen = three_brokers().with_sighting(broker(2), Gone(ago(4), "exit status 1", short_runs=3))
    assert kinds(seen) == [Start]


def test_a_node_that_we_stopped_does_not_rest():
    seen = three_brokers().with_sighting(broker(2), Gone(ago(1), "exit status 143", 3, requested=True, clean=True))
    assert seen.text() == snapshot("""\
unregister broker 2 | broker 2 was stopped by us | heals
start broker 2 | broker 2 was stopped by us | heals\
""")


def test_a_node_whose_end_nobody_saw_is_started_whatever_is_counted():
    seen = three_brokers().with_sighting(broker(2), Gone(None, "unknown", short_runs=4))
    assert seen.text() == snapshot("start broker 2 | broker 2 ended with unknown | heals")


def test_not_seen_is_not_gone():
    assert three_brokers().with_sighting(broker(2), Unknown("its folder cannot be read")).text() == snapshot(
        "waits for broker 2: its folder cannot be read"
    )


def test_a_node_that_never_served_starts_behind_those_that_do_until_it_serves():
    seen = three_brokers()
    assert seen.with_sighting(broker(2), Absent()).text(bootstrap) == snapshot(
        "start broker 2 in the background | broker 2 was never started | heals"
    )
    behind = seen.with_run(broker(2), background=True)
    assert behind.text(bootstrap) == snapshot("give broker 2 its share of the CPUs | broker 2 serves")
    assert behind.fenced(2).text(bootstrap) == snapshot("nothing")
    assert behind.but(brokers=Unknown("no answer")).text(bootstrap) == snapshot("nothing")


def test_a_fresh_volume_of_a_broker_that_has_served_is_waited_for_and_nobody_goes_first():
    seen = three_brokers()
    place = evolve(seen.view.spec.place(broker(2)), served="lost", directory="fresh")
    begun = seen.with_spec(nodes=seen.view.spec.with_place(place).nodes).with_sighting(broker(2), Absent())
    assert begun.text(bootstrap) == snapshot("start broker 2 | broker 2 was never started | heals")


def test_a_new_cluster_starts_all_at_once_and_calls_it_no_repair():
    seen = three_brokers().creating()
    for node in seen.view.layout:
        seen = seen.with_sighting(node.id, Absent())
    assert seen.text() == snapshot("""\
start broker 1 | broker 1 was never started
start broker 2 | broker 2 was never started
start broker 3 | broker 3 was never started
start controller 10001 | controller 10001 was never started
start controller 10002 | controller 10002 was never started
start controller 10003 | controller 10003 was never started\
""")


def test_a_node_that_cannot_run_says_why_and_what_to_do():
    blocked = Blocked("Port 9092 of 127.64.0.1 is taken by pid 77.", "End that process.")
    assert three_brokers().with_sighting(broker(1), blocked).text() == snapshot("""\
waits for broker 1: Port 9092 of 127.64.0.1 is taken by pid 77. End that process. | heals\
""")


def test_in_a_create_that_is_a_reason_to_fail():
    blocked = Blocked("Port 9092 of 127.64.0.1 is taken by pid 77.", "End that process.")
    assert three_brokers().creating().with_sighting(broker(1), Known(blocked)).plan().stuck == snapshot(
        "broker 1 cannot run: Port 9092 of 127.64.0.1 is taken by pid 77. End that process."
    )


def test_a_healthy_cluster_has_nothing_to_do():
    assert three_brokers().text() == "nothing"
