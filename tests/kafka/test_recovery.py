"""What Kafka 4.3.1 really writes while it reads its logs after a kill -9 (lines of a run, shortened in the middle)."""

import pytest

from penstock.kafka.recovery import recovery
from penstock.model.observation import Recovery

LOADER = "INFO [LogLoader partition={0}, dir=/v/broker-1/data] {1} (org.apache.kafka.storage.internals.log.LogLoader)"
METADATA = LOADER.format(
    "__cluster_metadata-0", "Recovering unflushed segment 0. 0 recovered for __cluster_metadata-0."
)
STARTS = "[2026-11-21 02:04:01,871] INFO [BrokerServer id=1] Transition from SHUTDOWN to STARTING (kafka.server.BrokerServer)"
BEGINS = (
    "[2026-11-21 02:04:02,385] INFO Recovering 120 logs from /v/broker-1/data since no clean shutdown file was found "
    "(kafka.log.LogManager)"
)
CLEAN = (
    "[2026-11-21 02:04:02,385] INFO Skipping recovery of 120 logs from /v/broker-1/data since clean shutdown file was found "
    "(kafka.log.LogManager)"
)
DONE = "[2026-11-21 02:04:04,821] INFO Loaded 120 logs in 2436ms (unclean log dirs = ArrayBuffer(/v)) (kafka.log.LogManager)"
TURNED_AWAY = [
    "[2026-11-21 02:04:36,737] INFO [BrokerLifecycleManager id=2] Unable to register broker 2 because the controller returned "
    "error INCONSISTENT_CLUSTER_ID (org.apache.kafka.server.BrokerLifecycleManager)",
    "[2026-11-21 02:04:36,792] INFO [MetadataLoader id=2] initializeNewPublishers: the loader is still catching up because we "
    "still don't know the high water mark yet. (org.apache.kafka.image.loader.MetadataLoader)",
]


def segment(topic, offset):
    return LOADER.format(topic, f"Recovering unflushed segment {offset}. 0 recovered for {topic}.")


def loaded(number, topic="orders", partition=3):
    return (
        f"[2026-11-21 02:04:02,572] INFO Completed load of Log(dir=/v/broker-1/data/{topic}-{partition}, topicId=w1giK0LFS8qU, "
        f"topic={topic}, partition={partition}, highWatermark=0, lastStableOffset=0, logStartOffset=0, logEndOffset=150) with 3 "
        f"segments, local-log-start-offset 0 and log-end-offset 150 in 169ms ({number}/120 completed in /v/broker-1/data) "
        "(kafka.log.LogManager)"
    )


def test_a_broker_that_was_killed_reads_all_its_logs_segment_by_segment():
    told = []
    at = None
    for line in (METADATA, BEGINS, segment("orders-3", 0), segment("orders-3", 49), loaded(1), loaded(2), DONE):
        at = recovery([line], at)
        told.append(str(at))
    assert told == [
        "None",
        "0 of 120 logs",
        "0 of 120 logs, orders-3 from offset 0",
        "0 of 120 logs, orders-3 from offset 49",
        "1 of 120 logs, orders-3 from offset 49",
        "2 of 120 logs, orders-3 from offset 49",
        "None",
    ]


def test_lines_that_are_seen_again_are_no_progress():
    lines = [BEGINS, loaded(1), segment("orders-4", 7), loaded(2)]
    at = recovery(lines)
    assert recovery(lines[1:], at) == at == Recovery(2, 120, "orders-4 from offset 7")


def test_the_count_is_kept_where_only_segments_are_left_in_sight():
    assert recovery([segment("big-0", 900)], Recovery(7, 120)) == Recovery(7, 120, "big-0 from offset 900")


def test_threads_tell_it_out_of_order():
    assert recovery([loaded(5), loaded(4)]) == Recovery(5, 120)


def test_a_clean_start_reads_its_logs_too():
    assert recovery([CLEAN, loaded(60)]) == Recovery(60, 120)


def test_a_run_that_was_killed_amid_its_logs_says_nothing_of_the_next():
    killed = [STARTS, BEGINS, loaded(1), segment("orders-4", 7), loaded(90)]
    assert recovery(killed) == Recovery(90, 120, "orders-4 from offset 7")
    assert recovery([*killed, STARTS]) is None
    assert recovery([*killed, STARTS, BEGINS, loaded(1)]) == Recovery(1, 120)
    assert recovery([*killed[2:], BEGINS, loaded(1)]) == Recovery(1, 120)


@pytest.mark.parametrize("before", [None, Recovery(3, 120)])
def test_a_broker_that_is_turned_away_says_much_and_gets_no_further(before):
    assert recovery(TURNED_AWAY * 100, before) == before
