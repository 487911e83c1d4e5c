"""What the checking load calls lost, doubled, reordered and strange; and what it pardons."""

import pytest
from confluent_kafka import TopicPartition
from oracle.load import Load, judge, judge_reader
from oracle.reader import Reader


def load(acked=3, renumbered=()):
    """It sent one record a second, and each was acknowledged half a second later."""
    told = Load({}, "orders", 1, name="p", renumbered=list(renumbered))
    told.sent = {f"p:0:{n}": float(n) for n in range(1, 4)}
    told.acked = {f"p:0:{n}": (0, n + 0.5) for n in range(1, acked + 1)}
    return told


def there(*sequences, partition=0):
    return {partition: [(offset, f"p:0:{n}") for offset, n in enumerate(sequences)]}


def test_all_is_well():
    judge(there(1, 2, 3), [load()])
    judge(there(1, 2, 3), [load(acked=2)])


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        (there(1, 3), "acknowledged records are lost"),
        (there(1, 2, 2, 3), "more than once"),
        (there(1, 3, 2), "comes after"),
        (there(1, 2, 3, 4), "nobody sent"),
        (there(1, 2, 3, partition=1), "found in another"),
    ],
)
def test_what_is_wrong_is_named(read, wrong):
    with pytest.raises(AssertionError, match=wrong):
        judge(read, [load()])


def test_what_the_client_gave_up_on_is_told():
    given_up = load()
    given_up.lost.append("p:0:4: timed out")
    with pytest.raises(AssertionError, match="gave up on 1 records"):
        judge(there(1, 2, 3), [given_up])


def test_nothing_acknowledged_proves_nothing():
    with pytest.raises(AssertionError, match="nothing was acknowledged"):
        judge(there(), [load(acked=0)])


def test_only_what_was_under_way_when_the_client_began_anew_may_be_there_twice():
    judge(there(1, 2, 2, 3), [load(renumbered=[2.2])])
    for moment in (1.2, 2.7):
        with pytest.raises(AssertionError, match="more than once"):
            judge(there(1, 2, 2, 3), [load(renumbered=[moment])])


def followed(*offsets, committed=1):
    """A load whose consumer saw these offsets, each record at the offset before its number; and committed so far."""
    told = load()
    told.reader = Reader({}, "orders", "g")
    told.reader.acknowledged(None, [at(committed)])
    for offset in offsets:
        told.reader.saw(0, offset, f"p:0:{offset + 1}")
    return told


def at(offset, partition=0):
    return TopicPartition("orders", partition, offset)


def test_a_consumer_that_saw_everything_once_and_in_order_is_right():
    judge_reader(followed(0, 1, 2, committed=0))


def test_a_consumer_may_see_again_what_was_not_committed_when_it_is_assigned_its_partitions_anew():
    told = followed(0, 1, committed=0)
    told.reader.acknowledged(None, [at(1)])
    told.reader.assigned(None, [at(-1001)])
    told.reader.saw(0, 1, "p:0:2")
    told.reader.saw(0, 2, "p:0:3")
    told.reader.told([at(1)])
    judge_reader(told)
    told.reader.assigned(None, [at(-1001)])
    told.reader.saw(0, 0, "p:0:1")
    with pytest.raises(AssertionError, match="came again after 1 was committed"):
        judge_reader(told)


def test_what_a_consumer_must_not_see_is_named():
    for offsets, wrong in (
        ((0, 1), "acknowledged records are lost"),
        ((0, 2, 1), "came after 2"),
        ((0, 1, 1, 2), "came after 1"),
    ):
        with pytest.raises(AssertionError, match=wrong):
            judge_reader(followed(*offsets, committed=0))
    other = followed(0, 1, 2, committed=0)
    other.reader.assigned(None, [at(-1001)])
    other.reader.saw(0, 1, "p:0:9")
    with pytest.raises(AssertionError, match="offset 1 of partition 0 was p:0:2 and is p:0:9"):
        judge_reader(other)


@pytest.mark.parametrize("now", [2, -1001])
def test_a_commit_that_was_acknowledged_must_not_be_lost(now):
    told = followed(0, 1, 2, committed=0)
    told.reader.acknowledged(None, [at(3)])
    told.reader.told([at(3)])
    judge_reader(told)
    told.reader.told([at(now)])
    with pytest.raises(AssertionError, match=f"was committed up to 3 and now is to {now}"):
        judge_reader(told)


def test_a_consumer_without_a_commit_or_none_at_all_proves_nothing():
    with pytest.raises(AssertionError, match="no consumer lived"):
        judge_reader(load())
    told = followed(0, 1, 2, committed=0)
    told.reader.committed.clear()
    with pytest.raises(AssertionError, match="no commit"):
        judge_reader(told)
