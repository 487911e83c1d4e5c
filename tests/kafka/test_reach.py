"""Which cluster's Kafka a call of a user reaches, and how long its connections are kept."""

from __future__ import annotations

import pytest
from attrs import evolve
from fakes.kafka_node import KafkaNode
from fakes.views import desired
from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from penstock.kafka import answers, questions
from penstock.kafka.listeners import REPLICATION
from penstock.kafka.reach import Reach
from penstock.model.ids import ClusterId
from penstock.model.spec import Endpoint


@pytest.fixture
def node():
    made = KafkaNode(1)
    made.on(MetadataRequest, MetadataResponse(brokers=[], cluster_id="c", controller_id=1, topics=[], version=12))
    yield made
    made.close()


@pytest.fixture
def reach():
    made = Reach(lambda spec: None)
    yield made
    made.close()


def at(spec, node):
    """The same cluster, and its first broker is this node."""
    place = spec.brokers[0]
    endpoint = Endpoint(node.address.address, {REPLICATION: node.address.port})
    return spec.with_place(evolve(place, endpoint=endpoint))


def ask(topics):
    return topics.brokers.ask(questions.topics(), answers.topics)


def test_connections_are_kept_for_a_cluster_and_not_shared_with_another(reach, node):
    one, other = at(desired(), node), at(desired(ClusterId("another-1")), node)
    assert reach.topics(one) is reach.topics(evolve(one, tags={"a": "b"}))
    assert reach.topics(other) is not reach.topics(one)
    assert ask(reach.topics(one)) == {}
    assert ask(reach.topics(one)) == {}
    assert len(node.streams) == 1


def test_a_broker_at_another_address_is_reached_there(reach, node):
    spec = at(desired(), node)
    topics = reach.topics(spec)
    ask(topics)
    moved = spec.with_place(evolve(spec.brokers[1], endpoint=Endpoint("127.0.0.9", {REPLICATION: 1})))
    assert [each.address for each in reach.topics(moved).brokers.nodes][:2] == ["127.0.0.1", "127.0.0.9"]
    assert node.gone.acquire(timeout=5), "the connections of the old address are left open"


@pytest.mark.parametrize("everything", [False, True])
def test_what_is_forgotten_leaves_no_connection(reach, node, everything):
    spec = at(desired(), node)
    ask(reach.topics(spec))
    if everything:
        reach.close()
    else:
        reach.forget(spec.id)
        reach.forget("never heard of")
    assert node.gone.acquire(timeout=5)


def test_a_broker_without_an_address_is_left_out(reach):
    assert reach.topics(desired(placed=False)).brokers.nodes == ()
