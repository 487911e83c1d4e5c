"""The gate: after a disruption every counted partition keeps its minimum and the quorum its majority, or there is none."""

import pytest
from attrs import evolve
from fakes.views import ago, broker, brokers_of, controller, three_brokers
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.safety import alive_voters, may_go_down
from penstock.model.action import How, Stop
from penstock.model.ids import Role
from penstock.model.observation import Known, Partition, Quorum, Running, Unknown, Voter


def answer(seen, node, going=frozenset()):
    return may_go_down(node, seen.view, going)


def partition(*, replicas=(1, 2, 3), isr=(1, 2, 3), minimum=2):
    return Partition("orders", 0, isr[0] if isr else -1, replicas, isr, minimum)


@pytest.mark.parametrize(
    ("isr", "minimum", "safe"),
    [
        ((1, 2, 3), 2, True),
        ((1, 2), 2, False),
        ((1, 3), 2, False),
        ((2, 3), 2, True),
        ((1, 2), 1, True),
        ((1,), 1, False),
        ((2,), 2, True),
        ((1, 2, 3), 3, True),
    ],
    ids=[
        "three of three",
        "two of three",
        "the other two",
        "it is out already",
        "minimum one",
        "the last one",
        "below already, and not by it",
        "minimum of all replicas is not counted",
    ],
)
def test_a_broker_may_go_when_the_rest_is_enough(isr, minimum, safe):
    assert answer(three_brokers().with_topics(partition(isr=isr, minimum=minimum)), broker(1)).safe is safe


def test_the_obstacle_is_named():
    assert answer(three_brokers().out_of_sync(3), broker(1)).why == snapshot(
        "orders-0 would have 1 in-sync replicas and its minimum is 2"
    )


def test_brokers_that_go_in_the_same_plan_count_as_gone():
    assert answer(three_brokers(), broker(1)).safe
    assert not answer(three_brokers(), broker(1), {broker(2)}).safe


@pytest.mark.parametrize(
    "lame",
    [
        lambda seen: seen.killed(broker(3)),
        lambda seen: seen.with_run(broker(3), suspended=True),
        lambda seen: seen.with_run(broker(3), stopping=ago(1)),
        lambda seen: seen.silent(broker(3), 1),
        lambda seen: seen.with_sighting(broker(3), Unknown("its folder cannot be read")),
    ],
    ids=["killed", "suspended", "stopping", "silent", "unseen"],
)
def test_a_replica_in_the_isr_whose_process_is_not_seen_to_work_counts_for_nothing(lame):
    """Controllers believe in it for three more seconds."""
    assert not answer(lame(three_brokers()), broker(1)).safe


@pytest.mark.parametrize(
    "lame",
    [
        lambda seen: seen.killed(controller(3)),
        lambda seen: seen.with_run(controller(3), suspended=True),
        lambda seen: seen.behind(controller(3), 3001),
        lambda seen: seen.behind(controller(3), None),
    ],
    ids=["killed", "suspended", "behind", "never seen"],
)
def test_a_controller_may_not_go_while_another_is_away(lame):
    assert answer(three_brokers(), controller(1)).safe
    assert not answer(lame(three_brokers()), controller(1)).safe


def test_the_leader_of_the_quorum_counts_as_alive_and_a_late_voter_does_not():
    voters = (Voter(10_001, None), Voter(10_002, 3000), Voter(10_003, 3001))
    assert alive_voters(Quorum(10_001, 1, voters)) == {10_001, 10_002}


def test_what_is_not_known_is_a_no():
    assert not answer(three_brokers().but(partitions=Unknown("nobody answered")), broker(1)).safe
    assert not answer(three_brokers().but(quorum=Unknown("nobody leads")), controller(1)).safe
    assert not answer(three_brokers().killed(broker(1)), broker(1)).safe
    assert not answer(three_brokers().only(1), broker(1)).safe


def test_partitions_that_can_never_pass_are_named_and_stop_nobody():
    seen = three_brokers().with_topics(*(Partition("single", n, 1, (1,), (1,), 1) for n in range(7)))
    told = answer(seen, broker(1))
    assert told.safe
    assert told.notes[0].split(": ") == snapshot(
        [
            "single-0, single-1, single-2, single-3, single-4 and 2 more",
            "no more replicas than the minimum, so they are below it while broker 1 is down",
        ]
    )


def test_a_plan_takes_brokers_of_one_zone_down_and_no_others():
    draft = Draft(brokers_of(6).with_topics().view)
    assert draft.disrupt(Stop(broker(1), How.GRACEFUL), "first")
    assert not draft.disrupt(Stop(broker(2), How.GRACEFUL), "of another zone")
    assert not draft.disrupt(Stop(controller(1), How.GRACEFUL), "of another kind")
    assert draft.disrupt(Stop(broker(4), How.GRACEFUL), "second")
    assert [str(wait) for wait in draft.plan().waits] == snapshot(
        [
            "waits for broker 2: broker 1 must be back first",
            "waits for controller 10001: broker 1 must be back first",
        ]
    )


def test_brokers_of_one_zone_are_proved_together():
    """Each of them alone could go."""
    draft = Draft(brokers_of(6).with_topics(partition(replicas=(1, 4, 2), isr=(1, 4, 2))).view)
    assert draft.disrupt(Stop(broker(1), How.GRACEFUL), "first")
    assert not draft.disrupt(Stop(broker(4), How.GRACEFUL), "second")
    assert [str(wait) for wait in draft.plan().waits] == snapshot(
        ["waits for broker 4: orders-0 would have 1 in-sync replicas and its minimum is 2"]
    )


def test_nobody_joins_those_that_an_earlier_pass_sent_down():
    draft = Draft(brokers_of(6).with_topics().with_run(broker(1), stopping=ago(1)).view)
    assert not draft.disrupt(Stop(broker(4), How.GRACEFUL), "of the same zone")
    assert not draft.disrupt(Stop(broker(2), How.GRACEFUL), "of another one")


def test_controllers_go_one_by_one():
    draft = Draft(three_brokers().view)
    assert draft.disrupt(Stop(controller(1), How.GRACEFUL), "first")
    assert not draft.disrupt(Stop(controller(2), How.GRACEFUL), "second")


# -- for all views

BROKERS = 4


@st.composite
def partitions(draw):
    replicas = tuple(draw(st.permutations(range(1, BROKERS + 1)))[: draw(st.integers(1, BROKERS))])
    isr = tuple(n for n in replicas if draw(st.booleans()))
    return Partition("t", draw(st.integers(0, 9)), isr[0] if isr else -1, replicas, isr, draw(st.integers(1, 3)))


@st.composite
def troubled(draw):
    """A cluster with trouble of any kind, seen as it is: running means running, and ISRs may be older than the trouble."""
    seen = brokers_of(BROKERS).with_topics(*draw(st.lists(partitions(), max_size=5)))
    for node in seen.view.layout:
        trouble = draw(st.sampled_from(["", "", "", "killed", "suspended", "stopping", "silent", "unseen", "late"]))
        if trouble == "killed":
            seen = seen.killed(node.id)
        elif trouble == "suspended":
            seen = seen.with_run(node.id, suspended=True).silent(node.id, 1)
        elif trouble == "stopping":
            seen = seen.with_run(node.id, stopping=ago(1))
        elif trouble == "silent":
            seen = seen.silent(node.id, 1)
        elif trouble == "unseen":
            seen = seen.with_sighting(node.id, Unknown("its folder cannot be read"))
        elif trouble == "late" and node.id.role is Role.CONTROLLER:
            quorum = seen.view.quorum.value
            voters = tuple(evolve(v, behind_ms=9000) if v.number == node.id.number else v for v in quorum.voters)
            seen = seen.but(quorum=Known(evolve(quorum, voters=voters)))
    return seen


def at_work(view, node):
    return (
        isinstance(run := view.running(node), Running)
        and not run.suspended
        and run.stopping is None
        and view.answers[node] == Known(True)
    )


@settings(max_examples=200, deadline=None)
@given(troubled(), st.data())
def test_whatever_the_gate_lets_through_leaves_every_partition_its_minimum_and_the_quorum_its_majority(seen, data):
    view = seen.view
    order = data.draw(st.permutations([node.id for node in view.layout]))
    draft = Draft(view)
    gone = {node for node in order if draft.disrupt(Stop(node, How.GRACEFUL), "asked")}
    assert len({(node.role, view.node(node).zone) for node in gone}) <= 1
    assert len(gone) <= 1 or not any(node.role is Role.CONTROLLER for node in gone)
    left = {node.id.number for node in view.layout if at_work(view, node.id) and node.id not in gone}
    for node in gone:
        if node.role is Role.BROKER:
            for p in view.partitions.value:
                if node.number in p.isr and len(p.replicas) > p.min_isr:
                    assert len(left & set(p.isr)) >= p.min_isr, p
        else:
            assert len(left & alive_voters(view.quorum.value)) >= 2
    assert all(str(wait) for wait in draft.plan().waits)
    assert len(gone) + len({wait.on for wait in draft.plan().waits}) == len(order), "who may not go is told why"
