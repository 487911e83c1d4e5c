"""Throttles are on what moves and on nothing else, and rates follow what producers feel."""

import pytest

from penstock.control.cluster.rebalance.pace import CEILING, FLOOR, MIB, UNMEASURED, Felt, Pace
from penstock.control.cluster.rebalance.throttle import changes, limited, throttles
from penstock.model.rebalance import BrokerFacts, Facts, Move, PartitionFacts, Throttled, Traffic


def part(topic, replicas=(1, 2), isr=None, **more):
    return PartitionFacts(topic, 0, replicas, 1, isr or (1, 2), 100 * MIB, **more)


def moving(topic, isr=None, **more):
    return part(topic, (4, 2, 1), isr, adding=(4,), removing=(1,), **more)


def facts(*partitions):
    return Facts(tuple(BrokerFacts(n, "a", 1000 * MIB, 0) for n in (1, 2, 4, 5)), partitions)


def test_the_throttle_is_on_what_moves_and_on_what_is_about_to():
    starting = [
        Move(("starts", 0), (5, 2), (5,), (1,), 0, needed=False, why=""),
        Move(("leads", 0), (2, 1), (), (), 0, needed=False, why=""),
    ]
    looked = facts(moving("moves"), part("starts"), part("stays"), part("leads"), moving("theirs"))
    assert throttles(looked, starting, [("theirs", 0)]) == {
        "moves": Throttled(leaders=frozenset({(0, 1), (0, 2)})),
        "starts": Throttled(leaders=frozenset({(0, 1), (0, 2)})),
    }, "a follower that is held up itself stays behind when it is in the ISR already, and producers wait for it"


def test_an_old_replica_that_fell_behind_catches_up_unhindered():
    found = throttles(facts(moving("moves", isr=(1,))), [], [])
    assert found == {"moves": Throttled(frozenset(), frozenset({(0, 4)}))}, "its leader would slow broker 2 as well"


def test_who_has_nearly_arrived_is_let_through():
    """Else producers wait for it: it was level with its leader a moment ago, and is held back before it is in the ISR."""
    near = moving("near", arrived={4: 99 * MIB})
    far = moving("far", arrived={4: 90 * MIB})
    assert throttles(facts(near, far), [], []).keys() == {"far"}


def test_only_ones_own_topics_are_set_and_lifted_and_only_where_something_changes():
    set_now = Throttled(frozenset({(0, 1)}))
    traffic = Traffic(throttled={"same": set_now, "ended": set_now, "users": set_now, "shared": set_now})
    wanted = {"same": set_now, "new": set_now, "unowned": set_now}
    own = ["same", "ended", "new", "shared", "idle"]
    assert changes(wanted, traffic, own, [("shared", 3)]) == {"ended": None, "new": set_now}


def test_a_limit_is_there_when_every_broker_has_heard_of_it():
    assert limited(Traffic(limits={1: 100, 2: 100}), 100)
    assert not limited(Traffic(limits={1: 100, 2: None}), 100)
    assert not limited(Traffic(limits={1: 100, 2: None}), None)
    assert not limited(Traffic(limits={1: 100, 2: 0}), 100), "half a limit is another one"
    assert limited(Traffic(limits={1: None, 2: None}), None)


def pace(rate=100.0, floor=2.0, ceiling=1000.0):
    return Pace(rate * MIB, floor * MIB, ceiling * MIB)


def test_the_pace_gives_way_to_producers_and_comes_back():
    assert pace().steered(Felt(25, 10)).rate == 50 * MIB
    assert pace(3).steered(Felt(25, 10)).rate == 2 * MIB, "never below the floor"
    assert pace().steered(Felt(18, 10)) == pace()
    assert pace().steered(Felt(12, 10)).rate == 150 * MIB
    assert pace(990).steered(Felt(12, 10)).rate == 1000 * MIB
    assert pace().steered(Felt(1.4, 0.2)).rate == 150 * MIB, "below a millisecond a multiple is noise"


def test_where_latency_is_not_known_the_pace_is_moderate_beside_producers():
    assert pace().steered(Felt(None, 10)).rate == pace().steered(Felt(12, None)).rate == UNMEASURED
    assert pace(10).steered(Felt(None, None)) == pace(10)


def test_half_of_a_rate_that_was_never_reached_is_no_relief():
    assert pace(200).steered(Felt(25, 10, copied=120 * MIB)).rate == 60 * MIB
    assert pace(40).steered(Felt(25, 10, copied=80 * MIB)).rate == 20 * MIB
    assert pace(40).steered(Felt(25, 10, copied=0.0)).rate == 10 * MIB, "little, because it has just begun"


def test_replicas_out_of_sync_slow_it_down_whatever_latency_says():
    assert pace().steered(Felt(10, 10, hurt=True)).rate == 50 * MIB
    assert pace().steered(Felt(None, None, hurt=True)).rate == 50 * MIB


@pytest.mark.parametrize("written", [0.0, 10 * MIB, 5000 * MIB])
def test_the_floor_is_above_what_producers_write_to_what_moves(written):
    low = Pace(FLOOR).over(written)
    assert low.rate == min(CEILING, max(FLOOR, 1.5 * written))
    assert low.steered(Felt(1000, 1)).rate == low.rate, "else it would never end"
