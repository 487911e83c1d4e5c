"""A rebalance from begin to end, whatever the cluster looks like: moves end in any order, the control plane forgets all."""

from collections import Counter
from random import Random

import pytest
from attrs import evolve
from fakes.views import brokers_of
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.control.cluster.rebalance.assignment import Assignment
from penstock.control.cluster.rebalance.goal import goal
from penstock.control.cluster.rebalance.ledger import kept, progress
from penstock.control.cluster.rebalance.level import Levelling
from penstock.control.cluster.rebalance.share import shares
from penstock.control.cluster.rebalance.step import next_moves, weighed
from penstock.control.cluster.rebalance.throttle import LAST_MILE, throttles
from penstock.model.observation import Known
from penstock.model.operation import Work
from penstock.model.rebalance import Aims, BrokerFacts, Facts, Limits, PartitionFacts

MIB = 1024**2
AIMS = Aims()


@st.composite
def clusters(draw):
    """Any cluster: racks of uneven size, replicas anywhere (several in a rack too), brokers that leave, full volumes."""
    racks = draw(st.integers(1, 4))
    number = draw(st.integers(max(2, racks), 9))
    rack = {n: "abcd"[(n - 1) % racks] for n in range(1, number + 1)}
    leaving = draw(st.sets(st.sampled_from(sorted(rack)), max_size=number - 1))
    replicas = st.lists(st.sampled_from(sorted(rack)), min_size=1, max_size=min(4, number), unique=True)
    partitions = []
    used = Counter()
    for index in range(draw(st.integers(0, 24))):
        placed = tuple(draw(replicas))
        size = draw(st.sampled_from([0, 1000, 5 * MIB, 40 * MIB, 300 * MIB]) | st.integers(0, 900 * MIB))
        isr = tuple(draw(st.sets(st.sampled_from(placed), min_size=1))) if draw(st.integers(0, 30)) == 0 else placed
        rate = draw(st.none() | st.floats(0, 1e6))
        partitions.append(PartitionFacts("t", index, placed, placed[0], isr, size, rate))
        for n in placed:
            used[n] += size
    tight = draw(st.booleans())
    capacity = max(used.values(), default=0) + (200 * MIB if tight else 100_000 * MIB)
    brokers = tuple(BrokerFacts(n, rack[n], capacity, used[n], leaving=n in leaving) for n in sorted(rack))
    return Facts(brokers, tuple(partitions))


chance = st.integers(0, 2**32).map(Random)
limits_ = st.builds(Limits, moves=st.integers(1, 5), small_moves=st.integers(1, 8), leaderships=st.integers(1, 50))


def used(partitions):
    found = Counter()
    for p in partitions:
        for n in p.origin:
            found[n] += p.size_bytes
    return found


def after(facts, partitions):
    on = used(partitions)
    return Facts(tuple(evolve(b, used_bytes=on[b.number]) for b in facts.brokers), tuple(partitions))


def started(partition, move):
    """What Kafka shows once it has the order."""
    replicas = (*move.replicas, *move.removing)
    return evolve(partition, replicas=replicas, adding=move.adding, removing=move.removing)


def ended(partition):
    target = partition.target
    isr = tuple(n for n in target if n in partition.isr or n in partition.adding)
    return evolve(partition, replicas=target, isr=isr, leader=target[0], adding=(), removing=())


def racks_of(facts, numbers):
    rack = {b.number: b.rack for b in facts.brokers}
    return len({rack[n] for n in numbers})


def live(facts, limits, choose):
    """Carry a rebalance out; yields (facts, step) of every pass. `choose`: which of the moves under way end."""
    for _ in range(600):
        step = next_moves(facts, limits, AIMS)
        yield facts, step
        moves = {move.key: move for move in step.moves}
        partitions = [started(p, moves[p.key]) if p.key in moves else p for p in facts.partitions]
        under_way = [p.key for p in partitions if p.moving]
        if step.settled:
            return
        ends = set(choose(under_way))
        partitions = [ended(p) if p.key in ends or not (p.adding or p.removing) else p for p in partitions]
        # A replica that lagged catches up.
        if not moves:
            partitions = [evolve(p, isr=tuple(n for n in p.replicas if n not in p.adding)) for p in partitions]
        facts = after(facts, partitions)
    raise AssertionError("it does not end")


def ending(random):
    """Some of what is under way ends, at least one."""
    return lambda keys: random.sample(keys, random.randint(1, len(keys))) if keys else []


def heal(facts):
    return Facts(facts.brokers, tuple(evolve(p, isr=p.replicas) for p in facts.partitions))


@settings(deadline=None, max_examples=100)
@given(clusters(), limits_, chance)
def test_whatever_happens_no_partition_loses_a_replica_or_a_rack_and_it_ends(facts, limits, random):
    first = {p.key: p for p in facts.partitions}
    leaving = facts.leaving
    capacity = {b.number: b.capacity_bytes for b in facts.brokers}
    for now, step in live(facts, limits, ending(random)):
        for p in now.partitions:
            assert len(set(p.origin)) == len(set(p.target)) == len(first[p.key].replicas)
            assert racks_of(now, p.target) >= racks_of(now, p.origin) >= racks_of(now, first[p.key].replicas)
        by_key = {p.key: p for p in now.partitions}
        coming = Counter()
        busy = Counter(n for p in now.partitions for n in (*p.adding, *p.removing))
        for move in step.moves:
            assert not by_key[move.key].moving, "what is under way is left alone"
            assert not leaving.intersection(move.adding), "nothing comes to a broker that leaves"
            assert sorted((*by_key[move.key].target, *move.adding)) == sorted((*move.replicas, *move.removing))
            for n in move.adding:
                coming[n] += move.size_bytes
            for n in (*move.adding, *move.removing):
                busy[n] += 1
        for n, size in coming.items():
            held = sum(p.size_bytes for p in now.partitions if n in p.replicas)
            assert held + size <= capacity[n] * AIMS.full, "room for all that comes before anything has gone"
        assert all(count <= max(limits.moves, limits.small_moves) for count in busy.values())
        assert all(str(move) for move in step.moves)
    assert step.settled
    assert progress(step.remaining, Work()).percent == 100


@settings(deadline=None, max_examples=100)
@given(clusters(), limits_, chance)
def test_in_the_end_it_is_as_good_as_it_can_be_or_says_why_not(facts, limits, random):
    *_, (now, step) = live(heal(facts), limits, ending(random))
    told = " ".join(step.waits)
    for n in now.leaving:
        if now.held_by(n):
            assert f"cannot leave broker {n}" in told
    assignment = Assignment(now, AIMS)
    for p in now.partitions:
        crowded = assignment.spread(p.replicas) < assignment.most_racks(p.key)
        # A partition that cannot leave a broker counts its rack too.
        assert not crowded or str(p) in told
    for n, share in shares(assignment).items():
        off = abs(assignment.load[n] - share)
        assert off <= share * AIMS.band + 2 or f"broker {n} stays" in told or share == 0


@settings(deadline=None, max_examples=100)
@given(clusters(), chance)
def test_each_move_that_is_started_brings_it_nearer_to_its_end(facts, random):
    """The measure behind the promise that it ends: needs, then the squares of what brokers are off their shares."""

    def measure(now):
        assignment = Assignment(now, AIMS)
        on_leaving = sum(n in now.leaving for p in now.partitions for n in p.target)
        crowded = sum(assignment.most_racks(p.key) - assignment.spread(p.target) for p in now.partitions)
        share = shares(assignment)
        squares = sum((assignment.load[n] - share[n]) ** 2 for n in share)
        return on_leaving, crowded, squares

    facts = heal(facts)
    for now, step in live(facts, Limits(moves=3), ending(random)):
        order = [move for move in step.moves if move.adding]
        random.shuffle(order)
        order.sort(key=lambda move: not move.needed)
        partitions = {p.key: p for p in now.partitions}
        before = measure(now)
        for move in order:
            partitions[move.key] = started(partitions[move.key], move)
            nearer = measure(after(now, partitions.values()))
            assert nearer < before
            before = nearer


@settings(deadline=None, max_examples=100)
@given(clusters())
def test_to_ask_once_for_each_pair_of_brokers_what_may_go_changes_no_plan(facts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Levelling, "_open_to", lambda self, source, targets: [n for n in targets if n != source])
        each_time = goal(facts, AIMS)
    assert goal(facts, AIMS) == each_time


@settings(deadline=None, max_examples=60)
@given(clusters(), limits_, chance)
def test_what_is_done_only_grows_and_throttles_are_on_what_moves_alone(facts, limits, random):
    work, done = Work(), 0
    view = brokers_of(3).view
    for now, step in live(facts, limits, ending(random)):
        work = kept(work, evolve(view, balance=Known(weighed(now, Limits()))))
        assert work.begun_bytes - work.left_bytes >= done
        done = work.begun_bytes - work.left_bytes
        assert step.topics <= set(work.throttles), "written down before it is throttled"
        coming = {move.key: move.adding for move in step.moves}
        found = throttles(now, step.moves, step.foreign)
        held = {(topic, *pair) for topic, each in found.items() for pair in each.followers}
        lead = {(topic, *pair) for topic, each in found.items() for pair in each.leaders}
        for p in now.partitions:
            adding = (
                (*p.adding, *coming.get(p.key, ())) if p.key not in step.foreign and p.size_bytes > LAST_MILE else ()
            )
            whole = set(p.origin) <= set(p.isr)  # else an old replica that lags would be slowed down too
            assert {pair for pair in held if pair[:2] == p.key} == {(*p.key, n) for n in adding if not whole}
            assert {pair for pair in lead if pair[:2] == p.key} == {(*p.key, n) for n in p.origin if adding and whole}
    assert work.left_bytes == 0
