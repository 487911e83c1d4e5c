"""What the control plane orders of a cluster: carried out by the right node, and never twice where that would be another thing."""

from __future__ import annotations

from uuid import UUID

import pytest
from fakes.kafka_answers import DIRECTORY, altered, unregistered
from fakes.kafka_node import HANG_UP, SILENCE
from kafka.protocol.admin import (
    CreateTopicsRequest,
    CreateTopicsResponse,
    ElectLeadersRequest,
    ElectLeadersResponse,
    IncrementalAlterConfigsRequest,
)

from penstock.kafka.messages import (
    AddRaftVoterRequest,
    AddRaftVoterResponse,
    RemoveRaftVoterRequest,
    RemoveRaftVoterResponse,
    UnregisterBrokerRequest,
)
from penstock.kafka.placement import kafka_id_text
from penstock.kafka.wire import AnswerLost, KafkaRefused, KafkaUnreachable, NodeAddress


@pytest.mark.parametrize("code", [0, 102])
def test_a_broker_is_unregistered_also_where_it_was_not_registered(nodes, admin, code):
    (one,) = nodes(1)
    one.on(UnregisterBrokerRequest, unregistered(code))
    admin(one).unregister(3, via=[1])
    assert [request.broker_id for request in one.asked] == [3]


def test_a_refusal_to_unregister_is_an_error_with_kafkas_name(nodes, admin):
    (one,) = nodes(1)
    one.on(UnregisterBrokerRequest, unregistered(31))
    with pytest.raises(
        KafkaRefused, match=r"unregistering broker 3: Kafka answered CLUSTER_AUTHORIZATION_FAILED \(31\)"
    ):
        admin(one).unregister(3, via=[1])


def test_an_order_to_unregister_goes_to_the_next_only_while_nobody_has_it(nodes, admin):
    two, three = nodes(2, 3)
    two.on(UnregisterBrokerRequest, SILENCE)
    three.on(UnregisterBrokerRequest, unregistered(0))
    nobody_there = NodeAddress(1, "127.0.0.1", 1)
    ask = admin(nobody_there, two, three)
    with pytest.raises(AnswerLost):
        ask.unregister(9, via=[1, 2, 3])
    assert (len(two.asked), len(three.asked)) == (1, 0)
    with pytest.raises(KafkaUnreachable, match="node 1: no connection") as nobody:
        ask.unregister(9, via=[1])
    assert not isinstance(nobody.value, AnswerLost)


def test_a_topic_is_never_created_twice(nodes, admin):
    one, two = nodes(1, 2)
    one.on(CreateTopicsRequest, HANG_UP)
    with pytest.raises(AnswerLost):
        admin(one, two).create_topic("t", [(1, 2), (2, 1)], {"min.insync.replicas": "2"})
    (request,) = one.asked
    (topic,) = request.topics
    assert (topic.name, topic.num_partitions, topic.replication_factor) == ("t", -1, -1), "as placed"
    assert [(each.partition_index, each.broker_ids) for each in topic.assignments] == [(0, [1, 2]), (1, [2, 1])]
    assert [(c.name, c.value) for c in topic.configs] == [("min.insync.replicas", "2")]
    assert two.asked == []


def test_kafkas_own_words_are_passed_on(nodes, admin):
    (one,) = nodes(1)
    kind = CreateTopicsResponse.CreatableTopicResult
    taken = kind(name="t", topic_id=UUID(int=0), error_code=36, error_message="Topic 't' already exists.", version=7)
    one.on(CreateTopicsRequest, CreateTopicsResponse(topics=[taken], version=7))
    with pytest.raises(KafkaRefused, match=r"TOPIC_ALREADY_EXISTS \(36\): Topic 't' already exists"):
        admin(one).create_topic("t", [(1,)], {})


def test_settings_of_a_controller_go_to_the_active_one_and_of_a_broker_to_itself(nodes, admin):
    one, two, first, second = nodes(1, 2, 10001, 10002)
    first.on(IncrementalAlterConfigsRequest, altered(41))
    second.on(IncrementalAlterConfigsRequest, altered(0))
    two.on(IncrementalAlterConfigsRequest, altered(0))
    ask = admin(one, two, first, second)
    ask.set_config(10001, {"listener.name.controller.ssl.keystore.location": "/a"})
    ask.set_config(2, {"num.io.threads": "9"})
    assert [r.resources[0].resource_name for r in (*first.asked, *second.asked, *two.asked)] == ["10001", "10001", "2"]
    assert one.asked == []


def test_settings_of_all_brokers_go_to_whichever_answers(nodes, admin):
    one, two = nodes(1, 2)
    one.on(IncrementalAlterConfigsRequest, HANG_UP)
    two.on(IncrementalAlterConfigsRequest, altered(0))
    admin(one, two).set_default({"num.io.threads": "16"})
    (request,) = two.asked
    assert [(each.resource_type, each.resource_name) for each in request.resources] == [(4, "")]
    assert [(each.name, each.value) for each in request.resources[0].configs] == [("num.io.threads", "16")]


def test_partitions_that_keep_another_leader_are_named(nodes, admin):
    (one,) = nodes(1)
    kind = ElectLeadersResponse.ReplicaElectionResult
    codes = enumerate((0, 84, 80))
    parts = [
        kind.PartitionResult(partition_id=index, error_code=code, error_message=None, version=2)
        for index, code in codes
    ]
    results = [kind(topic="t", partition_result=parts, version=2)]
    one.on(ElectLeadersRequest, ElectLeadersResponse(error_code=0, replica_election_results=results, version=2))
    assert admin(one).elect_preferred() == {"t-2": "PREFERRED_LEADER_NOT_AVAILABLE"}
    assert one.asked[0].topic_partitions is None


def answered(kind, code):
    return kind(throttle_time_ms=0, error_code=code, error_message="why" if code else None, version=0)


@pytest.mark.parametrize("code", [0, 127])
def test_a_voter_is_removed_by_the_leader_also_where_it_was_none(nodes, admin, code):
    one, two = nodes(10001, 10002)
    one.on(RemoveRaftVoterRequest, answered(RemoveRaftVoterResponse, 6))
    two.on(RemoveRaftVoterRequest, answered(RemoveRaftVoterResponse, code))
    admin(one, two).remove_voter(10003, DIRECTORY)
    (request,) = two.asked
    assert (request.voter_id, kafka_id_text(request.voter_directory_id)) == (10003, DIRECTORY)


def test_a_voter_is_added_by_the_leader(nodes, admin):
    one, two = nodes(10001, 10002)
    one.on(AddRaftVoterRequest, answered(AddRaftVoterResponse, 6))
    two.on(AddRaftVoterRequest, answered(AddRaftVoterResponse, 0))
    admin(one, two).add_voter(10003, DIRECTORY, {"CONTROLLER": ("127.0.0.9", 9093)})
    (request,) = two.asked
    assert (request.voter_id, kafka_id_text(request.voter_directory_id)) == (10003, DIRECTORY)
    assert [(each.name, each.host, each.port) for each in request.listeners] == [("CONTROLLER", "127.0.0.9", 9093)]
    assert request.timeout_ms > 0


def test_a_change_of_voters_that_the_leader_refuses_is_an_error_with_kafkas_words(nodes, admin):
    one, two = nodes(10001, 10002)
    one.on(AddRaftVoterRequest, answered(AddRaftVoterResponse, 7)).on(
        RemoveRaftVoterRequest, answered(RemoveRaftVoterResponse, 35)
    )
    ask = admin(one, two)
    with pytest.raises(KafkaRefused, match=r"adding voter 10003: Kafka answered REQUEST_TIMED_OUT \(7\): why"):
        ask.add_voter(10003, DIRECTORY, {"CONTROLLER": ("127.0.0.9", 9093)})
    one.on(AddRaftVoterRequest, answered(AddRaftVoterResponse, 126))
    with pytest.raises(KafkaRefused, match=r"DUPLICATE_VOTER \(126\)"):
        ask.add_voter(10003, DIRECTORY, {"CONTROLLER": ("127.0.0.9", 9093)})
    with pytest.raises(KafkaRefused, match=r"removing voter 10003: Kafka answered UNSUPPORTED_VERSION \(35\): why"):
        ask.remove_voter(10003, DIRECTORY)
    assert two.asked == []
