"""Every operation, interrupted everywhere: the control plane dies after each of its actions, each node dies at each of its steps.

The cluster comes to rest, ACTIVE; what the judge holds (one restart a broker, one storage at a time, steps that never go
backwards, complete only when ACTIVE and true) is asserted all the while. A kind of operation without a call in
`simulation.calls` fails here."""

from itertools import count

import pytest
from oracle.soak import SOAK
from simulation.play import Play

from penstock.model.ids import Role
from penstock.model.operation import OperationKind
from penstock.model.spec import ClusterState

EVERY = tuple(OperationKind)
SIX = (OperationKind.DECREASE_BROKER_COUNT,)
"""Kinds that need more brokers than one in each zone."""
TOPICS = ((3, 2), (3, 2), (2, 1), (3, 1), (1, 1))
MOST_MOMENTS = 1000 if SOAK else 8
"""Of the moments after an action; more are thinned out evenly."""


def begin(store, kind, topics=TOPICS, **options):
    """A cluster at rest on which an operation of that kind may be called."""
    play = Play(store, brokers=6 if kind in SIX else 3, topics=topics, **options)
    play.until(play.at_rest, 60)
    play.machine.verbs.clear()
    return play


def check(play, kind):
    """It came to its end."""
    assert play.state is ClusterState.ACTIVE
    (operation,) = play.operations()
    assert (operation.kind, str(operation.state)[-9:]) == (kind, "_COMPLETE"), operation
    play.clear_up()


def verbs(store, kind, **options):
    """What is done where nothing goes wrong."""
    play = begin(store, kind, **options)
    assert play.change(kind)
    play.settle(200)
    done = list(play.machine.verbs)
    check(play, kind)
    return done


def thinned(moments):
    """So many of them at most, spread evenly, the first and the last among them."""
    found = list(moments)
    if len(found) <= MOST_MOMENTS:
        return found
    return [found[index * (len(found) - 1) // (MOST_MOMENTS - 1)] for index in range(MOST_MOMENTS)]


RESTARTED = {
    OperationKind.REBOOT_NODE: 1,
    OperationKind.UPDATE_BROKER_TYPE: 3,
    OperationKind.UPDATE_CLUSTER_CONFIGURATION: 6,
    OperationKind.UPDATE_CONNECTIVITY: 3,
}


@pytest.mark.parametrize("kind", EVERY)
def test_undisturbed_nobody_is_restarted_without_a_reason(store, kind):
    done = verbs(store, kind)
    leaving = 3 if kind is OperationKind.DECREASE_BROKER_COUNT else 0
    joining = 3 if kind is OperationKind.INCREASE_BROKER_COUNT else 0
    stops = [verb for verb in done if verb.startswith("stop")]
    assert len(stops) == len(set(stops)) == RESTARTED.get(kind, 0) + leaving, done
    starts = [verb for verb in done if verb.startswith("start")]
    assert len(starts) == len(set(starts)) == RESTARTED.get(kind, 0) + joining, done
    assert sum(verb.startswith("quarantine") for verb in done) == leaving


@pytest.mark.parametrize("kind", EVERY)
def test_the_control_plane_dies_after_each_action(store, kind):
    for after in count():
        play = begin(store, kind)
        play.machine.crash_after = after
        assert play.change(kind)
        play.until(play.at_rest, 200)
        done, reached = list(play.machine.verbs), play.crashes
        check(play, kind)
        starts = [verb for verb in done if verb.startswith(("start", "stop"))]
        assert len(starts) == len(set(starts)), f"after action {after}: {done}"
        if not reached:
            assert after >= 3 or kind is OperationKind.UPDATE_CLUSTER_MONITORING, "too few actions to prove anything"
            return


@pytest.mark.parametrize("kind", EVERY)
def test_the_control_plane_dies_after_every_action(store, kind):
    play = begin(store, kind)
    assert play.change(kind)
    for _ in range(500):
        if play.machine.crash_after is None:
            play.machine.crash_after = 0
        if play.operations()[0].ended:
            break
        play.run(0.2)
    assert play.operations()[0].ended, f"each control plane undoes what the one before did: {play.told()}"
    play.settle(200)
    check(play, kind)


SAFE = ((3, 2), (3, 2), (3, 2))
"""Replicas and min ISR of topics that survive the loss of a volume while another broker is away."""
DEATHS = {
    "dead": (Play.kill, TOPICS, range(12)),
    "frozen": (Play.suspend, TOPICS, range(0, 12, 2)),
    "with its volume": (Play.lose_volume, SAFE, (0, 1, 2, 5)),
}


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("how", DEATHS)
def test_each_node_dies_at_each_step(store, kind, how):
    """A step: each time that what the operation shows of its steps has changed."""
    befall, topics, victims = DEATHS[how]
    for step in count(1):
        for victim in victims:
            play = begin(store, kind, topics)
            if victim >= len(play.nodes()) or (how == "with its volume" and play.node(victim).role is not Role.BROKER):
                play.clear_up()
                continue
            assert play.change(kind)
            (account,) = play.judge.accounts
            play.until(lambda play=play, account=account, step=step: len(account.shown) >= step or play.at_rest(), 200)
            over = account not in play.judge.accounts
            befall(play, play.node(victim))
            play.settle(400)
            check(play, kind)
            if over:
                return


@pytest.mark.parametrize("kind", EVERY)
def test_a_node_dies_after_each_action_and_the_control_plane_with_the_next(store, kind):
    moments = thinned(range(1, len(verbs(store, kind)) + 1))
    for turn, moment in enumerate(moments):
        play = begin(store, kind)
        assert play.change(kind)
        play.until(lambda play=play, moment=moment: len(play.machine.verbs) >= moment or play.at_rest(), 200)
        play.kill(play.node(turn))
        play.machine.crash_after = 0
        play.run(1)
        play.settle(400)
        check(play, kind)
