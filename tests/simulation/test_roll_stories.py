"""Rolls under a simulated clock: batches of a zone, second failures, and brokers that take long to come back."""

from datetime import timedelta
from itertools import pairwise

import pytest
from attrs import evolve
from fakes.replicas import Replicas
from simulation.play import Play
from simulation.test_update_stories import brokers, check_done, enlarge, sized, stops

from penstock.model.ids import Role
from penstock.model.operation import OperationState

__all__ = ["sized"]


# -- a roll of six brokers in three zones

SPREAD = ((3, 2),) * 6
"""Partitions 1,2,3 / 2,3,4 / ...: three replicas in three zones."""


def wide(store, *topics):
    """Six brokers at rest."""
    play = Play(store, 6, topics=topics)
    play.until(play.at_rest)
    play.machine.verbs.clear()
    return play


@pytest.fixture
def six(store):
    play = wide(store, *SPREAD)
    yield play
    play.clear_up()


def restarts(play):
    return {node.number: len(play.machine.runs[node]) - 1 for node in brokers(play)}


def waves(play):
    """The numbers of the brokers that were stopped in one pass each, in order."""
    found = []
    for verb in play.machine.verbs:
        word, *rest = verb.split()
        if word == "stop" and found and found[-1][1]:
            found[-1][0].append(int(rest[1]))
        elif word == "stop":
            found.append(([int(rest[1])], True))
        elif found:
            found[-1] = (found[-1][0], False)
    return [numbers for numbers, _ in found]


def test_a_zone_is_restarted_at_once(six):
    enlarge(six)
    taken = six.until(six.at_rest, 120)
    assert waves(six) == [[1, 4], [2, 5], [3, 6]]
    assert set(restarts(six).values()) == {1}
    assert taken < 40
    told = six.record().status.pace
    assert set(told.starts) == {node.name for node in six.nodes()}
    assert 0 < told.settling < 10


def test_partitions_with_two_replicas_in_a_zone_keep_it_from_going_at_once(store):
    play = wide(store, (4, 3), (3, 2))
    enlarge(play)
    play.settle(200)
    assert [1, 4] not in waves(play), "replicas 2, 3, 4 and 1 of the first partition"
    assert set(restarts(play).values()) == {1}
    play.clear_up()


@pytest.mark.parametrize("crash_after", range(0, 16, 2))
def test_nobody_of_a_batch_is_restarted_twice_wherever_the_control_plane_dies(six, crash_after):
    six.machine.crash_after = crash_after
    enlarge(six)
    six.run(90)
    six.settle(200)
    assert six.crashes == 1
    assert set(restarts(six).values()) == {1}
    assert six.operations()[0].state is OperationState.UPDATE_COMPLETE


@pytest.mark.parametrize("victim", range(9))
@pytest.mark.parametrize("after", [0.2, 1.5, 3.0])
def test_a_node_that_dies_beside_a_batch_is_healed_first_and_the_roll_goes_on(six, victim, after):
    enlarge(six)
    six.run(after)
    six.kill(six.node(victim))
    six.settle(300)
    assert six.operations()[0].state is OperationState.UPDATE_COMPLETE
    mine = six.node(victim)
    assert all(count == 1 for number, count in restarts(six).items() if number != mine.number)
    if mine.role is Role.BROKER:
        assert restarts(six)[mine.number] <= 2


@pytest.mark.parametrize("dies", [False, True])
def test_a_stop_that_waited_long_for_a_thread_is_not_carried_out_and_the_next_look_decides(six, dies):
    """Acts of another cluster hold all threads for 10 s, and meanwhile a broker dies that the proof counted on."""
    prompt, begun = six.plane._around, []

    def held(act, groups):
        six.plane._around = prompt
        begun.append(six.machine.now)
        while six.machine.now < begun[0] + timedelta(seconds=10):
            six._tick()
        if dies:
            six.kill(six.node(2))
        return map(act, groups)

    six.plane._around = evolve(prompt, together=held)
    enlarge(six)
    six.until(lambda: begun, 20)
    assert waves(six) == []
    assert any("stop broker 1 gracefully was not done" in wait for wait in six.record().status.waiting)
    if not dies:
        assert six.until(lambda: waves(six) == [[1, 4]], 20) < 2
    six.settle(200)
    assert six.operations()[0].state is OperationState.UPDATE_COMPLETE
    assert all(count == 1 for number, count in restarts(six).items() if number != 3)


def test_a_reason_that_comes_in_the_middle_of_a_roll_costs_no_second_restart(six):
    enlarge(six)
    six.until(lambda: len(waves(six)) == 2, 60)
    for node in brokers(six)[2::3]:
        six.age_inner(node)
    six.settle(200)
    assert set(restarts(six).values()) == {1}


def test_the_next_batch_waits_until_replicas_have_caught_up_and_leaders_are_home(six):
    enlarge(six)
    judged = six.machine.before

    def judge(verb, node):
        if verb.startswith("stop"):
            others = [p for p in six.kafka.topics if set(p.isr) != set(p.replicas) or p.leader != p.replicas[0]]
            first = any(each in six.judge.disrupted for each in brokers(six))
            assert first or not others, f"{node} goes down and {others} have not settled"
        judged(verb, node)

    six.machine.before = judge
    six.settle(200)
    assert len(waves(six)) == 3


def test_a_broker_that_lost_its_volume_for_good_does_not_hold_the_others_up(store):
    """Broker 6 has a partition of its own, so it is given no fresh volume. Who shares no tight partition with it may go."""
    play = wide(store, (3, 1), (3, 1), (3, 1), (3, 1), (3, 1), (3, 2))
    play.kafka.topics.append(Replicas("alone", 0, (6,), [6], 1))
    enlarge(play)
    play.lose_volume(play.node(5))
    play.run(130)
    assert {number for number, count in restarts(play).items() if count} == {3, 4, 5}
    assert any("orders-5 would have 1 in-sync replicas" in wait for wait in play.record().status.waiting)
    assert not play.operations()[0].ended
    play.clear_up()


# -- brokers that take long to come back


def test_a_broker_that_recovers_its_log_for_minutes_is_left_alone_and_tells_how_far_it_is(play):
    play.machine.ill(play.node(1)).reads = 400
    play.kill(play.node(1))
    play.run(130)
    assert any("recovers its log: 12" in wait and "of 400 logs" in wait for wait in play.record().status.waiting)
    play.until(play.at_rest, 400)
    assert len(play.machine.runs[play.node(1)]) == 2


def test_a_roll_waits_for_a_broker_that_recovers_its_log_and_restarts_nobody_meanwhile(sized):
    sized.machine.ill(sized.node(0)).reads = 200
    enlarge(sized)
    sized.run(150)
    assert stops(sized) == ["stop broker 1 gracefully"]
    sized.settle(400)
    check_done(sized)


def test_a_broker_that_is_turned_away_is_tried_again_with_pauses_that_grow_and_says_why(play):
    play.machine.ill(play.node(1)).turned_away = 5
    play.kill(play.node(1))
    play.run(400)
    runs = play.machine.runs[play.node(1)][1:]
    pauses = [(later.since - earlier.ended).total_seconds() for earlier, later in pairwise(runs)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 5
    assert all((run.ended - run.since).total_seconds() >= 60 for run in runs[:-1])
    waited = [event for event in play.sentences() if "is not registered, and has come no further" in event]
    assert waited
    play.settle(400)
