"""The state of a cluster is computed from what was seen and planned, by every pass anew."""

from datetime import timedelta

import pytest
from attrs import evolve
from fakes.views import NOW, ago, broker, controller, desired, three_brokers
from inline_snapshot import snapshot

from penstock.control.cluster.rebalance.step import weighed
from penstock.control.cluster.state import status
from penstock.model.observation import Absent, Blocked, Gone, Known, Unknown
from penstock.model.plan import Plan, Waiting
from penstock.model.rebalance import Facts, Limits, Traffic
from penstock.model.spec import ClusterState

PATIENCE = timedelta(seconds=60)


def after(seen, plan=None, now=NOW):
    return status(seen.view, plan if plan is not None else seen.plan(now=now), now, PATIENCE)


def test_a_healthy_cluster_stays_as_it_is_to_the_last_field():
    seen = three_brokers()
    assert after(seen) == seen.view.status
    assert after(seen.only(2)) == seen.view.status


@pytest.mark.parametrize(
    "trouble",
    [
        lambda seen: seen.killed(broker(1)),
        lambda seen: seen.killed(controller(1)),
        lambda seen: seen.fenced(2),
        lambda seen: seen.behind(controller(2)),
        lambda seen: seen.silent(broker(3), 1),
        lambda seen: seen.with_run(broker(3), suspended=True),
        lambda seen: seen.with_sighting(broker(3), Unknown("its folder cannot be read")),
        lambda seen: seen.but(quorum=Unknown("nobody leads")),
        lambda seen: seen.killed(broker(1)).only(1),
    ],
    ids=["dead", "dead controller", "fenced", "behind", "silent", "suspended", "unseen", "no leader", "shallow look"],
)
def test_while_a_node_is_brought_back_the_cluster_is_healing_and_says_why(trouble):
    healing = after(trouble(three_brokers()))
    assert healing.state is ClusterState.HEALING
    assert healing.code == "HEALING"
    assert healing.message
    assert healing.since == NOW


def test_the_cluster_heals_until_its_replicas_have_caught_up():
    seen = three_brokers().with_status(state=ClusterState.HEALING, message="broker 3 must serve again")
    assert after(seen.out_of_sync(3)).message == snapshot("replicas catch up: 3 partitions are not fully in sync")
    assert after(seen.only(2)).state is ClusterState.HEALING
    assert after(seen).state is ClusterState.ACTIVE
    assert after(seen).message is None


def test_replicas_that_lag_by_themselves_are_no_repair():
    assert after(three_brokers().out_of_sync(3)).state is ClusterState.ACTIVE


def test_housekeeping_leaves_the_cluster_active():
    moved = three_brokers().out_of_sync(1)
    caught_up = moved.but(
        partitions=three_brokers()
        .with_topics(*(evolve(p, leader=p.replicas[1]) for p in three_brokers().view.partitions.value))
        .view.partitions
    )
    assert [str(r.action) for r in caught_up.plan().actions] == ["elect preferred leaders"]
    assert after(caught_up).state is ClusterState.ACTIVE


def test_an_open_reboot_shows_as_such_even_while_the_broker_is_away():
    assert after(three_brokers().rebooting(1)).state is ClusterState.REBOOTING_BROKER
    assert after(three_brokers().rebooting(1).killed(broker(1))).state is ClusterState.REBOOTING_BROKER


def test_a_cluster_that_is_to_go_is_deleting_whatever_else_it_is():
    seen = three_brokers().killed(broker(1)).but(spec=desired(removed=True), layout=())
    assert after(seen).state is ClusterState.DELETING
    failed = seen.with_status(state=ClusterState.FAILED, completed=False)
    assert after(failed).state is ClusterState.DELETING


def test_the_state_is_dated_when_it_changes_and_not_again():
    seen = three_brokers().killed(broker(1))
    first = after(seen)
    again = status(evolve(seen.view, status=first), seen.plan(), NOW + timedelta(seconds=5), PATIENCE)
    assert again.since == first.since == NOW


# -- creating


def starting(ran=0, **changes):
    """A create under way: so many nodes serve, the others never started."""
    seen = three_brokers().creating().with_status(**changes)
    for node in seen.view.layout[ran:]:
        seen = seen.with_sighting(node.id, Absent())
    return seen


def test_a_create_is_complete_when_every_node_serves():
    seen = three_brokers().creating()
    assert after(seen).state is ClusterState.ACTIVE
    assert after(seen).completed
    assert after(seen.fenced(1)).state is ClusterState.CREATING
    assert after(seen.but(quorum=Unknown("nobody leads"))).state is ClusterState.CREATING
    assert after(seen.only(1)).state is ClusterState.CREATING


def test_a_create_without_progress_for_a_minute_has_failed_and_says_what_was_waited_for():
    first = after(starting(3))
    seen = starting(3).but(status=first)
    assert after(seen, now=NOW + timedelta(seconds=59)).state is ClusterState.CREATING
    failed = after(seen.fenced(1), Plan(waits=(Waiting("broker 1", "it sulks"),)), NOW + timedelta(seconds=60))
    assert (failed.state, failed.code) == (ClusterState.FAILED, "CREATE_FAILED")
    assert failed.message.split(". ") == snapshot(
        [
            "no progress for 60 s: waits for broker 1: it sulks",
            "Look at `penstock explain` and `penstock logs`, delete the cluster, mend the cause and create it again.",
        ]
    )


def test_each_node_more_gives_a_create_another_minute():
    seen = starting(3).but(status=after(starting(3)))
    later = NOW + timedelta(seconds=59)
    more = starting(4).but(status=seen.view.status)
    again = after(more, now=later)
    assert again.progress_at == later


def test_a_node_that_starts_and_ends_again_and_again_makes_no_progress():
    """Each start looked like progress once: such a create never failed."""
    up, down = (
        three_brokers().fenced(1).creating(),
        three_brokers().fenced(1).creating().killed(broker(1), short_runs=3),
    )
    now, last = NOW, None
    for step in range(30):
        seen = (up, down)[step % 2]
        last = after(seen if last is None else seen.but(status=last), now=now)
        now += timedelta(seconds=3)
    assert last is not None
    assert last.state is ClusterState.FAILED


def test_a_create_whose_kafka_is_being_fetched_is_patient():
    seen = starting().but(layout=(), sightings={})
    fetching = Plan(waits=(Waiting("4.3.x.kraft", "it is being fetched"),))
    first = after(seen, fetching)
    later = NOW + timedelta(seconds=600)
    assert after(seen.but(status=first), fetching, later).state is ClusterState.CREATING
    # Once it is there the minute begins.
    assert after(starting().but(status=first), now=later).state is ClusterState.CREATING


def test_a_create_that_no_retry_can_help_fails_soon_with_cause_and_fix():
    blocked = Blocked("Port 9092 of 127.64.0.1 is taken by pid 77.", "End that process.")
    seen = three_brokers().creating().with_sighting(broker(1), blocked)
    first = after(seen)
    assert (first.state, first.code) == (ClusterState.CREATING, "RETRYING")
    later = after(seen.but(status=first), now=NOW + timedelta(seconds=10))
    assert later.state is ClusterState.FAILED
    assert later.message == snapshot(
        "broker 1 cannot run: Port 9092 of 127.64.0.1 is taken by pid 77. End that process."
    )


def test_a_failed_create_stays_failed_until_it_is_deleted():
    seen = three_brokers().creating().with_status(state=ClusterState.FAILED, code="CREATE_FAILED", message="because")
    assert after(seen) == seen.view.status


def test_while_a_node_is_retried_the_create_says_so_with_the_last_words():
    seen = three_brokers().creating().with_sighting(broker(1), Gone(ago(1), "exit status 1", short_runs=3))
    told = after(seen)
    assert (told.state, told.code) == (ClusterState.CREATING, "RETRYING")
    assert told.message == snapshot(
        "waits for broker 1: it ended soon after its start 3 times in a row (exit status 1); next try 12:00:03Z"
    )


def test_a_complete_cluster_is_never_creating_nor_failed_again():
    seen = three_brokers()
    for node in seen.view.layout:
        seen = seen.with_sighting(node.id, Absent())
    assert after(seen, now=NOW + timedelta(days=3)).state is ClusterState.HEALING


def test_what_an_operation_left_is_remembered_until_it_was_seen_that_nothing_is_left():
    seen = three_brokers().with_status(throttled=("orders",), restrained=True)
    free = seen.but(
        balance=Known(weighed(Facts((), ()), Limits())), traffic=Traffic(limits=dict.fromkeys((1, 2, 3), None))
    )
    assert (after(free).throttled, after(free).restrained) == ((), False)
    for left in (
        free.but(cordoned={2: True}),
        free.but(traffic=Traffic(limits={1: None, 2: 4096, 3: None})),
        free.but(traffic=Traffic(limits={1: None, 2: None})),
        seen,
    ):
        assert (after(left).throttled, after(left).restrained) == (("orders",), True)
