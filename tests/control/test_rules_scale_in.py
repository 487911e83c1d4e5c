"""Brokers leave one by one, and only with the proof that nothing counts on them."""

import pytest
from attrs import evolve
from fakes.views import ago, brokers_of, desired

from penstock.control.cluster.rebalance.step import weighed
from penstock.control.cluster.rules.bootstrap import bootstrap
from penstock.control.cluster.rules.rebalance import rebalance
from penstock.control.cluster.rules.revive import revive
from penstock.control.cluster.rules.scale_in import scale_in
from penstock.control.cluster.steps import progress
from penstock.model.action import Cordon, Limit, Reassign, Remove, Retire, Start, Stop, Unregister
from penstock.model.ids import NodeId, Role
from penstock.model.observation import Absent, Blocked, Gone, Known, Partition, Unknown
from penstock.model.operation import OpenOperation, OperationKind, OperationState, Setback, Work
from penstock.model.rebalance import BrokerFacts, Facts, Limits, PartitionFacts, Traffic

GIB = 2**30


def shrinking(replicas, stored=None, **changes):
    """Six brokers of which 4, 5 and 6 leave; a partition of a GiB for each tuple of replicas."""
    spec = desired(brokers=6)
    nodes = tuple(evolve(place, leaving=place.id.role is Role.BROKER and place.id.number > 3) for place in spec.nodes)
    seen = brokers_of(6, evolve(spec, nodes=nodes))
    operation = OpenOperation(
        "op-1",
        OperationKind.DECREASE_BROKER_COUNT,
        OperationState.UPDATE_IN_PROGRESS,
        ago(5),
        {"rebalance": True},
        work=Work(throttles=("orders",)),
    )
    held = tuple(PartitionFacts("orders", i, r, r[0], r, GIB) for i, r in enumerate(replicas))
    balance = Facts(
        tuple(BrokerFacts(n, f"use1-az{(n - 1) % 3 + 1}", 100 * GIB, 0, leaving=n > 3) for n in range(1, 7)), held
    )
    told = tuple(Partition("orders", i, r[0], r, r, 2) for i, r in enumerate(replicas))
    return seen.but(
        operation=operation,
        balance=Known(weighed(balance, Limits())),
        partitions=Known(told),
        stored=stored if stored is not None else dict.fromkeys(range(1, 7), 0),
        cordoned={number: number > 3 for number in range(1, 7)},
        **{
            "traffic": Traffic(limits=dict.fromkeys(range(1, 7), 100), rate=100, writing=True, unmeasured="no canary"),
            **changes,
        },
    )


def broker(seen, number):
    return NodeId(seen.view.spec.id, Role.BROKER, number)


def acts(seen, *rules):
    return [each.action for each in seen.plan(*rules).actions]


def test_what_leaves_is_closed_to_new_replicas_and_emptied():
    seen = shrinking([(4, 5, 6), (1, 2, 3)]).but(cordoned=dict.fromkeys(range(1, 7), False))
    ordered = acts(seen, rebalance)
    assert [act for act in ordered if isinstance(act, Cordon)] == [Cordon(broker(seen, 4), True)], "one at a time"
    (moved,) = [act for act in ordered if isinstance(act, Reassign)]
    assert [(move.key, set(move.replicas)) for move in moved.moves] == [(("orders", 0), {1, 2, 3})]
    assert not acts(seen, scale_in), "nothing is stopped that holds a replica"


def test_an_empty_broker_is_stopped_one_at_a_time():
    seen = shrinking([(1, 2, 3)])
    assert [act.target.number for act in acts(seen, scale_in) if isinstance(act, Stop)] == [4]


def test_none_is_stopped_before_all_are_empty_and_closed():
    """While all of them are there they can still stay."""
    assert not acts(shrinking([(1, 2, 5)]), scale_in)
    open_still = {number: number in (4, 5) for number in range(1, 7)}
    assert not acts(shrinking([(1, 2, 3)]).but(cordoned=open_still), scale_in)
    assert acts(shrinking([(1, 2, 3)]).but(cordoned={}), scale_in), "their Kafka knows no cordon"


def test_the_brokers_own_word_counts_too():
    assert not acts(shrinking([(1, 2, 3)], stored={4: 1, 5: 1, 6: 1}), scale_in)
    assert not acts(shrinking([(1, 2, 3)], stored={}), scale_in), "a broker that said nothing is not empty"
    assert not acts(shrinking([(1, 2, 3)]).but(balance=Unknown("no answer")), scale_in)


def test_a_broker_that_ended_empty_is_written_out_and_not_started():
    seen = shrinking([(1, 2, 3)])
    ended = seen.with_sighting(broker(seen, 4), Gone(ago(1), "exit status 0", requested=True, clean=True))
    (act,) = [act for act in acts(ended) if not isinstance(act, Cordon)]
    assert act == Retire(broker(seen, 4))


def test_one_that_got_a_replica_while_it_ended_is_started_again():
    seen = shrinking([(1, 2, 4)])
    ended = seen.with_sighting(broker(seen, 4), Gone(ago(1), "exit status 0", requested=True, clean=True))
    assert [type(act) for act in acts(ended, scale_in)] == [Start]
    unknown = ended.but(partitions=Unknown("no answer"))
    assert not acts(unknown, scale_in)


@pytest.mark.parametrize(
    "how", [Absent(), Blocked("a stranger is on its port", "End it."), Gone(ago(1), "exit status 1", short_runs=3)]
)
def test_one_that_never_served_is_written_out_and_nobody_starts_it(how):
    """More brokers were asked for, one cannot start, and the cluster goes back."""
    seen = shrinking([(1, 2, 3)])
    seen = seen.with_sighting(broker(seen, 6), how)
    assert acts(seen, bootstrap, revive, scale_in) == [Retire(broker(seen, 6))]
    held = shrinking([(1, 2, 6)]).with_sighting(broker(seen, 6), how)
    assert Retire(broker(seen, 6)) not in acts(held, scale_in)


def test_brokers_that_stay_after_all_are_opened_again_and_nothing_is_moved():
    seen = shrinking([(4, 5, 6), (1, 2, 3)])
    stays = tuple(evolve(place, leaving=False) for place in seen.view.spec.nodes)
    given_up = evolve(seen.view.operation, work=Work(setback=Setback("NO_PROGRESS", "it waited")))
    seen = seen.with_spec(nodes=stays).but(operation=given_up, cordoned=dict.fromkeys((4, 5, 6), True))
    ordered = acts(seen, rebalance)
    assert [act for act in ordered if isinstance(act, Cordon)] == [Cordon(broker(seen, 4), False)], "one at a time"
    assert [act.rate for act in ordered if isinstance(act, Limit)] == [None], "nor is anything throttled any more"
    assert not [act for act in ordered if isinstance(act, Reassign)]


LEFT = NodeId(desired().id, Role.BROKER, 4)


def left(*, registered, **changes):
    """Three brokers, and what is there still of broker 4, which has left."""
    seen = brokers_of(3)
    of_it = {4: evolve(seen.view.brokers.value[1], number=4, fenced=True)} if registered else {}
    changes = {"brokers": Known({**seen.view.brokers.value, **of_it}), **changes}
    view = evolve(
        seen.view,
        spec=evolve(seen.view.spec, retired=(LEFT,)),
        strays=(LEFT,),
        sightings={**seen.view.sightings, LEFT: Known(Gone(ago(1), "exit status 0", requested=True))},
    )
    return evolve(seen, view=evolve(view, **changes))


def of_it(seen):
    return [act for act in acts(seen) if act.target == LEFT]


def test_one_that_has_left_is_unregistered_and_then_its_volume_is_kept():
    seen = left(registered=True)
    assert of_it(seen) == [Unregister(LEFT, tuple(broker(seen, n) for n in (1, 2, 3)))]
    assert of_it(left(registered=False)) == [Remove(LEFT, keep=True)]


def test_one_that_was_never_started_leaves_its_directory_behind_and_that_goes_too():
    seen = left(registered=False)
    began = {**seen.view.sightings, LEFT: Known(Absent())}
    assert of_it(seen.but(sightings=began)) == [Remove(LEFT, keep=True)]
    nothing = {node: sighting for node, sighting in began.items() if node != LEFT}
    assert not of_it(seen.but(sightings=nothing, strays=()))


@pytest.mark.parametrize("registered", [True, False])
def test_nothing_of_it_is_taken_away_while_something_counts_on_it(registered):
    held = Known((Partition("orders", 7, 4, (4,), (4,), 1),))
    seen = left(registered=registered, partitions=held)
    assert not of_it(seen)
    assert "orders-7 have a replica on it" in next(str(wait) for wait in seen.plan().waits if wait.on == str(LEFT))


@pytest.mark.parametrize("what", ["brokers", "partitions"])
def test_what_is_not_known_is_no_proof_that_nothing_counts_on_it(what):
    seen = left(registered=False, **{what: Unknown("no answer")})
    assert not of_it(seen)
    assert "it is not known whether anything counts on it still" in str([str(wait) for wait in seen.plan().waits])


def test_without_cordons_it_is_waited_for_metadata_of_after_its_end():
    seen = shrinking([(1, 2, 3)]).but(cordoned={})
    ended = Gone(ago(1), "exit status 0", requested=True, clean=True)
    assert not acts(seen.with_sighting(broker(seen, 4), ended), scale_in)
    long_ago = evolve(ended, at=ago(5))
    assert acts(seen.with_sighting(broker(seen, 4), long_ago), scale_in) == [Retire(broker(seen, 4))]


def test_the_operation_is_done_when_nothing_of_them_is_left():
    seen = shrinking([(1, 2, 3)])
    assert [step.status for step in progress(seen.view, seen.view.operation)] == ["IN_PROGRESS", "PENDING"]
    three = brokers_of(3).but(operation=seen.view.operation)
    assert [step.status for step in progress(three.view, three.view.operation)] == ["COMPLETED", "COMPLETED"]
