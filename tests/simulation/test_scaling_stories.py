"""Brokers that join and leave under a simulated clock: what moves, what is closed, what is kept."""

from cProfile import Profile

import pytest
from simulation.play import Play

from penstock.control.cluster.rebalance.goal import goal
from penstock.kafka import canary
from penstock.model.operation import OperationState
from penstock.model.spec import ClusterState


@pytest.fixture
def six(store):
    """Six brokers at rest."""
    play = Play(store, brokers=6, topics=((3, 2),) * 8)
    play.until(play.at_rest, 60)
    play.machine.verbs.clear()
    yield play
    play.clear_up()


def replicas(play):
    return {number for partition in play.kafka.topics for number in partition.replicas}


def test_brokers_that_join_get_their_share_and_nobody_is_restarted(store):
    play = Play(store, topics=((3, 2),) * 8)
    play.until(play.at_rest, 60)
    play.machine.verbs.clear()
    play.scale_out()
    play.settle(120)
    assert replicas(play) == {1, 2, 3, 4, 5, 6}
    assert not [verb for verb in play.machine.verbs if verb.startswith("stop")]
    assert play.record().spec.api["NumberOfBrokerNodes"] == 6
    play.clear_up()


def limits(play):
    """The limits that brokers had one after another, in MiB a second; None: none."""
    told = [verb.partition(" ")[2] for verb in play.machine.verbs if verb.startswith("limit ")]
    return [None if rate == "None" else int(rate) >> 20 for rate in told]


@pytest.mark.parametrize("bears", [2, 64])
def test_beside_producers_the_rate_follows_what_they_feel_and_the_end_is_reached(store, bears):
    play = Play(store, topics=((3, 2),) * 8)
    play.until(play.at_rest, 60)
    play.kafka.bears = bears << 20
    for partition in play.kafka.topics:
        partition.size = 64 << 20
    assert play.scale_out()
    play.settle(400)
    *steered, last = limits(play)
    assert last is None
    assert steered[:2] == ([8, 4] if bears == 2 else [8, 12])
    assert steered == sorted(steered, reverse=bears == 2), "it falls where they wait, and rises where they do not"
    assert replicas(play) == {1, 2, 3, 4, 5, 6}
    play.clear_up()


def goals(play):
    """How often the next moment's passes decide where everything should be, as the interpreter counts; and how many they are."""
    before = play.passes
    with Profile() as profile:
        play.run(0.1)
    called = sum(entry.callcount for entry in profile.getstats() if entry.code is goal.__code__)
    return called, play.passes - before


def test_a_pass_decides_once_what_is_to_be_moved_and_one_that_moves_nothing_does_not(store):
    play = Play(store, topics=((3, 2),) * 8)
    play.until(play.at_rest, 60)
    play.scale_out()
    moments = []
    while not play.at_rest():
        moments.append(goals(play))
        assert len(moments) < 1000, play.told()
    assert all(called <= passes for called, passes in moments)
    assert any(called for called, _ in moments)
    assert play.kafka.moving.moves
    play.reboot(play.node(0))
    play.until(lambda: play.machine.process(play.node(0)) is None)
    assert not any(goals(play)[0] for _ in range(100))
    assert play.at_rest(), play.told()
    play.clear_up()


def test_with_the_setting_off_brokers_join_and_nothing_moves(store):
    play = Play(store, topics=((3, 2),) * 8)
    play.until(play.at_rest, 60)
    play.scale_out(rebalance=False)
    play.settle(60)
    assert play.kafka.moving.moves == 0
    assert replicas(play) == {1, 2, 3}
    play.clear_up()


@pytest.mark.parametrize("cordons", [True, False])
def test_brokers_that_leave_are_emptied_one_after_another_and_their_volumes_kept(six, cordons):
    six.kafka.moving.cordons = cordons
    volumes = {node: six.machine.volumes[node] for node in six.nodes()[3:6]}
    six.scale_in()
    six.settle(200)
    assert six.machine.kept == {node: [volume] for node, volume in volumes.items()}
    acts = [verb for verb in six.machine.verbs if verb.endswith("broker 4") or verb == "unregister 4"]
    assert acts[-3:] == ["retire broker 4", "unregister 4", "quarantine broker 4"]
    assert replicas(six) == {1, 2, 3}
    assert six.kafka.moving.closed == ({4, 5, 6} if cordons else set())


def test_a_topic_that_is_made_while_brokers_leave_is_made_elsewhere(six):
    six.scale_in()
    six.until(lambda: len(six.kafka.moving.closed) == 3, 10)
    assert six.kafka.make_topic("late", 6, 3, 2)
    assert {number for p in six.kafka.topics if p.topic == "late" for number in p.replicas} == {1, 2, 3}
    six.settle(200)


def test_a_topic_that_is_made_a_moment_before_they_are_closed_is_moved_too(six):
    six.scale_in()
    assert six.kafka.make_topic("early", 6, 3, 2)
    six.settle(200)
    assert replicas(six) == {1, 2, 3}


def test_where_brokers_cannot_be_closed_what_is_made_while_they_leave_is_moved_too(six):
    six.kafka.moving.cordons = False
    six.scale_in()
    six.until(lambda: not six.kafka.holds(6), 100)
    assert six.kafka.make_topic("late", 6, 3, 2)
    assert six.kafka.holds(6)
    six.settle(200)
    assert replicas(six) == {1, 2, 3}


def test_a_topic_that_needs_the_brokers_that_leave_keeps_them_and_says_why(store):
    play = Play(store, brokers=6, topics=((3, 2),) * 3)
    play.until(play.at_rest, 60)
    assert play.kafka.make_topic("wide", 1, 5, 2)
    play.scale_in()
    play.run(60)
    assert play.state is ClusterState.UPDATING
    assert any("lower its replication factor" in wait for wait in play.record().status.waiting)
    assert {4, 5} & {number for p in play.kafka.topics if p.topic == "wide" for number in p.replicas}
    play.kafka.topics[:] = [partition for partition in play.kafka.topics if partition.topic != "wide"]
    play.settle(200)
    play.clear_up()


def test_brokers_that_were_to_leave_and_stay_are_all_open_to_topics_again(store):
    play = Play(store, brokers=6, topics=(), patience=60)
    play.until(play.at_rest, 60)
    assert play.kafka.make_topic("wide", 1, 5, 2)
    assert play.scale_in()
    play.judge.disturbed()  # what needs five brokers has befallen it
    play.until(lambda: play.kafka.moving.closed == {4, 5, 6}, 20)
    play.until(lambda: play.open() is None, 200)
    (operation,) = play.operations()
    assert operation.state is OperationState.UPDATE_FAILED
    assert "the cluster is what it was before" in operation.error_string
    assert play.kafka.moving.closed == set()
    play.clear_up()


@pytest.mark.parametrize("rebalance", [True, False])
def test_a_number_that_left_and_comes_again_is_open_to_topics(six, rebalance):
    six.scale_in()
    six.settle(200)
    assert six.kafka.moving.closed == {4, 5, 6}
    six.scale_out(rebalance=rebalance)
    six.settle(200)
    assert six.kafka.moving.closed == set()
    assert six.kafka.make_topic("after", 6, 3, 2)
    assert replicas(six) == {1, 2, 3, 4, 5, 6}
    assert [operation.state for operation in six.operations()] == [OperationState.UPDATE_COMPLETE] * 2


def test_of_two_brokers_that_lost_their_volumes_the_second_waits_until_the_first_has_everything(six):
    for index in (0, 1):
        six.lose_volume(six.node(index))
    six.settle(200)


def test_a_cluster_is_deleted_while_brokers_leave(six):
    six.scale_in()
    six.until(lambda: "retire broker 4" in six.machine.verbs, 100)
    six.delete()
    six.settle(60)


def test_a_broker_that_loses_its_volume_when_it_is_empty_leaves_all_the_same(six):
    six.scale_in()
    six.until(lambda: not six.kafka.holds(6) and len(six.kafka.moving.closed) == 3, 60)
    six.lose_volume(six.node(5))
    six.settle(200)


@pytest.mark.parametrize("crash_after", [None, 0])
def test_where_one_cannot_even_begin_to_join_all_that_joined_leave_again(store, crash_after):
    play = Play(store, topics=((3, 2),) * 8, patience=60)
    play.until(play.at_rest, 60)
    before = {process.spec.id: process.pid for process in play.machine.running()}
    assert play.scale_out()
    fifth = play.node(4)
    play.refuse_starts(fifth, 1_000_000)
    play.until(lambda: play.open().work.setback, 100)
    play.machine.crash_after = crash_after
    play.until(lambda: play.open() is None, 100)
    (operation,) = play.operations()
    assert (operation.state, operation.error_code) == (OperationState.UPDATE_FAILED, "NO_PROGRESS")
    assert {process.spec.id: process.pid for process in play.machine.running()} == before
    assert fifth not in play.machine.sightings(fifth.cluster), "a directory of it is left"
    play.clear_up()


@pytest.fixture
def stuck(store):
    """Half of the data is on its way to brokers that have joined, when one of them dies and does not come back."""
    play = Play(store, topics=((3, 2),) * 8, patience=60)
    play.until(play.at_rest, 60)
    for partition in play.kafka.topics:
        partition.size = 256 << 20
    assert play.scale_out()
    play.until(lambda: any(5 in p.adding for p in play.kafka.topics) and play.kafka.moving.slowed, 60)
    play.refuse_starts(play.node(4), 1_000_000)
    play.kill(play.node(4))
    yield play
    play.clear_up()


def moving(play):
    return [partition.key for partition in play.kafka.topics if partition.adding]


def test_what_was_under_way_is_taken_back_when_more_brokers_are_given_up(stuck):
    stuck.until(lambda: stuck.open().work.setback, 100)
    stuck.run(5)
    assert not moving(stuck)
    assert not stuck.kafka.moving.slowed
    assert stuck.kafka.moving.rate is None, "brokers that serve are slowed down still"
    stuck.machine.ill(stuck.node(4)).refuses = 0
    stuck.until(lambda: stuck.open() is None, 60)
    (operation,) = stuck.operations()
    assert (operation.state, operation.error_code) == (OperationState.UPDATE_FAILED, "NO_PROGRESS")
    assert "the brokers that joined stay" in operation.error_string
    assert stuck.kafka.moving.rate is None
    stuck.until(lambda: stuck.state is ClusterState.ACTIVE, 60)
    assert stuck.scale_in()
    stuck.settle(300)
    assert replicas(stuck) == {1, 2, 3}


@pytest.mark.parametrize("crash_after", [None, 0])
def test_a_late_failure_slows_nobody_down_and_looks_again_when_the_broker_is_back(stuck, crash_after):
    stuck.until(lambda: stuck.kafka.moving.rate is not None, 60)
    stuck.until(lambda: stuck.open() is None, 200)
    (operation,) = stuck.operations()
    assert "and it is not back yet" in operation.error_string
    assert stuck.kafka.moving.rate is None
    assert not stuck.kafka.moving.slowed
    assert stuck.record().status.throttled == (canary.TOPIC, "orders")
    stuck.machine.ill(stuck.node(4)).refuses = 0
    stuck.machine.crash_after = crash_after
    stuck.run(20)
    stuck.settle(60)
    assert stuck.record().status.throttled == ()


def test_a_control_plane_that_dies_while_it_takes_moves_back_leaves_none(stuck):
    stuck.until(lambda: stuck.open().work.setback, 100)
    for _ in range(12):
        stuck.machine.crash_after = 0
        stuck.run(2)
    stuck.machine.crash_after = None
    stuck.run(5)
    assert not moving(stuck)
    assert not stuck.kafka.moving.slowed


def test_brokers_that_were_to_leave_when_a_late_failure_ended_the_operation_leave_all_the_same(store):
    play = Play(store, topics=((3, 2),) * 3, patience=60)
    play.until(play.at_rest, 60)
    assert play.scale_out()
    play.fail_starts(play.node(4), 1_000_000)
    play.until(lambda: play.kafka.serves(4) and play.kafka.serves(6), 60)
    assert play.kafka.make_topic("early", 6, 3, 2)
    play.refuse_starts(play.node(0), 1_000_000)
    play.kill(play.node(0))
    play.until(lambda: play.open() is None, 200)
    assert [place.id.number for place in play.record().spec.brokers if place.leaving], "nothing has to leave any more"
    assert {4, 6} & replicas(play), "brokers that must leave hold nothing"
    assert play.scale_out() is None, "nothing else may begin before"
    play.machine.ill(play.node(0)).refuses = 0
    play.machine.ill(play.node(4)).fails = 0
    play.settle(120)
    assert [place.id.number for place in play.record().spec.brokers] == [1, 2, 3]
    assert play.record().spec.retired == ()
    assert not play.kafka.moving.slowed
    assert play.record().status.throttled == ()
    assert play.scale_out()
    play.settle(200)
    assert replicas(play) == {1, 2, 3, 4, 5, 6}
    play.clear_up()
