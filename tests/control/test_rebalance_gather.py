"""Kafka's answers become facts, also where they were given a moment apart."""

from penstock.control.cluster.rebalance.gather import broker, facts
from penstock.kafka.logdirs import LogDir
from penstock.kafka.reassign import Reassignment
from penstock.model.observation import Partition

T = ("t", 0)
MOVE = Reassignment((4, 2, 3, 1), (4,), (1,))


def dirs(**sizes):
    return {int(n[1:]): (LogDir("/d", 1000, 600, {T: size}),) for n, size in sizes.items()}


def one(replicas, looks, found=None):
    seen = (Partition("t", 0, 1, replicas, (1, 2, 3)),)
    (partition,) = facts((), seen, looks, found or {}, {T: 7.0}).partitions
    return partition


def test_a_partition_is_as_large_as_its_largest_replica_and_new_ones_count_as_they_fill():
    partition = one((4, 2, 3, 1), ({}, {T: MOVE}), dirs(b1=100, b2=90, b4=40))
    assert (partition.size_bytes, partition.left_bytes(4), partition.rate) == (100, 60, 7.0)
    assert (partition.origin, partition.target) == ((2, 3, 1), (4, 2, 3))


def test_a_move_that_ended_while_metadata_lags_still_counts_as_under_way():
    assert one((4, 2, 3, 1), ({T: MOVE}, {})).moving
    ended = one((4, 2, 3), ({T: MOVE}, {}))
    assert (ended.moving, ended.replicas) == (False, (4, 2, 3))


def test_a_move_that_began_after_the_metadata_was_read_counts():
    assert one((1, 2, 3), ({}, {T: MOVE})).adding == (4,)


def test_a_volume_of_its_own_is_as_full_as_its_filesystem_says_and_a_shared_one_as_its_replicas():
    (found,) = dirs(b1=100).values()
    own = broker(1, "a", found, 2000)
    assert (own.capacity_bytes, own.used_bytes) == (1000, 400)
    shared = broker(1, "a", found, 500, leaving=True)
    assert (shared.capacity_bytes, shared.used_bytes, shared.leaving) == (500, 100, True)
