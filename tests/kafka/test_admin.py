"""What the control plane learns of a cluster from nodes that answer, refuse, lag, or say nothing at all."""

from __future__ import annotations

import time

import pytest
from fakes.kafka_answers import DIRECTORY, NOT_LEADER, configured, metadata, quorum_of
from fakes.kafka_node import PATIENCE, SILENCE
from kafka.protocol.admin import DescribeConfigsRequest, DescribeQuorumRequest
from kafka.protocol.metadata import MetadataRequest

from penstock.kafka.wire import KafkaRefused, KafkaUnreachable


def test_a_node_that_works_answers_and_one_that_is_stuck_does_not(nodes, admin):
    broker, controller = nodes(1, 10001)
    broker.on(MetadataRequest, metadata())
    controller.on(DescribeQuorumRequest, SILENCE)
    ask = admin(broker, controller)
    assert ask.ping(1) is True
    began = time.monotonic()
    assert ask.ping(10001) is False
    assert time.monotonic() - began < PATIENCE + 1
    assert list(ask.unanswered) == [10001]
    assert "did not answer" in ask.unanswered[10001]
    controller.on(DescribeQuorumRequest, NOT_LEADER)
    assert ask.ping(10001) is True
    assert ask.unanswered == {}


def test_the_quorum_is_described_by_its_leader_whoever_that_is(nodes, admin):
    one, two = nodes(10001, 10002)
    one.on(DescribeQuorumRequest, NOT_LEADER)
    two.on(DescribeQuorumRequest, quorum_of(leader=10002, observers=((1, 100), (3, None))))
    quorum = admin(one, two).quorum()
    assert (quorum.leader, quorum.epoch) == (10002, 7)
    assert [(v.number, v.behind_ms) for v in quorum.voters] == [(10002, 0), (10002, 250), (10003, None)]
    assert [(o.number, o.behind_ms) for o in quorum.observers] == [(1, 100), (3, None)]
    assert quorum.voters[0].directory == DIRECTORY


def test_without_a_leader_the_quorum_is_refused_and_not_silent(nodes, admin):
    one, two = nodes(10001, 10002)
    one.on(DescribeQuorumRequest, NOT_LEADER)
    two.on(DescribeQuorumRequest, NOT_LEADER)
    ask = admin(one, two)
    with pytest.raises(KafkaRefused) as refused:
        ask.quorum()
    assert refused.value.code == 6
    assert ask.unanswered == {}


def test_partitions_carry_the_min_isr_of_their_topic(nodes, admin):
    broker, controller = nodes(1, 10001)
    controller.on(DescribeQuorumRequest, quorum_of())
    topics = (("t", 0, [(1, (1, 2, 3), (1, 2)), (-1, (2, 3), ())]), ("gone", 0, [(1, (1,), (1,))]), (None, 3, []))
    broker.on(MetadataRequest, metadata(*topics[:2])).on(DescribeConfigsRequest, configured)
    seen = admin(broker, controller).partitions()
    assert [(str(p), p.leader, p.replicas, p.isr, p.min_isr) for p in seen] == [
        ("t-0", 1, (1, 2, 3), (1, 2), 2),
        ("t-1", -1, (2, 3), (), 2),
    ]


def test_a_cluster_without_topics_has_no_partitions(nodes, admin):
    broker, controller = nodes(1, 10001)
    controller.on(DescribeQuorumRequest, quorum_of())
    broker.on(MetadataRequest, metadata())
    assert admin(broker, controller).partitions() == ()


def test_a_broker_that_lost_touch_with_the_metadata_is_not_believed(nodes, admin):
    one, two, controller = nodes(1, 2, 10001)
    controller.on(DescribeQuorumRequest, quorum_of(observers=((1, 9000), (2, 200))))
    two.on(MetadataRequest, metadata(("t", 0, [(2, (2,), (2,))]))).on(DescribeConfigsRequest, configured)
    ask = admin(one, two, controller)
    assert [p.leader for p in ask.partitions()] == [2]
    assert one.asked == []
    controller.on(DescribeQuorumRequest, quorum_of(observers=((1, 9000),)))
    with pytest.raises(KafkaUnreachable, match="broker 1 is 9000 ms behind it; broker 2 does not follow"):
        ask.partitions()
