"""Whatever befalls a cluster, and wherever the control plane dies: it converges, and no safety gate is ever broken.

PENSTOCK_SOAK=1 plays many more stories."""

from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from oracle.soak import SOAK
from simulation.play import Play

from penstock.model.ids import Role
from penstock.model.operation import OperationKind
from penstock.model.spec import ClusterState

STORIES = 2000 if SOAK else 45
MOST_BROKERS = 9
NODE = st.integers(0, 8)
"""Index of a node: brokers first, then controllers, then from the beginning."""

EVENTS = st.one_of(
    st.tuples(st.just("kill"), NODE),
    st.tuples(st.just("kill"), NODE),
    st.tuples(st.just("suspend"), NODE),
    st.tuples(st.just("hang"), NODE),
    st.tuples(st.just("unsee"), NODE),
    st.tuples(st.just("see"), NODE),
    st.tuples(st.just("fail starts"), NODE, st.integers(1, 3)),
    st.tuples(st.just("refuse starts"), NODE, st.integers(1, 3)),
    st.tuples(st.just("reboot"), st.integers(0, 2)),
    st.tuples(st.just("call"), st.sampled_from(OperationKind)),
    st.tuples(st.just("scale out"), st.booleans()),
    st.tuples(st.just("scale in")),
    st.tuples(st.just("create a topic"), st.sampled_from([(1, 1), (2, 1), (3, 2)])),
    st.tuples(st.just("somebody reassigns"), st.integers(0, 20)),
    st.tuples(st.just("age inner"), NODE),
    st.tuples(st.just("age client"), st.integers(0, 2)),
    st.tuples(st.just("crash after"), st.integers(0, 6)),
    st.tuples(st.just("plane down"), st.sampled_from([0.5, 5.0, 90.0])),
    st.tuples(st.just("lose an answer"), st.sampled_from(["late", "applied", "dropped"])),
    st.tuples(st.just("lose a vote"), st.integers(0, 2)),
    st.tuples(st.just("kill all")),
    st.tuples(st.just("suspend all controllers")),
    st.tuples(st.just("lose wake-ups")),
)
STORY = st.lists(st.tuples(EVENTS, st.sampled_from([0.0, 0.0, 0.3, 1.0, 2.5, 6.0])), max_size=7)


def befall(play, event):
    name, *arguments = event
    first = arguments[0] if arguments else None
    match name:
        case "kill":
            play.kill(play.node(first))
        case "suspend":
            play.suspend(play.node(first))
        case "hang":
            play.hang(play.node(first))
        case "unsee":
            play.unsee(play.node(first))
        case "see":
            play.machine.ill(play.node(first)).unseen = False
        case "fail starts":
            play.fail_starts(play.node(first), arguments[1])
        case "refuse starts":
            play.refuse_starts(play.node(first), arguments[1])
        case "reboot":
            play.reboot([node for node in play.nodes() if node.role is Role.BROKER][first % 2 - 1])
        case "call":
            if first is OperationKind.DECREASE_BROKER_COUNT:
                befall(play, ("scale in",))
            elif first is OperationKind.INCREASE_BROKER_COUNT:
                befall(play, ("scale out", True))
            else:
                play.change(first)
        case "scale out":
            if (record := play.record()) is not None and len(record.spec.brokers) <= MOST_BROKERS - 3:
                play.scale_out(rebalance=first)
        case "scale in":
            if (record := play.record()) is not None and len(record.spec.brokers) > 3:
                play.scale_in()
        case "create a topic":
            play.kafka.make_topic(f"topic-{len(play.kafka.topics)}", 2, *first)
        case "somebody reassigns":
            play.reassign(first)
        case "age inner":
            play.age_inner(play.node(first))
        case "age client":
            play.age_client(play.node(first))
        case "crash after":
            play.machine.crash_after = first
        case "plane down":
            play.down(first)
        case "lose an answer":
            play.lose_an_answer(first)
        case "lose a vote":
            play.lose_a_vote(first)
        case "kill all":
            for node in play.nodes():
                play.kill(node)
        case "suspend all controllers":
            for node in play.nodes():
                if node.role is Role.CONTROLLER:
                    play.suspend(node)
        case "lose wake-ups":
            play.wake_ups = False
        case _:
            raise AssertionError(name)


@pytest.fixture
def counted(tell):
    """Counts the stories of a test, and says where it is at every hundredth."""
    numbers = count(1)

    def another():
        number = next(numbers)
        if number % 100 == 0:
            tell(f"{number} stories")

    return another


soak = settings(max_examples=STORIES, deadline=None, suppress_health_check=list(HealthCheck))


UNSEEN_WHILE_ANOTHER_GROWS = [
    (("unsee", 0), 0.0),
    (("kill all",), 0.3),
    (("call", OperationKind.UPDATE_BROKER_EBS_VOLUME), 6.0),
]


REASSIGNED_BEFORE_AND_WHILE_BROKERS_LEAVE = [
    (("somebody reassigns", 3), 0.0),
    (("scale in",), 2.5),
    (("somebody reassigns", 5), 0.0),
    (("crash after", 0), 2.5),
    (("kill", 3), 1.0),
    (("somebody reassigns", 1), 6.0),
]
REASSIGNED_TO_ONE_THAT_RENEWS_ITS_CERTIFICATE_AND_LEAVES = [
    (("kill", 0), 0.0),
    (("somebody reassigns", 19), 2.5),
    (("scale in",), 0.0),
    (("age inner", 3), 6.0),
    (("somebody reassigns", 1), 0.3),
]
REASSIGNED_TO_ONE_THAT_ENDS = [
    (("kill", 0), 0.0),
    (("call", OperationKind.DECREASE_BROKER_COUNT), 2.5),
    (("reboot", 0), 6.0),
    (("somebody reassigns", 0), 0.0),
]
REASSIGNED_TO_ONE_THAT_HAS_LEFT = [
    (("call", OperationKind.DECREASE_BROKER_COUNT), 2.5),
    (("call", OperationKind.DECREASE_BROKER_COUNT), 6.0),
    (("somebody reassigns", 0), 0.0),
]
REASSIGNED_AND_LEFT_ALONE = [(("somebody reassigns", 0), 0.3), (("reboot", 0), 1.0), (("kill", 4), 0.0)]


@soak
@example(story=REASSIGNED_BEFORE_AND_WHILE_BROKERS_LEAVE, from_the_create=False, brokers=6)
@example(story=REASSIGNED_TO_ONE_THAT_RENEWS_ITS_CERTIFICATE_AND_LEAVES, from_the_create=False, brokers=6)
@example(story=REASSIGNED_TO_ONE_THAT_ENDS, from_the_create=False, brokers=6)
@example(story=REASSIGNED_TO_ONE_THAT_HAS_LEFT, from_the_create=False, brokers=6)
@example(story=REASSIGNED_AND_LEFT_ALONE, from_the_create=False, brokers=6)
@example(story=UNSEEN_WHILE_ANOTHER_GROWS, from_the_create=False, brokers=3)
@given(story=STORY, from_the_create=st.booleans(), brokers=st.sampled_from([3, 3, 3, 1, 2, 6]))
def test_every_story_ends_with_a_whole_and_active_cluster(store, counted, story, from_the_create, brokers):
    counted()
    play = Play(store, brokers)
    if not from_the_create:
        play.until(play.at_rest)
    for event, pause in story:
        befall(play, event)
        play.run(pause)
    play.settle()
    assert play.state is ClusterState.ACTIVE
    play.judge.settled()
    assert all(operation.ended for operation in play.operations())
    play.clear_up()


@settings(soak, max_examples=STORIES // 2)
@given(before=STORY, after=STORY)
def test_a_deletion_works_from_every_state_and_leaves_nothing(store, counted, before, after):
    counted()
    play = Play(store)
    for event, pause in before:
        befall(play, event)
        play.run(pause)
    play.delete()
    for event, pause in after:
        befall(play, event)
        play.run(pause)
    play.settle(120)
    assert play.record() is None
    assert play.machine.runs == {}
    play.plane.forget(play.cluster)
