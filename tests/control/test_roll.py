"""The roll: one restart a node whatever the reasons, in batches of a zone that are proved together, told beforehand."""

from datetime import timedelta

import pytest
from attrs import evolve
from fakes.views import NOW, ago, broker, brokers_of, controller, three_brokers
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from penstock.control.cluster.roll import ALONE, SESSION, SETTLES, STARTS, STOPS, ZONE_IN_PARTS, planned
from penstock.kafka.properties import INNER_LEAF
from penstock.model.action import How, Lead, Rehouse, Start, Stop
from penstock.model.ids import Role
from penstock.model.observation import Bereft, Known, Partition, Quorum, Recovery, Unknown, Voter
from penstock.model.operation import OpenOperation, OperationKind, OperationState
from penstock.model.plan import Restart
from penstock.model.spec import Pace

OLDER = "4.1.x.kraft"


def restarts(view):
    return [Restart(node.id, ("asked",)) for node in view.layout]


def batches(seen):
    return [[node.number for node in batch.nodes] for batch in planned(seen.view, restarts(seen.view)).batches]


def topic(*replicas, isr=None, minimum=2, index=0):
    return Partition("orders", index, replicas[0], replicas, isr or replicas, minimum)


def actions(seen):
    return [reasoned.action for reasoned in seen.plan().actions]


def stopped(*numbers):
    return [Stop(broker(number), How.GRACEFUL) for number in numbers]


def renewed(seen, *numbers):
    """These brokers run what is wanted, and have come to serve."""
    for number in numbers:
        seen = seen.with_run(broker(number), revision=seen.view.node(broker(number)).revision)
    return seen


SPREAD = tuple(topic(*order, index=index) for index, order in enumerate([(1, 2, 3), (4, 5, 6), (1, 5, 3), (4, 2, 6)]))


class TestOrder:
    def test_brokers_go_zone_by_zone_then_controllers_one_by_one(self):
        assert batches(brokers_of(6).with_topics(*SPREAD)) == snapshot(
            [[1, 4], [2, 5], [3, 6], [10002], [10003], [10001]]
        )

    def test_the_leader_of_the_quorum_goes_last(self):
        led = Quorum(10_002, 7, tuple(Voter(10_000 + n, 0) for n in (1, 2, 3)))
        assert batches(brokers_of(3).but(quorum=Known(led)))[3:] == [[10_001], [10_003], [10_002]]

    def test_a_zone_goes_in_parts_where_a_partition_has_two_replicas_in_it(self):
        seen = brokers_of(6).with_topics(*SPREAD, topic(1, 4, 2, index=9))
        roll = planned(seen.view, restarts(seen.view))
        assert [str(batch) for batch in roll.batches][:3] == ["broker 1", "broker 4", "broker 2, broker 5"]
        assert [batch.note for batch in roll.batches][:3] == [ZONE_IN_PARTS, ZONE_IN_PARTS, ""]

    def test_without_knowledge_of_partitions_nobody_goes_together(self):
        assert batches(brokers_of(6).but(partitions=Unknown("nobody answered")))[:2] == [[1], [4]]

    def test_replicas_that_are_lost_do_not_count(self):
        seen = brokers_of(6).with_topics(topic(1, 4, 2, 3))
        assert [1, 4] in batches(seen)
        without = seen.with_sighting(
            broker(2), Bereft(seen.view.node(broker(2)).incarnation, "its volume is not there")
        )
        assert [1, 4] not in batches(without)

    def test_a_new_configuration_is_tried_by_one_broker_first(self):
        asked = OpenOperation("op", OperationKind.UPDATE_CLUSTER_CONFIGURATION, OperationState.PENDING, ago(1))
        seen = brokers_of(6).with_topics(*SPREAD).with_spec(kafka_version=OLDER).but(operation=asked)
        assert actions(seen) == stopped(1)
        first = seen.plan().roll.batches[0]
        assert ([node.number for node in first.nodes], first.note) == ([1], ALONE)
        assert actions(renewed(seen, 1)) == stopped(4)
        assert actions(renewed(seen, 1, 4)) == stopped(2, 5)

    def test_how_a_new_configuration_would_go_is_told_before_anybody_asks_for_it(self):
        seen = brokers_of(6).with_topics(*SPREAD)
        roll = planned(seen.view, restarts(seen.view), tried=True)
        assert [str(batch) for batch in roll.batches][:3] == ["broker 1", "broker 4", "broker 2, broker 5"]
        assert [batch.note for batch in roll.batches][:3] == [ALONE, "", ""]

    def test_what_can_never_be_safe_is_named_before_anything_is_done(self):
        single, all_of_two = Partition("single", 0, 1, (1,), (1,), 1), Partition("pair", 3, 2, (2, 3), (2, 3), 2)
        seen = brokers_of(3).with_topics(single, all_of_two)
        assert planned(seen.view, restarts(seen.view)).exposed == ("single-0", "pair-3")
        assert planned(seen.view, [Restart(broker(3), ("asked",))]).exposed == ("pair-3",)


class TestTime:
    def test_it_is_predicted_from_what_nodes_took_here(self):
        seen = brokers_of(6).with_topics(*SPREAD)
        pace = Pace({"broker-1": 3.0, "broker-2": 9.0, "controller-10001": 2.0}, settling=0.5)
        roll = planned(seen.but(pace=pace).view, restarts(seen.view))
        assert [batch.seconds for batch in roll.batches] == [
            STOPS[Role.BROKER] + SESSION + 9.0 + 0.5,  # of broker 4 nothing is known: as slow as the slowest
            STOPS[Role.BROKER] + SESSION + 9.0 + 0.5,
            STOPS[Role.BROKER] + SESSION + 9.0 + 0.5,
            *[STOPS[Role.CONTROLLER] + 2.0] * 3,
        ]
        assert roll.seconds == sum(batch.seconds for batch in roll.batches)

    def test_what_the_loop_wrote_down_counts_for_those_who_did_not_look_themselves(self):
        seen = three_brokers().with_status(pace=Pace({"broker-1": 30.0}))
        assert planned(seen.view, [Restart(broker(1), ())]).seconds == STOPS[Role.BROKER] + 30.0 + SETTLES

    def test_a_cluster_that_has_shown_nothing_yet_is_taken_for_an_ordinary_one(self):
        one = planned(three_brokers().view, [Restart(broker(1), ())])
        assert one.seconds == STOPS[Role.BROKER] + STARTS[Role.BROKER] + SETTLES


def in_need(seen, number):
    """That broker's inner certificate ends soon."""
    run = seen.view.running(broker(number))
    born = NOW - timedelta(days=2500)
    return seen.with_run(broker(number), leaves={**run.leaves, INNER_LEAF: (born, born + timedelta(days=3650))})


class TestBatches:
    def test_the_brokers_of_a_zone_are_stopped_together(self):
        seen = brokers_of(6).with_topics(*SPREAD).with_spec(kafka_version=OLDER)
        assert actions(seen) == stopped(1, 4)
        assert actions(renewed(seen, 1, 4)) == stopped(2, 5)

    def test_several_reasons_are_one_restart(self):
        seen = in_need(three_brokers().rebooting(2), 2)
        assert seen.text() == snapshot(
            "stop broker 2 gracefully | the inner certificate of broker 2 ends 2033-02-24; RebootBroker was called for broker 2 | disrupts"
        )

    def test_a_reason_that_comes_in_the_middle_joins_what_is_not_restarted_yet(self):
        seen = renewed(brokers_of(6).with_topics(*SPREAD).with_spec(kafka_version=OLDER), 1, 4, 2, 5)
        roll = in_need(in_need(seen, 3), 1).plan().roll
        told = {restart.node.number: len(restart.reasons) for batch in roll.batches[:2] for restart in batch.restarts}
        assert told == {1: 1, 3: 2, 6: 1}, "broker 1 has been restarted and needs it again for another reason"

    def test_where_the_first_zone_may_not_go_another_one_does(self):
        tight = (topic(1, 2, 3, isr=(1, 2)), topic(4, 5, 3, isr=(4, 5), index=1))
        seen = brokers_of(6).with_topics(*tight).with_spec(kafka_version=OLDER).but(unsettled_since=ago(900))
        assert actions(seen) == stopped(3, 6)


class TestGate:
    """Between two batches."""

    @pytest.fixture
    def half(self):
        return renewed(brokers_of(6).with_topics(*SPREAD).with_spec(kafka_version=OLDER), 1, 4)

    def test_everything_must_serve_again(self, half):
        assert half.starting(broker(4), ago(5)).fenced(4).text() == snapshot(
            "waits for broker 2, broker 5: broker 4 must serve first"
        )

    def test_replicas_must_have_caught_up_although_the_proof_would_hold(self, half):
        roomy = half.with_topics(Partition("roomy", 0, 1, (1, 2, 3, 4), (1, 2, 3), 1))
        assert roomy.text() == snapshot("waits for broker 2, broker 5: replicas of 1 partitions catch up")
        assert "broker 2" in roomy.but(unsettled_since=ago(299)).plan().waits[0].on

    def test_leaders_must_be_home_and_are_sent_there(self, half):
        assert actions(half.with_topics(evolve(SPREAD[0], leader=2))) == [Lead(broker(1))]

    def test_what_gets_no_nearer_for_minutes_is_waited_for_no_longer(self, half):
        stuck = half.with_topics(Partition("stuck", 0, 1, (1, 2, 3, 4), (1, 2, 3), 1)).but(unsettled_since=ago(301))
        assert actions(stuck) == stopped(2, 5)
        assert stuck.plan().notes == snapshot(
            ("replicas of 1 partitions catch up, and none did for 301 s: no longer waited for",)
        )

    def test_a_lost_broker_and_its_replicas_are_not_waited_for_and_the_proof_decides(self, half):
        lost = Bereft(half.view.node(broker(6)).incarnation, "its volume is not there")
        three_of_four = Partition("orders", 0, 1, (1, 2, 3, 6), (1, 2, 3), 2)
        last_two = Partition("orders", 1, 2, (2, 6, 1), (2, 1), 2)
        alone = Partition("alone", 2, 6, (6,), (6,), 1)
        gone = half.with_sighting(broker(6), lost).fenced(6)
        assert stopped(2, 5) == [a for a in actions(gone.with_topics(three_of_four, alone)) if isinstance(a, Stop)]
        assert stopped(5) == [a for a in actions(gone.with_topics(last_two, alone)) if isinstance(a, Stop)]

    def test_a_lost_broker_that_is_to_have_a_fresh_volume_is_waited_for(self, half):
        lost = Bereft(half.view.node(broker(6)).incarnation, "its volume is not there")
        gone = half.with_topics(Partition("orders", 0, 1, (1, 2, 3, 6), (1, 2, 3), 2)).fenced(6)
        assert [type(action) for action in actions(gone.with_sighting(broker(6), lost))] == [Rehouse]

    def test_a_node_that_died_meanwhile_is_healed_first(self, half):
        dead = half.killed(broker(6), 10).fenced(6)
        assert actions(dead) == [Start(dead.view.node(broker(6)))]
        assert [str(wait) for wait in dead.plan().waits] == snapshot(
            ["waits for broker 2, broker 5: broker 6 must serve first"]
        )

    def test_a_broker_that_does_not_come_back_holds_the_roll(self, half):
        failing = half.killed(broker(4), 1, short_runs=4).fenced(4)
        assert not [action for action in actions(failing) if isinstance(action, Stop)]

    def test_a_broker_that_recovers_its_log_is_not_restarted_however_long_it_takes(self, half):
        busy = half.starting(broker(2), ago(5000)).fenced(2)
        busy = busy.but(recovering={broker(2): Recovery(120, 400)}, advanced={broker(2): ago(3)})
        assert busy.text() == snapshot("""\
waits for broker 2: it recovers its log: 120 of 400 logs | heals
waits for broker 2, broker 5: broker 2 must serve first\
""")

    def test_one_that_gets_no_further_goes_first_since_the_restart_may_mend_it(self, half):
        stuck = half.starting(broker(5), ago(5000)).fenced(5).but(advanced={broker(5): ago(700)})
        assert next(a for a in actions(stuck) if isinstance(a, Stop)).target == broker(5)


@st.composite
def clusters(draw):
    count = draw(st.sampled_from([3, 6, 9, 15]))
    partitions = []
    for index in range(draw(st.integers(0, 12))):
        replicas = tuple(draw(st.permutations(range(1, count + 1)))[: draw(st.integers(1, 4))])
        partitions.append(topic(*replicas, minimum=draw(st.integers(1, 3)), index=index))
    return brokers_of(count).with_topics(*partitions)


@settings(max_examples=100, deadline=None)
@given(clusters())
def test_every_node_is_in_one_batch_and_no_batch_takes_what_can_be_kept_below_its_minimum(seen):
    roll = planned(seen.view, restarts(seen.view))
    nodes = [node for batch in roll.batches for node in batch.nodes]
    assert sorted(nodes) == sorted(node.id for node in seen.view.layout)
    assert nodes[-3:] == [controller(2), controller(3), controller(1)]
    for batch in roll.batches:
        assert len({seen.view.node(node).zone for node in batch.nodes}) == 1
        for p in seen.view.partitions.value:
            left = set(p.replicas) - {node.number for node in batch.nodes}
            assert len(left) >= p.min_isr or str(p) in roll.exposed or len(left) == len(p.replicas)
