"""The next few moves: how many at once, what holds them up, what is left alone, and how far it is."""

from attrs import evolve

from penstock.control.cluster.rebalance.ledger import progress
from penstock.control.cluster.rebalance.step import next_moves
from penstock.model.operation import Work
from penstock.model.rebalance import Aims, BrokerFacts, Facts, Limits, PartitionFacts

GIB = 1024**3
AIMS, LIMITS = Aims(), Limits()


def look(*partitions, brokers=range(1, 7), leaving=()):
    found = tuple(BrokerFacts(n, "abc"[(n - 1) % 3], 1000 * GIB, 10 * GIB, leaving=n in leaving) for n in brokers)
    return Facts(found, partitions)


def part(index, replicas=(1, 2, 3), size=GIB, **more):
    return PartitionFacts("t", index, tuple(replicas), replicas[0], more.pop("isr", tuple(replicas)), size, **more)


def under_way(index, **more):
    return part(index, (4, 2, 3, 1), isr=(1, 2, 3), adding=(4,), removing=(1,), **more)


EVENLY_LED = [part(i, ((1, 2, 3), (2, 3, 1), (3, 1, 2))[i % 3]) for i in range(9)]
CROWDED = [part(i) for i in range(40)]


def data(step):
    return [move for move in step.moves if move.adding]


def test_only_a_few_big_partitions_move_at_once_and_the_next_when_one_has_ended():
    step = next_moves(look(*CROWDED), evolve(LIMITS, moves=2), AIMS)
    parties = [n for move in data(step) for n in (*move.adding, *move.removing)]
    assert max(map(parties.count, parties)) == 2
    busy = [under_way(i) for i in range(2)] + CROWDED[2:]
    assert all(
        not {1, 4} & {*move.adding, *move.removing}
        for move in data(next_moves(look(*busy), evolve(LIMITS, moves=2), AIMS))
    )


def test_small_partitions_go_by_the_dozen():
    small = [part(i, size=1000) for i in range(40)]
    assert len(data(next_moves(look(*small), LIMITS, AIMS))) == 19


def test_with_a_limit_of_zero_nothing_is_started_and_it_says_so():
    step = next_moves(look(*EVENLY_LED), evolve(LIMITS, moves=0), AIMS)
    assert step.moves == ()
    assert step.waits == ("no move is started now: the limit is zero",)
    assert not step.settled


def test_while_replicas_lag_nothing_more_is_moved():
    step = next_moves(look(part(40, isr=(1, 3)), *CROWDED), LIMITS, AIMS)
    assert step.moves == ()
    assert step.waits[0] == (
        "1 partition (t-40) has replicas out of sync on broker 2; nothing more is moved until they have caught up"
    )


def test_new_replicas_that_fill_up_are_no_reason_to_wait():
    assert data(next_moves(look(under_way(40), *CROWDED), LIMITS, AIMS))


def test_a_dead_broker_that_leaves_for_good_is_emptied_although_its_replicas_lag():
    step = next_moves(look(part(0, (4, 2, 3), isr=(2, 3)), leaving=(4,)), LIMITS, AIMS)
    assert [move.replicas for move in step.moves] == [(1, 2, 3)]


def test_what_must_move_is_started_before_what_is_nice_to_move():
    must = [part(i, (4, 2, 3)) for i in range(20)]
    step = next_moves(look(*must, *[part(i + 20) for i in range(20)], leaving=(4,)), evolve(LIMITS, moves=1), AIMS)
    assert data(step)
    assert all(move.needed for move in data(step))


def test_what_somebody_else_moves_is_left_alone_and_named():
    wider = part(0, (1, 2, 3, 4), isr=(1, 2, 3), adding=(4,))
    onto_leaving = part(1, (5, 1, 3, 2), isr=(1, 2, 3), adding=(5,), removing=(2,))
    fewer_racks = part(2, (4, 1, 2, 3), isr=(1, 2, 3), adding=(4,), removing=(3,))
    step = next_moves(look(wider, onto_leaving, fewer_racks, under_way(3), leaving=(5,)), LIMITS, AIMS)
    assert step.foreign == (("t", 0), ("t", 1), ("t", 2))
    assert step.remaining.left_bytes == GIB, "only one's own counts"
    assert "somebody else ordered" in step.waits[0]
    assert not {("t", i) for i in range(4)} & {move.key for move in step.moves}


def test_a_move_towards_a_broker_that_is_gone_is_to_be_taken_back():
    step = next_moves(look(under_way(0), brokers=(1, 2, 3)), LIMITS, AIMS)
    assert step.stalled == (("t", 0),)
    assert "it is taken back" in step.waits[0]


def test_progress_counts_what_has_arrived_and_survives_that_all_is_forgotten():
    begun = next_moves(look(*CROWDED), LIMITS, AIMS).remaining.left_bytes
    left = next_moves(look(under_way(0, arrived={4: GIB // 2})), LIMITS, AIMS).remaining
    seen = progress(left, Work(begun_bytes=begun, left_bytes=begun))
    assert (left.left_bytes, seen.total_bytes, left.partitions) == (GIB // 2, begun, 1)
    assert seen.percent == 100 * (begun - GIB // 2) // begun
    assert (
        str(seen) == f"{begun / GIB - 0.5:.1f} GiB of {begun / GIB:.1f} GiB moved ({seen.percent} %), 1 partition left"
    )
    assert seen.seconds_left(GIB / 8) == 4
    assert seen.seconds_left(0) is None


def test_when_nothing_is_left_it_is_settled():
    step = next_moves(look(part(0, (1, 2, 3)), part(1, (2, 3, 1)), part(2, (3, 1, 2)), brokers=(1, 2, 3)), LIMITS, AIMS)
    assert (step.moves, step.waits, step.settled) == ((), (), True)
    seen = progress(step.remaining, Work())
    assert (seen.percent, str(seen)) == (100, "0 B moved, nothing left to move")


def test_topics_that_have_to_move_are_known_before_anything_moves():
    assert next_moves(look(*CROWDED), LIMITS, AIMS).topics == {"t"}
    assert next_moves(look(under_way(0)), LIMITS, AIMS).topics == {"t"}
    wider = part(0, (1, 2, 3, 4), isr=(1, 2, 3), adding=(4,))
    assert next_moves(look(wider), LIMITS, AIMS).topics == frozenset(), "what somebody else moves is not ours"
    assert next_moves(look(*EVENLY_LED, brokers=(1, 2, 3)), LIMITS, AIMS).topics == frozenset()
