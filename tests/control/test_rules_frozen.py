"""Nodes that run and do no work: proved first, then ended, one at a time."""

import pytest
from fakes.views import NOW, ago, broker, controller, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.draft import PARTITIONS
from penstock.control.cluster.health import frozen, serves, suspect
from penstock.control.cluster.rules.registration import registration
from penstock.control.cluster.rules.thaw import thaw
from penstock.model.action import How, Stop
from penstock.model.observation import Gone, Recovery, Unknown


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
    seen = three_brokers().fenced(2).starting(broker(2), ago(500))
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
    late = three_brokers().with_run(broker(1), stopping=ago(120))
    assert late.silent(broker(1), 1).out_of_sync(3).text(thaw) == snapshot(
        "stop broker 1 at once | broker 1 was asked to stop 120 s ago and is still there | heals"
    )


def test_one_that_answers_still_is_ended_where_it_may_go_down_and_else_waited_for():
    late = three_brokers().with_run(broker(1), stopping=ago(500))
    assert late.text(thaw) == snapshot(
        "stop broker 1 at once | broker 1 was asked to stop 500 s ago and is still there | heals | disrupts"
    )
    assert late.out_of_sync(3).text(thaw) == snapshot(
        "waits for broker 1: broker 1 was asked to stop 500 s ago and is still there, but orders-0 would have 1 in-sync replicas and its minimum is 2 | heals"
    )
    assert late.only(2).drafted(thaw).depth == PARTITIONS, "a proof needs the partitions"
    controllers = three_brokers().with_run(controller(1), stopping=ago(500))
    assert stops(controllers, thaw) == [controller(1)]
    assert stops(controllers.killed(controller(2)), thaw) == []


def test_a_stop_that_perhaps_was_not_sent_is_sent_once_it_is_proved_anew():
    unsent = three_brokers().with_run(broker(1), stopping=ago(500), signalled=False)
    assert unsent.text(thaw) == snapshot(
        "stop broker 1 gracefully | broker 1 was to stop, and it is not known whether it was told | heals | disrupts"
    )
    assert unsent.out_of_sync(3).text(thaw) == snapshot(
        "waits for broker 1: broker 1 was to stop, and it is not known whether it was told, but orders-0 would have 1 in-sync replicas and its minimum is 2 | heals"
    )
    assert unsent.only(2).drafted(thaw).depth == PARTITIONS, "a proof needs the partitions"
    both = unsent.with_run(broker(2), stopping=ago(500), signalled=False)
    assert stops(both, thaw) == [], "each may be on its way down already"
    frozen = unsent.silent(broker(1), 3, idle=True).plan(thaw).actions
    assert [each.action for each in frozen] == [Stop(broker(1), How.AT_ONCE)]


@pytest.mark.parametrize("seconds", [3, 500])
def test_the_end_is_at_once_because_a_frozen_process_hears_no_signal(seconds):
    action = three_brokers().silent(broker(3), seconds, idle=True).plan(thaw).actions[0].action
    assert action == Stop(broker(3), How.AT_ONCE)


def test_a_broker_that_runs_and_is_not_registered_is_restarted():
    assert three_brokers().unregistered(2).text() == snapshot(
        "stop broker 2 at once | broker 2 runs and is not registered; it serves nobody and cannot come back by itself | heals"
    )


def test_a_broker_that_has_just_started_gets_its_time_to_register():
    assert stops(three_brokers().unregistered(2).starting(broker(2), ago(59)), registration) == []
    late = three_brokers().unregistered(2).starting(broker(2), ago(61))
    assert late.text(registration) == snapshot(
        "stop broker 2 as futile | broker 2 runs, is not registered, and has come no further for 61 s | heals"
    )


def test_unregistered_brokers_are_restarted_one_at_a_time():
    assert stops(three_brokers().unregistered(2).unregistered(3), registration) == [broker(2)]


def test_nobody_is_called_unregistered_on_a_guess():
    assert stops(three_brokers().but(brokers=Unknown("nobody answered"))) == []


# -- brokers that start, and what they get done


def recovering(loaded, seconds_ago, *, registered=True):
    seen = three_brokers().starting(broker(2), ago(5000))
    seen = seen.fenced(2) if registered else seen.unregistered(2)
    return seen.but(recovering={broker(2): Recovery(loaded, 400)}, advanced={broker(2): ago(seconds_ago)})


@pytest.mark.parametrize("registered", [True, False])
def test_a_broker_that_reads_its_logs_is_left_alone_for_hours_and_says_how_far_it_is(registered):
    assert recovering(120, 500, registered=registered).text() == snapshot(
        "waits for broker 2: it recovers its log: 120 of 400 logs | heals"
    )


def test_one_whose_disk_lets_it_wait_is_not_called_frozen_unless_a_signal_stopped_it():
    seen = recovering(120, 30).but(idle_since={broker(2): ago(30)})
    assert stops(seen) == []
    assert stops(seen.with_run(broker(2), suspended=True), thaw) == [broker(2)]


def test_one_that_comes_no_further_for_ten_minutes_is_restarted():
    assert recovering(120, 601).text() == snapshot(
        "stop broker 2 as futile | broker 2 runs, is not let in by the controllers, and has come no further with its logs (120 of 400 logs) for 601 s | heals"
    )


def test_what_was_read_counts_as_a_sign_of_life_for_the_time_to_register():
    late = three_brokers().unregistered(2).starting(broker(2), ago(5000))
    assert stops(late.but(advanced={broker(2): ago(59)}), registration) == []
    assert stops(late.but(advanced={broker(2): ago(61)}), registration) == [broker(2)]


def test_brokers_that_get_no_further_are_ended_one_at_a_time_and_the_others_still_tell_their_progress():
    seen = recovering(7, 1, registered=False).unregistered(1).starting(broker(1), ago(90))
    seen = seen.unregistered(3).starting(broker(3), ago(90))
    assert seen.text(registration) == snapshot("""\
stop broker 1 as futile | broker 1 runs, is not registered, and has come no further for 90 s | heals
waits for broker 2: it recovers its log: 7 of 400 logs | heals\
""")


def test_a_futile_run_counts_and_the_next_one_has_to_wait():
    """A broker on a foreign volume, turned away by the controllers for the fourth time."""
    ended = Gone(ago(1), "signal 9 (SIGKILL), ours, since it did not come to serve", short_runs=4)
    assert three_brokers().fenced(2).with_sighting(broker(2), ended).text() == snapshot(
        "waits for broker 2: it ended soon after its start 4 times in a row (signal 9 (SIGKILL), ours, since it did not come to serve); next try 12:00:07Z | heals"
    )
