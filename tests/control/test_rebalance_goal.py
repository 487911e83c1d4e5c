"""Where everything should be: after a scale-out, for brokers that leave, over racks, and without moving more than needed."""

import time
from collections import Counter
from random import Random

import pytest
from attrs import evolve

from penstock.control.cluster.rebalance.assignment import REPLICA
from penstock.control.cluster.rebalance.goal import goal
from penstock.control.cluster.rebalance.share import least_bytes
from penstock.model.rebalance import Aims, BrokerFacts, Facts, PartitionFacts

MIB, GIB = 1024**2, 1024**3
AIMS = Aims()


def rack(number):
    return "abc"[(number - 1) % 3]


def cluster(brokers, partitions, *, capacity=100 * GIB, leaving=(), racks=rack, junk=0):
    """`partitions`: (replicas, size) each, named t-0, t-1, …"""
    found = tuple(PartitionFacts("t", i, tuple(r), r[0], tuple(r), size) for i, (r, size) in enumerate(partitions))
    used = Counter(dict.fromkeys(brokers, junk))
    for p in found:
        for n in p.replicas:
            used[n] += p.size_bytes
    return Facts(tuple(BrokerFacts(n, racks(n), capacity, used[n], n in leaving) for n in brokers), found)


def scaled_out(partitions, old, new, seed):
    """Log-normal sizes around 1 GiB, one replica in each of three racks, on the old brokers only."""
    random = Random(seed)
    homes = {r: [n for n in range(1, old + 1) if rack(n) == r] for r in "abc"}
    placed = [
        ([random.choice(homes[r]) for r in random.sample("abc", 3)], int(random.lognormvariate(0, 1) * GIB))
        for _ in range(partitions)
    ]
    return cluster(range(1, new + 1), placed, capacity=16_000 * GIB)


def result(facts, found):
    return {p.key: found.replicas.get(p.key, p.replicas) for p in facts.partitions}


def loads(facts, found):
    sizes = {p.key: p.size_bytes for p in facts.partitions}
    return Counter(
        {
            b.number: sum(sizes[key] for key, replicas in result(facts, found).items() if b.number in replicas)
            for b in facts.brokers
        }
    )


@pytest.mark.parametrize(
    ("partitions", "old", "new", "bound"), [(300, 3, 6, 47.5), (1000, 6, 9, 31.7), (3000, 12, 15, 19.0)]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_scale_out_no_more_is_moved_than_must_be(partitions, old, new, bound, seed):
    facts = scaled_out(partitions, old, new, seed)
    began = time.process_time()
    found = goal(facts, AIMS)
    assert time.process_time() - began < 5, "a fraction of a second, with a wide margin for busy machines"
    replicas = sum(len(move.adding) for move in found.moves)
    least = least_bytes(facts, AIMS)
    total = 3 * sum(p.size_bytes for p in facts.partitions)
    assert least / total * 100 == pytest.approx(bound, abs=0.3)
    assert found.copied_bytes + replicas * REPLICA <= least * 1.01
    share = total / new
    assert all(abs(load - share) <= share * 0.051 for load in loads(facts, found).values())
    assert (found.blocked, found.uneven) == ((), ())
    for replicas in result(facts, found).values():
        assert len({rack(n) for n in replicas}) == 3
    # And new brokers get a fair number of replicas and leaders, not a few giants.
    counts = Counter(n for replicas in result(facts, found).values() for n in replicas)
    leaders = Counter(replicas[0] for replicas in result(facts, found).values())
    for n in range(1, new + 1):
        assert counts[n] == pytest.approx(3 * partitions / new, rel=0.15)
        assert leaders[n] == pytest.approx(partitions / new, rel=0.2)


def test_empty_topics_are_shared_out_too():
    facts = cluster(range(1, 7), [((1, 2, 3), 0)] * 20)
    found = goal(facts, AIMS)
    counts = Counter(n for replicas in result(facts, found).values() for n in replicas)
    assert set(counts.values()) == {10}


def test_what_is_balanced_is_left_alone():
    facts = cluster(range(1, 4), [((1, 2, 3), GIB), ((2, 3, 1), GIB), ((3, 1, 2), GIB)])
    assert goal(facts, AIMS).moves == ()


def test_each_move_says_why():
    facts = cluster(range(1, 7), [((1, 2, 3), GIB + i * 1000) for i in range(4)])
    found = goal(facts, AIMS)
    told = [str(move) for move in found.moves if move.adding]
    assert told[0].startswith("t-1 (1.0 GiB) from brokers 1, 2, 3 to brokers ")
    assert told[0].endswith("; ".join(f": broker {n} is 100 % over its share"[2 * (n > 1) :] for n in (1, 2, 3)))
    many = [((n,), GIB) for n in range(1, 25) for _ in range(10)]
    joined = goal(cluster(range(1, 26), many, racks=lambda n: "a"), AIMS)
    assert {str(move).split(": ")[1] for move in joined.moves} == {"broker 25 is 100 % under its share"}


def test_brokers_that_leave_are_emptied_internal_topics_too_and_the_rest_stays_where_it_is():
    placed = [((1, 2, 3), GIB), ((4, 5, 6), GIB), ((4, 2, 6), GIB), ((1, 5, 3), GIB)]
    facts = cluster(range(1, 7), placed, leaving=(4, 5, 6))
    ours = [PartitionFacts(t, 0, (4, 5, 6), 4, (4, 5, 6), MIB) for t in ("__consumer_offsets", "__amazon_msk_canary")]
    facts = evolve(facts, partitions=(*facts.partitions, *ours))
    found = goal(facts, AIMS)
    assert len(result(facts, found)) == len(placed) + len(ours)
    assert all(set(replicas) == {1, 2, 3} for replicas in result(facts, found).values())
    assert found.replicas["t", 2][1] == 2, "a replica that stays keeps its place"
    assert all(move.needed for move in found.moves if move.adding)
    assert ("t", 0) not in {move.key for move in found.moves if move.adding}


def test_what_cannot_leave_says_why_and_what_to_do():
    found = goal(cluster((1, 2, 3), [((1, 2, 3), GIB)], leaving=(3,)), AIMS)
    assert found.moves == ()
    assert found.blocked == (
        "t-0 cannot leave broker 3: it has 3 replicas and 2 brokers stay; keep more brokers, or lower its replication factor",
    )
    full = cluster((1, 4), [((1,), 10 * GIB), ((4,), 10 * GIB)], leaving=(4,), capacity=20 * GIB)
    assert "past 85 %; enlarge the volumes" in goal(full, AIMS).blocked[0]
    rackless = cluster((1, 2, 4), [((1, 2), GIB)], leaving=(2,))
    assert "as many racks; keep a broker in the same rack" in goal(rackless, AIMS).blocked[0]


def test_a_partition_whose_replicas_share_a_rack_is_spread_and_its_leader_stays():
    facts = cluster((1, 2, 3, 4), [((1, 4, 2), GIB)])
    found = goal(facts, AIMS)
    assert found.replicas == {("t", 0): (1, 3, 2)}
    assert str(found.moves[0]) == "t-0 (1.0 GiB) from broker 4 to broker 3: its replicas share a rack and could be in 3"


def test_no_move_fills_a_volume_past_its_limit_whatever_lies_on_it():
    placed = [((1,), 10 * GIB)] * 8
    roomy = cluster((1, 4), placed, capacity=100 * GIB)
    assert len(goal(roomy, AIMS).moves) == 4
    # 60 GiB that are no replicas: broker 4 may take 25 more.
    tight = cluster((1, 4), placed, capacity=100 * GIB, junk=60 * GIB)
    found = goal(tight, AIMS)
    assert sum(len(move.adding) for move in found.moves) == 2


def test_leadership_goes_to_replicas_in_sync_before_any_byte_moves():
    placed = [((1, 2, 3), GIB)] * 6
    facts = cluster((1, 2, 3), placed)
    found = goal(facts, AIMS)
    assert [move.adding for move in found.moves] == [()] * 4
    leaders = Counter(replicas[0] for replicas in result(facts, found).values())
    assert leaders == {1: 2, 2: 2, 3: 2}
    assert str(found.moves[0]) == (
        "leadership of t-0 from broker 1 to broker 2: broker 1 is 200 % over its share of leadership"
    )
    late = Facts(
        facts.brokers, tuple(PartitionFacts("t", p.index, p.replicas, 1, (1, 2), GIB) for p in facts.partitions)
    )
    assert {move.replicas[0] for move in goal(late, AIMS).moves} == {2}


def test_a_busy_partition_weighs_more_in_leadership_than_idle_ones():
    def writes(rates):
        parts = tuple(PartitionFacts("t", i, (1, 2), 1, (1, 2), GIB, rate) for i, rate in enumerate(rates))
        return Facts(tuple(BrokerFacts(n, rack(n), 100 * GIB, GIB) for n in (1, 2)), parts)

    found = goal(writes([900.0, 0.0, 0.0, 0.0]), AIMS)
    # The busy one stays alone, so to speak: the three idle ones weigh what its count and traffic weigh less.
    assert sorted(key[1] for key in found.replicas) == [1, 2, 3]
    assert len(goal(writes([5.0, 5.0, 5.0, 5.0]), AIMS).replicas) == 2


def test_one_giant_that_fits_nowhere_better_is_left_and_said():
    facts = cluster((1, 4), [((1,), 50 * GIB), ((4,), GIB)])
    found = goal(facts, AIMS)
    assert found.moves == ()
    assert found.uneven == (
        "broker 1 stays 96 % over its share: no replica that may move would bring it closer",
        "broker 4 stays 96 % under its share: no replica that may move would bring it closer",
    )
