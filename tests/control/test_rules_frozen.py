"""Nodes that run and do no work: proved first, then ended, one at a time."""

import pytest
from fakes.views import NOW, ago, broker, controller, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.health import frozen, serves, suspect
from penstock.control.cluster.rules.registration import registration
from penstock.control.cluster.rules.thaw import thaw
from penstock.model.observation import Unknown
from penstock.model.plan import How, Stop


def stops(seen, *rules):
    return [r.action.target for r in seen.plan(*rules).actions if isinstance(r.action, Stop)]


def test_a_suspended_broker_is_doubted_first_and_ended_after_three_seconds():
    seen = three_brokers().with_run(broker(2), suspended=True)
    assert seen.silent(broker(2), 1, idle=True).text() == snapshot(
        "waits for broker 2: it does not answer; whether it still works is not proved yet | heals"
    )
    assert seen.silent(broker(2), 3, idle=True).text() == snapshot(
        "stop broker 2 at once | broker 2 does not answer and is suspended for 3 s | heals"
    )


def test_a_suspended_broker_serves_nobody_whatever_the_controllers_still_believe():
    seen = three_brokers().with_run(broker(2), suspended=True)
    assert not serves(broker(2), seen.view)


def test_a_busy_node_that_does_not_answer_is_left_alone_for_a_minute():
    assert stops(three_brokers().silent(controller(1), 59)) == []
    assert three_brokers().silent(controller(1), 60).text() == snapshot(
        "stop controller 10001 at once | controller 10001 has not answered for 60 s | heals"
    )


def test_a_node_that_answers_is_never_frozen():
    seen = three_brokers().but(idle_since={broker(1): ago(500)}, silent_since={broker(1): ago(500)})
    assert frozen(broker(1), seen.view, NOW) is None
    assert seen.text() == "nothing"


def test_a_node_that_was_not_asked_is_never_frozen():
    seen = three_brokers().silent(broker(1), 500, idle=True)
    seen = seen.but(answers={**seen.view.answers, broker(1): Unknown("not asked")})
    assert stops(seen) == []


def test_a_starting_node_that_works_hard_and_does_not_answer_yet_is_neither_doubted_nor_ended():
    seen = three_brokers().fenced(2).silent(broker(2), 500).but(silent_since={}).with_run(broker(2), since=ago(500))
    assert not suspect(broker(2), seen.view, NOW)
    assert seen.text() == "nothing"


def test_one_at_a_time():
    seen = three_brokers().silent(controller(1), 5, idle=True).silent(controller(2), 5, idle=True)
    assert seen.text() == snapshot("""\
stop controller 10001 at once | controller 10001 does not answer and uses no CPU time for 5 s | heals
waits for controller 10002: controller 10002 does not answer and uses no CPU time for 5 s; one node at a time | heals\
""")


def test_two_frozen_controllers_do_not_wait_for_each_other_although_the_majority_is_lost():
    seen = three_brokers().silent(controller(1), 5, idle=True).silent(controller(2), 5, idle=True)
    assert stops(seen.but(quorum=Unknown("nobody leads")), thaw) == [controller(1)]


def test_never_while_another_node_is_doubtful():
    seen = three_brokers().silent(broker(1), 5, idle=True).silent(broker(2), 1, idle=True)
    assert seen.text(thaw) == snapshot("""\
waits for broker 2: it does not answer; whether it still works is not proved yet | heals
waits for broker 1: broker 1 does not answer and uses no CPU time for 5 s, but broker 2 may be in trouble too | heals\
""")


def test_a_stop_that_never_ends_is_ended_by_force_after_two_minutes():
    assert stops(three_brokers().with_run(broker(1), stopping=ago(119))) == []
    assert three_brokers().with_run(broker(1), stopping=ago(120)).text(thaw) == snapshot(
        "stop broker 1 at once | broker 1 was asked to stop 120 s ago and is still there | heals"
    )


@pytest.mark.parametrize("seconds", [3, 500])
def test_the_end_is_at_once_because_a_frozen_process_hears_no_signal(seconds):
    action = three_brokers().silent(broker(3), seconds, idle=True).plan(thaw).actions[0].action
    assert action == Stop(broker(3), How.AT_ONCE)


def test_a_broker_that_runs_and_is_not_registered_is_restarted():
    assert three_brokers().unregistered(2).text() == snapshot(
        "stop broker 2 at once | broker 2 runs and is not registered; it serves nobody and cannot come back by itself | heals"
    )


def test_a_broker_that_has_just_started_gets_its_time_to_register():
    seen = three_brokers().unregistered(2).with_run(broker(2), since=ago(59))
    assert stops(seen, registration) == []
    assert stops(three_brokers().unregistered(2).with_run(broker(2), since=ago(61)), registration) == [broker(2)]


def test_unregistered_brokers_are_restarted_one_at_a_time():
    assert stops(three_brokers().unregistered(2).unregistered(3), registration) == [broker(2)]


def test_nobody_is_called_unregistered_on_a_guess():
    assert stops(three_brokers().but(brokers=Unknown("nobody answered"))) == []
