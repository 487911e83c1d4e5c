"""What a pass costs in questions and connections: healing is as quick as these are few. Counted, because no time can be trusted."""

from __future__ import annotations

from collections import Counter

import pytest
from fakes.kafka_answers import NOT_LEADER, configured, described, metadata, quorum_of, unregistered
from kafka.protocol.admin import DescribeClusterRequest, DescribeConfigsRequest, DescribeQuorumRequest
from kafka.protocol.metadata import MetadataRequest

from penstock.kafka.messages import UnregisterBrokerRequest

TOPIC = metadata(("t", 0, [(1, (1, 2, 3), (1, 2, 3))]))
LOOK = {"DescribeQuorum": 2, "DescribeCluster": 1, "Metadata": 1, "DescribeConfigs": 1}
"""A look at quorum, brokers and partitions; the quorum once more, for who is fresh enough to be believed about partitions."""


@pytest.fixture
def house(nodes, admin):
    """Three brokers, three controllers of which 10002 leads, and the control plane's face of them."""
    brokers, controllers = nodes(1, 2, 3), nodes(10001, 10002, 10003)
    for node in brokers:
        node.on(MetadataRequest, TOPIC).on(DescribeConfigsRequest, configured)
        node.on(DescribeClusterRequest, described((1, False), (2, False), (3, False)))
        node.on(UnregisterBrokerRequest, unregistered(0))
    quorum = quorum_of(leader=10002, observers=((1, 100), (2, 100), (3, 100)))
    for node in controllers:
        node.on(DescribeQuorumRequest, quorum if node.number == 10002 else NOT_LEADER)
    return admin(*brokers, *controllers), [*brokers, *controllers]


def spent(nodes):
    """Questions by name since the last time, and how many connections were made for them."""
    asked = Counter(name for node in nodes for name in node.names())
    opened = sum(len(node.streams) for node in nodes)
    for node in nodes:
        node.asked.clear()
        node.streams[:] = []
    return asked, opened


def look(ask):
    ask.quorum()
    ask.brokers()
    ask.partitions()


def test_the_first_look_finds_the_leader_and_one_broker(house):
    ask, nodes = house
    look(ask)
    assert spent(nodes) == ({**LOOK, "DescribeQuorum": 3}, 3)


def test_a_look_at_a_quiet_cluster_asks_each_thing_once_on_connections_that_are_there(house):
    ask, nodes = house
    look(ask)
    spent(nodes)
    for _ in range(3):
        look(ask)
        assert spent(nodes) == (LOOK, 0)


def test_asking_each_node_whether_it_works_makes_no_later_look_dearer(house):
    ask, nodes = house
    look(ask)
    spent(nodes)
    assert all(ask.ping(node.number) for node in nodes)
    assert spent(nodes) == ({"Metadata": 3, "DescribeQuorum": 3}, 3)
    look(ask)
    assert spent(nodes) == (LOOK, 0)


def test_a_dead_broker_costs_no_question_and_is_unregistered_by_one(house):
    ask, nodes = house
    look(ask)
    nodes[0].close()
    spent(nodes)
    look(ask)
    ask.unregister(1, via=[2, 3])
    assert spent(nodes) == ({**LOOK, "UnregisterBroker": 1}, 2)
