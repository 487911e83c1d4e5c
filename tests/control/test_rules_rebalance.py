"""Partitions take their share of brokers that joined, and only then is the operation done."""

from attrs import evolve
from fakes.views import ago, brokers_of

from penstock.control.cluster.rules.rebalance import rebalance
from penstock.control.cluster.steps import finished, progress
from penstock.model.observation import Gone, Known, Unknown
from penstock.model.operation import OpenOperation, OperationKind, OperationState
from penstock.model.plan import Reassign
from penstock.model.rebalance import BrokerFacts, Facts, PartitionFacts

GIB = 2**30


def facts(count: int, replicas) -> Facts:
    """`count` brokers in three zones; one partition of a GiB for each tuple of replicas, all in sync."""
    brokers = tuple(BrokerFacts(n, f"use1-az{(n - 1) % 3 + 1}", 100 * GIB, 0) for n in range(1, count + 1))
    partitions = tuple(PartitionFacts("orders", i, r, r[0], r, GIB) for i, r in enumerate(replicas))
    return Facts(brokers, partitions)


CROWDED = [(1, 2, 3), (2, 3, 1), (3, 1, 2), (1, 3, 2), (2, 1, 3), (3, 2, 1)]


def growing(balance, **target):
    seen = brokers_of(6)
    operation = OpenOperation(
        "op-1",
        OperationKind.INCREASE_BROKER_COUNT,
        OperationState.UPDATE_IN_PROGRESS,
        ago(5),
        {"rebalance": True, **target},
    )
    return seen.but(operation=operation, balance=balance)


def moves(seen):
    return [
        move for each in seen.plan(rebalance).actions if isinstance(each.action, Reassign) for move in each.action.moves
    ]


def test_what_lies_on_three_of_six_brokers_is_spread():
    ordered = moves(growing(Known(facts(6, CROWDED))))
    assert ordered
    assert all(set(move.adding) <= {4, 5, 6} for move in ordered if move.adding)
    assert all(len(set(move.replicas)) == 3 for move in ordered)


def test_nothing_is_moved_while_a_broker_is_missing_or_replicas_are_unknown():
    seen = growing(Known(facts(6, CROWDED)))
    broken = seen.with_sighting(seen.view.layout[5].id, Gone(None, "signal 9 (SIGKILL)"))
    assert not moves(broken)
    unknown = growing(Unknown("no broker answers"))
    assert not moves(unknown)
    assert "it is not known where replicas are" in unknown.text(rebalance)


def test_without_such_an_operation_nothing_is_moved():
    assert not moves(growing(Known(facts(6, CROWDED)), rebalance=False))
    assert not moves(brokers_of(6).but(balance=Known(facts(6, CROWDED))))


def test_the_operation_is_done_when_every_broker_has_its_share():
    crowded = growing(Known(facts(6, CROWDED)))
    steps = progress(crowded.view, crowded.view.operation)
    assert [(step.name, step.status) for step in steps[:2]] == [
        ("START_BROKERS", "COMPLETED"),
        ("MOVE_PARTITIONS", "IN_PROGRESS"),
    ]
    spread = [(1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 6), (5, 6, 1), (6, 1, 2)]
    level = growing(Known(facts(6, spread)))
    assert not moves(level)
    assert finished(progress(level.view, level.view.operation))
    unmoved = growing(Known(facts(6, CROWDED)), rebalance=False)
    assert finished(progress(unmoved.view, unmoved.view.operation)), (
        "with the setting off partitions stay where they are"
    )


def test_a_move_under_way_is_waited_for():
    seen = facts(6, CROWDED)
    under_way = tuple(
        evolve(p, replicas=(*p.replicas, 4), adding=(4,), removing=(1,)) if p.index == 0 else p for p in seen.partitions
    )
    crowded = growing(Known(evolve(seen, partitions=under_way)))
    assert not finished(progress(crowded.view, crowded.view.operation))


def test_with_the_setting_off_a_broker_under_a_number_that_was_closed_is_opened_before_it_is_done():
    seen = growing(Known(facts(6, CROWDED)), rebalance=False).but(cordoned={4: True, 5: False})
    (act,) = [each.action for each in seen.plan(rebalance).actions]
    assert (act.target.number, act.closed) == (4, False)
    assert not finished(progress(seen.view, seen.view.operation))


def test_what_keeps_a_leaving_broker_from_being_emptied_is_told():
    seen = brokers_of(4)
    held = Facts(
        tuple(BrokerFacts(n, f"use1-az{(n - 1) % 3 + 1}", 100 * GIB, 0, leaving=n == 4) for n in range(1, 5)),
        (PartitionFacts("wide", 0, (1, 2, 3, 4), 1, (1, 2, 3, 4), GIB),),
    )
    told = growing(Known(held)).but(layout=seen.view.layout).text(rebalance)
    assert "wide-0 cannot leave broker 4" in told
    assert "lower its replication factor" in told
