"""What lost its storage gets a new one only where others have the data."""

import pytest
from attrs import evolve
from fakes.views import broker, controller, three_brokers

from penstock.control.cluster.rules.replace import replace
from penstock.kafka.placement import next_directory
from penstock.model.action import AddVoter, Rehouse, RemoveVoter, Start
from penstock.model.observation import Bereft, Gone, Known, Partition, Unknown, Voter


def bereft(seen, node, incarnation=None):
    spec = seen.view.node(node)
    return seen.with_sighting(node, Bereft(incarnation or spec.incarnation, f"the volume of {node} is not there"))


def acts(seen, kind):
    return [each.action for each in seen.plan().actions if isinstance(each.action, kind)]


def test_a_broker_whose_data_others_have_gets_a_new_storage_identity():
    seen = bereft(three_brokers(), broker(2))
    (act,) = acts(seen, Rehouse)
    assert act.target == broker(2)
    assert act.directory == next_directory(seen.view.node(broker(2)).incarnation)
    assert not acts(seen, Start), "it starts once the new identity is written down"


def test_once_that_is_written_down_it_starts():
    seen = bereft(three_brokers(), broker(2), incarnation="the-old-one")
    assert [act.node.id for act in acts(seen, Start)] == [broker(2)]


def test_a_partition_that_nobody_else_has_in_sync_keeps_it_down():
    seen = bereft(three_brokers(), broker(2))
    only = Partition("orders", 7, leader=-1, replicas=(2, 1, 3), isr=(2,), min_isr=2)
    seen = evolve(seen, view=evolve(seen.view, partitions=Known((only,))))
    assert not acts(seen, Rehouse)
    assert any("no broker that serves has orders-7 in sync" in str(wait) for wait in seen.plan().waits)


def test_what_is_not_known_of_the_partitions_keeps_it_down():
    seen = bereft(three_brokers(), broker(2))
    seen = evolve(seen, view=evolve(seen.view, partitions=Unknown("no broker answers")))
    assert not acts(seen, Rehouse)


def test_two_that_lost_their_storage_do_not_wait_for_each_other_and_go_one_after_the_other():
    seen = bereft(bereft(three_brokers(), broker(1)), broker(2))
    assert [act.target for act in acts(seen, Rehouse)] == [broker(1)]
    assert any("one storage at a time" in str(wait) for wait in seen.plan().waits)


def test_a_broker_that_is_only_down_must_serve_first():
    seen = bereft(three_brokers(), broker(2)).with_sighting(broker(3), Gone(None, "signal 9 (SIGKILL)"))
    assert not acts(seen, Rehouse)
    assert any("broker 3 must serve first" in str(wait) for wait in seen.plan().waits)


def counted(seen, *voters, observers=()):
    """The quorum counts these, and these follow it."""
    return evolve(
        seen, view=evolve(seen.view, quorum=Known(evolve(seen.view.quorum.value, voters=voters, observers=observers)))
    )


def without(seen, number):
    """The quorum counts that controller no more."""
    return counted(seen, *(voter for voter in seen.view.quorum.value.voters if voter.number != number))


def second_leads(seen):
    return seen.behind(controller(1))


def rehoused(seen, node):
    """It runs on its second volume."""
    spec = seen.view.spec
    return evolve(seen, view=evolve(seen.view, spec=spec.with_place(evolve(spec.place(node), joins=True))))


LOST = controller(1)


def lost(seen=None):
    return bereft(second_leads(seen or three_brokers()), LOST)


def waits(seen):
    return [str(wait) for wait in seen.plan(replace).waits]


def replacing(seen):
    """What the rule does about storages and votes."""
    return [each.action for each in seen.plan(replace).actions]


def test_a_controller_whose_metadata_the_others_have_loses_the_vote_of_its_lost_volume_first():
    (act,) = replacing(lost())
    assert act == RemoveVoter(LOST, lost().view.node(LOST).incarnation)


def test_when_the_quorum_counts_it_no_more_it_gets_another_volume():
    (act,) = replacing(without(lost(), LOST.number))
    assert act == Rehouse(LOST, next_directory(lost().view.node(LOST).incarnation))


def test_a_controller_with_a_new_identity_starts():
    seen = without(bereft(second_leads(three_brokers()), LOST, incarnation="the-old-one"), LOST.number)
    assert [act.node.id for act in replacing(seen)] == [LOST]


def test_a_controller_that_follows_and_has_all_metadata_gets_its_vote():
    node = three_brokers().view.node(LOST)
    left = [voter for voter in second_leads(three_brokers()).view.quorum.value.voters if voter.number != LOST.number]
    caught_up = Voter(LOST.number, 100, node.incarnation)
    (act,) = replacing(counted(second_leads(three_brokers()), *left, observers=(caught_up,)))
    assert act == AddVoter(LOST, node.incarnation, {"CONTROLLER": (node.address, node.ports["CONTROLLER"])})
    for late in (
        evolve(caught_up, behind_ms=None),
        evolve(caught_up, behind_ms=9000),
        evolve(caught_up, directory="x"),
    ):
        seen = counted(second_leads(three_brokers()), *left, observers=(late,))
        assert not replacing(seen)
        assert any("gets its vote when it has caught up" in wait for wait in waits(seen))


def test_controllers_that_vote_are_left_alone():
    assert not replacing(three_brokers())
    assert not waits(three_brokers())


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (bereft(lost(), controller(2)), "controller 10002 must serve first"),
        (lost().killed(controller(3)), "controller 10003 must serve first"),
        (lost().behind(controller(3)), "controller 10003 must serve first"),
        (lost().behind(controller(3), None), "controller 10003 must serve first"),
        (evolve(lost(), view=evolve(lost().view, quorum=Unknown("nobody leads"))), "nobody leads"),
        (bereft(three_brokers(), LOST), "led by 10001"),
        (without(lost(), controller(3).number), "must serve first"),
        (bereft(lost(), broker(2)), "one storage at a time"),
    ],
    ids=["lost too", "dead", "behind", "never seen", "unknown", "leader", "no voter", "a broker first"],
)
def test_a_controller_is_never_given_an_empty_volume_without_proof(seen, told):
    assert not [act for act in replacing(seen) if act.target == LOST]
    assert any(told in wait for wait in waits(seen)), waits(seen)


def test_a_vote_on_a_volume_that_was_never_given_up_is_not_taken():
    voters = lost().view.quorum.value.voters
    seen = counted(lost(), evolve(voters[0], directory="another"), *voters[1:])
    assert not replacing(seen)
    assert any("the quorum counts it on another volume (another)" in wait for wait in waits(seen))


def test_a_vote_that_came_back_for_a_volume_that_was_given_up_is_taken_again():
    seen = rehoused(second_leads(three_brokers()), LOST)
    voters = seen.view.quorum.value.voters
    seen = counted(seen, evolve(voters[0], directory="lost"), *voters[1:])
    assert replacing(seen) == [RemoveVoter(LOST, "lost")]
    assert not replacing(seen.killed(controller(3)))


def test_the_next_identity_is_the_same_for_the_same_and_never_begins_with_a_dash():
    seen = set()
    directory = "AAAAAAAAAAAAAAAAAAAAAA"
    for _ in range(500):
        assert next_directory(directory) == next_directory(directory)
        directory = next_directory(directory)
        assert len(directory) == 22
        assert not directory.startswith("-")
        assert directory not in seen
        seen.add(directory)


def test_the_second_waits_until_the_first_has_everything_again():
    seen = bereft(three_brokers(), broker(2))
    behind = Partition("orders", 0, leader=3, replicas=(1, 2, 3), isr=(3,), min_isr=2)
    seen = evolve(seen, view=evolve(seen.view, partitions=Known((behind,))))
    assert not acts(seen, Rehouse)
    assert any("one storage at a time: orders-0 must catch up first" in str(wait) for wait in seen.plan().waits)
