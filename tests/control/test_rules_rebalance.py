"""Partitions take their share of brokers that joined, and only then is the operation done."""

from datetime import timedelta

from attrs import evolve
from fakes.views import NOW, ago, brokers_of

from penstock.control.cluster.rebalance.ledger import kept
from penstock.control.cluster.rebalance.step import weighed
from penstock.control.cluster.rules.rebalance import rebalance
from penstock.control.cluster.state import status
from penstock.control.cluster.steps import finished, progress, returned
from penstock.model.action import Cancel, Limit, MakeCanary, Reassign, Throttle
from penstock.model.observation import Gone, Known, Unknown
from penstock.model.operation import OpenOperation, OperationKind, OperationState, Setback, Step, Work
from penstock.model.rebalance import BrokerFacts, Facts, Limits, PartitionFacts, Throttled, Traffic
from penstock.model.spec import ClusterState

GIB = 2**30


def facts(count: int, replicas) -> Facts:
    """`count` brokers in three zones; one partition of a GiB for each tuple of replicas, all in sync."""
    brokers = tuple(BrokerFacts(n, f"use1-az{(n - 1) % 3 + 1}", 100 * GIB, 0) for n in range(1, count + 1))
    partitions = tuple(PartitionFacts("orders", i, r, r[0], r, GIB) for i, r in enumerate(replicas))
    return Facts(brokers, partitions)


LEVEL = [(1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 6), (5, 6, 1), (6, 1, 2)]
FREE = Traffic(limits=dict.fromkeys(range(1, 7)), writing=False)
CROWDED = [(1, 2, 3), (2, 3, 1), (3, 1, 2), (1, 3, 2), (2, 1, 3), (3, 2, 1)]


def going(rate=100, *, limits=None, **changes) -> Traffic:
    """All is measured, and every broker has its limit."""
    limits = dict.fromkeys(range(1, 7), rate) if limits is None else limits
    return evolve(Traffic(limits=limits, rate=rate, writing=True, canary=True, calm_ms=2.0), **changes)


def growing(balance, traffic=None, throttles=("orders",), work=None, **target):
    seen = brokers_of(6)
    operation = OpenOperation(
        "op-1",
        OperationKind.INCREASE_BROKER_COUNT,
        OperationState.UPDATE_IN_PROGRESS,
        ago(5),
        {"rebalance": True, **target},
        work=work or Work(throttles=throttles),
    )
    known = Known(weighed(balance.value, Limits())) if isinstance(balance, Known) else balance
    return seen.but(operation=operation, balance=known, traffic=traffic or going())


def acts(seen, kind):
    return [each.action for each in seen.plan(rebalance).actions if isinstance(each.action, kind)]


def moves(seen):
    return [move for each in acts(seen, Reassign) for move in each.moves]


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
    assert not moves(brokers_of(6).but(balance=Known(weighed(facts(6, CROWDED), Limits()))))


def test_the_operation_is_done_when_every_broker_has_its_share():
    crowded = growing(Known(facts(6, CROWDED)))
    steps = progress(crowded.view, crowded.view.operation)
    assert [(step.name, step.status) for step in steps[:2]] == [
        ("START_BROKERS", "COMPLETED"),
        ("MOVE_PARTITIONS", "IN_PROGRESS"),
    ]
    level = growing(Known(facts(6, LEVEL)), FREE)
    assert not moves(level)
    assert finished(progress(level.view, level.view.operation))
    unmoved = growing(Known(facts(6, CROWDED)), FREE, rebalance=False)
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


def under_way(seen: Facts, replicas=(4, 2, 3), gone=1, index=0) -> Facts:
    """The first of the replicas takes the place of the one that goes, and has half of the partition."""
    moved = {
        "replicas": (*replicas, gone),
        "isr": (*replicas[1:], gone),
        "adding": replicas[:1],
        "removing": (gone,),
        "arrived": {replicas[0]: GIB // 2},
    }
    return evolve(seen, partitions=tuple(evolve(p, **moved) if p.index == index else p for p in seen.partitions))


def last_one(seen: Facts) -> Facts:
    """When it has ended, all is level."""
    return under_way(seen, (4, 5, 6), gone=1, index=3)


def test_nothing_is_copied_before_every_broker_is_seen_to_have_its_limit():
    none = growing(Known(facts(6, CROWDED)), going(limits=dict.fromkeys(range(1, 7))))
    assert [act.rate for act in acts(none, Limit)] == [100]
    assert not [move for move in moves(none) if move.adding]
    assert "every broker must know its limit first" in none.text(rebalance)
    assert not acts(growing(Known(facts(6, CROWDED))), Limit), "nor are they set again"


def test_another_rate_is_set_while_moves_go_on():
    slower = going(50, limits=dict.fromkeys(range(1, 7), 100), latency_ms=9.0)
    seen = growing(Known(facts(6, CROWDED)), slower)
    assert [act.rate for act in acts(seen, Limit)] == [50]
    assert moves(seen)
    assert "producers wait 9.0 ms, and 2.0 ms while nothing moves" in seen.text(rebalance)


def test_replicas_are_throttled_in_the_same_breath_before_they_are_ordered():
    ordered = [each.action for each in growing(Known(facts(6, CROWDED))).plan(rebalance).actions]
    (throttle,) = [act for act in ordered if isinstance(act, Throttle)]
    copied = next(act for act in ordered if isinstance(act, Reassign) and act.moves[0].adding)
    assert ordered.index(throttle) < ordered.index(copied)
    assert throttle.target == copied.target, "where the one does not work the other is not tried"
    old = {part.index: part.replicas for part in facts(6, CROWDED).partitions}
    assert throttle.topics["orders"].leaders == {(m.key[1], n) for m in copied.moves for n in old[m.key[1]]}


def test_where_nobody_produces_nothing_is_limited_and_what_was_is_lifted():
    idle = growing(Known(facts(6, CROWDED)), going(None, limits=dict.fromkeys(range(1, 7), 50)))
    assert [act.rate for act in acts(idle, Limit)] == [None]
    assert not acts(idle, Throttle)
    assert [move for move in moves(idle) if move.adding]


def test_leadership_is_put_right_before_anything_is_copied():
    lopsided = growing(Known(facts(3, [(1, 2, 3)] * 6)))
    first = acts(lopsided, Reassign)[0]
    assert all(not move.adding for move in first.moves)


def test_a_topic_is_written_down_before_it_is_throttled():
    strange = growing(Known(facts(6, CROWDED)), throttles=())
    assert not acts(strange, Throttle)
    assert not [move for move in moves(strange) if move.adding]
    assert kept(strange.view.operation.work, strange.view).throttles == ("orders",)


def test_what_a_control_plane_left_that_died_is_found_and_lifted_and_only_then_it_is_done():
    left = going(throttled={"orders": Throttled(frozenset({(0, 1)})), "theirs": Throttled(frozenset({(0, 1)}))})
    seen = growing(Known(facts(6, LEVEL)), left)
    assert acts(seen, Throttle)[0].topics == {"orders": None}, "a throttle of the user's own is left alone"
    assert [act.rate for act in acts(seen, Limit)] == [None]
    assert not finished(progress(seen.view, seen.view.operation))
    rest = evolve(FREE, throttled={"theirs": Throttled(frozenset({(0, 1)}))})
    assert finished(progress(seen.but(traffic=rest).view, seen.view.operation))


def test_what_somebody_else_moves_is_neither_throttled_nor_freed():
    seen = facts(6, LEVEL)
    wider = tuple(evolve(p, replicas=(1, 2, 3, 4), adding=(4,)) if p.index == 0 else p for p in seen.partitions)
    theirs = going(throttled={"orders": Throttled(frozenset({(0, 1)}), frozenset({(0, 4)}))})
    assert not acts(growing(Known(evolve(seen, partitions=wider)), theirs), Throttle)


def test_it_is_measured_first_what_is_calm_and_the_canary_made_when_that_is_needed():
    unknown = going(calm_ms=None, canary=False, writing=True)
    seen = growing(Known(facts(6, CROWDED)), unknown)
    (made,) = acts(seen, MakeCanary)
    assert made.placed == ((1, 2, 3), (2, 3, 1), (3, 1, 2)) * 2, (
        "a partition for each broker, on those that are not empty"
    )
    assert not moves(seen)
    assert "how long producers wait while nothing moves" in seen.text(rebalance)
    there = growing(Known(facts(6, CROWDED)), evolve(unknown, canary=True))
    assert not acts(there, MakeCanary)
    assert not moves(there)


def test_where_nobody_writes_there_is_nothing_to_be_measured():
    unseen = growing(Known(facts(6, CROWDED)), going(calm_ms=None, canary=False, writing=None))
    assert not moves(unseen), "one look does not tell"
    assert not acts(unseen, MakeCanary)
    idle = growing(Known(facts(6, CROWDED)), going(calm_ms=None, canary=False, writing=False))
    assert moves(idle)
    assert not acts(idle, MakeCanary)


def test_what_an_earlier_control_plane_set_stays_until_it_is_known_whether_anybody_writes():
    left = {"orders": Throttled(frozenset({(0, 1)}))}
    seen = growing(Known(facts(6, CROWDED)), going(writing=None, throttled=left, limits=dict.fromkeys(range(1, 7), 9)))
    assert not acts(seen, Throttle)
    assert not acts(seen, Limit)
    (lifted,) = acts(seen.but(traffic=evolve(FREE, throttled=left)), Throttle)
    assert lifted.topics == {"orders": None}


def test_a_handful_of_bytes_is_moved_without_measuring_anything():
    small = facts(6, CROWDED)
    small = evolve(small, partitions=tuple(evolve(p, size_bytes=1000) for p in small.partitions))
    seen = growing(Known(small), going(calm_ms=None, canary=False))
    assert not acts(seen, MakeCanary)
    assert moves(seen)


def test_where_the_canary_does_not_work_it_goes_on_and_says_so():
    seen = growing(
        Known(facts(6, CROWDED)), going(calm_ms=None, writing=True, unmeasured="the canary did not tell: no leader")
    )
    assert moves(seen)
    assert "the canary did not tell: no leader" in seen.text(rebalance)


def test_a_move_towards_a_broker_that_is_not_there_is_taken_back():
    gone = under_way(facts(3, CROWDED))
    assert [act.partitions for act in acts(growing(Known(gone)), Cancel)] == [(("orders", 0),)]


def shown(seen):
    return {step.name: str(step) for step in progress(seen.view, seen.view.operation)}["MOVE_PARTITIONS"]


def test_the_step_tells_how_far_it_is_and_how_long_it_takes():
    half = Known(last_one(facts(6, LEVEL)))
    work = Work(begun_bytes=2 * GIB, left_bytes=GIB // 2, throttles=("orders",))
    seen = growing(half, work=work)
    assert shown(seen) == "IN_PROGRESS: 75 % of 2.0 GiB moved, 1 partition left", "no rate is known at the first look"
    timed = seen.but(traffic=going(copied=GIB / 80))
    assert shown(timed) == "IN_PROGRESS: 75 % of 2.0 GiB moved, 1 partition and about 40 s left"
    blind = timed.but(
        balance=Unknown("no broker answers"),
        operation=evolve(timed.view.operation, steps=progress(timed.view, timed.view.operation)),
    )
    assert shown(blind) == shown(timed), "what was told last stands"


def test_what_is_done_is_never_less_because_more_has_to_be_moved():
    seen = growing(Known(last_one(facts(6, LEVEL))), work=Work())
    work = kept(Work(), seen.view)
    assert (work.begun_bytes, work.left_bytes) == (GIB // 2, GIB // 2)
    grown = facts(6, LEVEL)
    grown = last_one(evolve(grown, partitions=tuple(evolve(p, size_bytes=2 * GIB) for p in grown.partitions)))
    more = kept(evolve(work, begun_bytes=2 * GIB), seen.but(balance=Known(weighed(grown, Limits()))).view)
    assert (more.begun_bytes, more.left_bytes) == (3 * GIB, 3 * GIB // 2)
    assert kept(more, seen.but(balance=Unknown("no answer")).view) == more


def test_what_is_calm_is_written_down_once():
    seen = growing(Known(facts(6, CROWDED)))
    assert kept(Work(), seen.view).calm_ms == 2.0
    assert kept(Work(calm_ms=1.0), seen.view).calm_ms == 1.0


def test_an_operation_is_told_in_a_line():
    operation = growing(Known(facts(6, CROWDED))).view.operation
    assert str(operation) == "INCREASE_BROKER_COUNT"
    moving = evolve(
        operation, steps=(Step("START_BROKERS", "COMPLETED"), Step("MOVE_PARTITIONS", "IN_PROGRESS", "5 %"))
    )
    assert str(moving) == "INCREASE_BROKER_COUNT: MOVE_PARTITIONS (5 %)"


def test_an_operation_that_is_given_up_leaves_no_throttle():
    left = going(throttled={"orders": Throttled(frozenset({(0, 1)}))})
    work = Work(throttles=("orders",), setback=Setback("NO_PROGRESS", "it waits"))
    seen = growing(Known(last_one(facts(6, CROWDED))), left, work=work)
    assert not moves(seen), "partitions stay where they are"
    assert acts(seen, Throttle)[0].topics == {"orders": None}
    assert [act.rate for act in acts(seen, Limit)] == [None]
    assert not returned(seen.view, seen.view.operation)
    assert returned(seen.but(traffic=FREE).view, seen.view.operation)


GIVEN_UP = Work(throttles=("orders",), moves=("orders-3",), setback=Setback("NO_PROGRESS", "it waits"))


def test_what_it_ordered_is_taken_back_when_it_is_given_up_and_nothing_that_somebody_else_did():
    seen = last_one(facts(6, CROWDED))
    theirs = evolve(seen.partitions[1], replicas=(*seen.partitions[1].replicas, 5), adding=(5,), removing=(2,))
    both = evolve(seen, partitions=tuple(theirs if p.index == theirs.index else p for p in seen.partitions))
    turned = growing(Known(both), work=GIVEN_UP)
    assert [act.partitions for act in acts(turned, Cancel)] == [(("orders", 3),)]
    assert not returned(turned.but(traffic=FREE).view, turned.view.operation)
    rest = turned.but(traffic=FREE, balance=Known(weighed(evolve(both, partitions=(theirs,)), Limits())))
    assert not acts(rest, Cancel)
    assert returned(rest.view, rest.view.operation)


def test_what_has_no_old_replica_in_sync_is_not_taken_back():
    seen = last_one(facts(6, CROWDED))
    alone = evolve(seen, partitions=tuple(evolve(p, isr=p.adding) if p.adding else p for p in seen.partitions))
    assert not acts(growing(Known(alone), work=GIVEN_UP), Cancel)


def test_what_it_orders_is_written_down_until_it_has_ended():
    seen = growing(Known(facts(6, CROWDED)))
    ordered = seen.plan(rebalance).ordered
    work = kept(seen.view.operation.work, seen.view, ordered)
    assert set(work.moves) == {f"orders-{move.key[1]}" for move in ordered if move.adding}
    assert len(work.moves) > 1
    moving = seen.but(balance=Known(weighed(under_way(facts(6, CROWDED)), Limits())))
    assert kept(evolve(work, moves=("orders-0", "orders-1")), moving.view).moves == ("orders-0",)


def test_a_broker_that_is_away_does_not_keep_the_others_throttled():
    left = going(throttled={"orders": Throttled(frozenset({(0, 1)}))}, limits=dict.fromkeys(range(1, 6), 100))
    seen = growing(Known(last_one(facts(6, CROWDED))), left, work=GIVEN_UP)
    away = seen.with_sighting(seen.view.layout[5].id, Gone(None, "signal 9 (SIGKILL)"))
    assert acts(away, Throttle)[0].topics == {"orders": None}
    assert [act.rate for act in acts(away, Limit)] == [None]
    assert acts(away, Cancel)


def left_behind(traffic, *, balance=None):
    """No operation any more, and one that failed had throttled a topic."""
    seen = brokers_of(6).but(balance=balance or Known(weighed(facts(6, LEVEL), Limits())), traffic=traffic)
    return seen.with_status(throttled=("orders",))


def test_what_a_failed_operation_left_is_lifted_by_healing_and_nothing_of_the_users():
    theirs = Throttled(frozenset({(0, 1)}))
    seen = left_behind(going(throttled={"orders": theirs, "theirs": theirs}))
    plan = seen.plan(rebalance)
    assert acts(seen, Throttle)[0].topics == {"orders": None}
    assert [act.rate for act in acts(seen, Limit)] == [None]
    assert all(reasoned.heals for reasoned in plan.actions)
    after = status(seen.view, plan, NOW, timedelta(seconds=60))
    assert (after.state, after.throttled) == (ClusterState.HEALING, ("orders",))


def test_it_is_forgotten_when_every_broker_was_seen_without_it():
    clean = left_behind(FREE)
    assert clean.plan(rebalance).actions == ()
    assert status(clean.view, clean.plan(rebalance), NOW, timedelta(seconds=60)).throttled == ()
    one_away = left_behind(Traffic(limits=dict.fromkeys(range(1, 6))))
    assert status(one_away.view, one_away.plan(rebalance), NOW, timedelta(seconds=60)).throttled == ("orders",)
    unknown = left_behind(FREE, balance=Unknown("no broker answers"))
    assert "heals" in unknown.text(rebalance)
    assert status(unknown.view, unknown.plan(rebalance), NOW, timedelta(seconds=60)).throttled == ("orders",)


def test_the_next_operation_lifts_what_the_last_one_left():
    left = going(throttled={"old": Throttled(frozenset({(0, 1)}))})
    seen = growing(Known(facts(6, CROWDED)), left).with_status(throttled=("old",))
    assert acts(seen, Throttle)[0].topics["old"] is None
