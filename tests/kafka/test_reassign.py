"""Moving replicas over the wire: what brokers are asked, what their answers mean, and who is asked when one is silent."""

from __future__ import annotations

import pytest
from fakes.kafka_node import SILENCE
from kafka.protocol.admin import (
    AlterPartitionReassignmentsResponse,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    DescribeLogDirsResponse,
    IncrementalAlterConfigsResponse,
    ListPartitionReassignmentsResponse,
)

from penstock.kafka.logdirs import held
from penstock.kafka.reassign import RATES, REPLICAS, Reassignment
from penstock.kafka.wire import AnswerLost, KafkaRefused, KafkaUnreachable
from penstock.model.rebalance import Throttled

LONG, SHORT = 20.0, 0.5
"""Seconds: where an answer comes, and where none does."""


@pytest.fixture
def cluster(nodes, admin):
    """A function: what brokers 1, 2, … reply to everything -> (the moving side, those brokers)."""

    def start(*replies, deadline=LONG):
        brokers = [node.always(reply) for node, reply in zip(nodes(*range(1, 1 + len(replies))), replies, strict=True)]
        return admin(*brokers, deadline=deadline).mover(), brokers

    return start


def ordered(*codes, error=0):
    """An answer to an order: (topic, index, code) each."""
    kind = AlterPartitionReassignmentsResponse.ReassignableTopicResponse
    topics = [
        kind(
            name=topic,
            partitions=[
                kind.ReassignablePartitionResponse(
                    partition_index=index, error_code=code, error_message="why" if code else None, version=1
                )
            ],
            version=1,
        )
        for topic, index, code in codes
    ]
    return lambda request: AlterPartitionReassignmentsResponse(
        error_code=error, error_message=None, responses=topics, version=1
    )


def under_way(request):
    kind = ListPartitionReassignmentsResponse.OngoingTopicReassignment
    part = kind.OngoingPartitionReassignment(
        partition_index=3, replicas=[4, 2, 3, 1], adding_replicas=[4], removing_replicas=[1], version=0
    )
    topic = kind(name="t", partitions=[part], version=0)
    return ListPartitionReassignmentsResponse(error_code=0, error_message=None, topics=[topic], version=0)


def directory(path="/d", error=0, replicas=(), room=(1000, 400)):
    """A log directory with replicas (topic, index, bytes, on its way to another directory)."""
    kind = DescribeLogDirsResponse.DescribeLogDirsResult
    part = kind.DescribeLogDirsTopic.DescribeLogDirsPartition
    topics = [
        kind.DescribeLogDirsTopic(
            name=topic,
            partitions=[
                part(partition_index=index, partition_size=size, offset_lag=0, is_future_key=future, version=4)
            ],
            version=4,
        )
        for topic, index, size, future in replicas
    ]
    return kind(error_code=error, log_dir=path, topics=topics, total_bytes=room[0], usable_bytes=room[1], version=4)


def directories(*found, error=0):
    return lambda request: DescribeLogDirsResponse(error_code=error, results=list(found), version=4)


class Settings:
    """Answers about properties from a table (kind, name) -> values, and takes changes into it.

    What is set for all brokers, under an empty name, is what broker 1 tells of itself too."""

    def __init__(self, **broker):
        self.table = {(4, "1"): dict(broker), (2, "t"): {}, (2, "u"): {}}
        self.table[4, ""] = self.table[4, "1"]

    def __call__(self, request):
        if isinstance(request, DescribeConfigsRequest):
            return self._described(request)
        kind = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse
        results = []
        for resource in request.resources:
            values = self.table[resource.resource_type, resource.resource_name]
            for config in resource.configs:
                values[config.name] = config.value if config.config_operation == 0 else ""
            results.append(
                kind(
                    error_code=0,
                    error_message=None,
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                    version=1,
                )
            )
        return IncrementalAlterConfigsResponse(responses=results, version=1)

    def _described(self, request):
        kind = DescribeConfigsResponse.DescribeConfigsResult
        results = []
        for resource in request.resources:
            values = self.table[resource.resource_type, resource.resource_name]
            configs = [
                kind.DescribeConfigsResourceResult(
                    name=name, value=value, read_only=False, config_source=1, is_sensitive=False, version=4
                )
                for name, value in values.items()
                if name in resource.configuration_keys
            ]
            results.append(
                kind(
                    error_code=0,
                    error_message=None,
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                    configs=configs,
                    version=4,
                )
            )
        return DescribeConfigsResponse(results=results, version=4)


def test_an_order_carries_each_partition_and_may_not_change_replication_factors(cluster):
    moves, (broker,) = cluster(ordered(("t", 0, 0), ("t", 1, 0), ("u", 5, 0)))
    assert moves.reassign({("t", 0): (4, 2), ("t", 1): (2, 1), ("u", 5): None}) == {}
    (request,) = broker.asked
    sent = {(t.name, p.partition_index): p.replicas for t in request.topics for p in t.partitions}
    assert sent == {("t", 0): [4, 2], ("t", 1): [2, 1], ("u", 5): None}
    assert request.allow_replication_factor_change is False


def test_nothing_to_order_asks_nobody(cluster):
    moves, (broker,) = cluster(SILENCE)
    assert moves.reassign({}) == {}
    moves.throttle({})
    assert broker.asked == []


def test_one_refused_partition_does_not_hide_the_others(cluster):
    moves, _ = cluster(ordered(("t", 0, 0), ("t", 1, 39)))
    refused = moves.reassign({("t", 0): (1,), ("t", 1): (9,)})
    assert list(refused) == [("t", 1)]
    assert refused["t", 1].endswith(": why")


def test_an_order_that_is_refused_as_a_whole_is_an_error(cluster):
    moves, _ = cluster(ordered(error=31))
    with pytest.raises(KafkaRefused, match="reassigning partitions: Kafka answered CLUSTER_AUTHORIZATION_FAILED"):
        moves.reassign({("t", 0): (1,)})


def test_cancelling_what_has_ended_is_no_refusal(cluster):
    moves, (broker,) = cluster(ordered(("t", 0, 85)))
    assert moves.reassign({("t", 0): None}) == {}
    assert broker.asked[0].topics[0].partitions[0].replicas is None


def test_what_is_under_way_is_told_whoever_ordered_it(cluster):
    moves, (broker,) = cluster(under_way)
    assert moves.reassignments() == {("t", 3): Reassignment((4, 2, 3, 1), (4,), (1,))}
    assert broker.asked[0].topics is None


def test_another_broker_takes_the_order_where_the_first_says_nothing(cluster):
    moves, (one, two) = cluster(SILENCE, under_way, deadline=2)
    assert moves.reassignments()
    assert (len(one.asked), len(two.asked)) == (1, 1)
    assert moves.reassignments()
    assert (len(one.asked), len(two.asked)) == (1, 2), "the one that answered is asked first"


def test_when_nobody_answers_the_error_tells_of_each(cluster):
    moves, _ = cluster(SILENCE, SILENCE, deadline=SHORT)
    with pytest.raises(KafkaUnreachable, match=r"node 1: .* did not answer .*; node 2: .* did not answer"):
        moves.reassignments()


def test_a_connection_that_the_broker_ended_meanwhile_is_made_anew(cluster):
    moves, (broker,) = cluster(under_way)
    assert moves.reassignments()
    broker.hang_up()
    assert moves.reassignments()
    assert len(broker.streams) == 2


def test_a_broker_tells_what_lies_on_its_volume_and_how_much_room_is_there(cluster):
    full = directory(replicas=[("t", 0, 70, False), ("u", 2, 5, False), ("t", 0, 33, True)])
    moves, _ = cluster(directories(full))
    (found,) = moves.log_dirs(1)
    assert (found.path, found.total_bytes, found.usable_bytes, found.failed) == ("/d", 1000, 400, "")
    assert held([found]) == {("t", 0): 70, ("u", 2): 5}


def test_what_lies_in_a_failed_directory_is_not_taken_for_nothing(cluster):
    moves, _ = cluster(directories(directory(error=56)))
    with pytest.raises(ValueError, match="what lies in /d is not known: KAFKA_STORAGE_ERROR"):
        held(moves.log_dirs(1))


def test_only_the_broker_itself_is_asked_for_its_directories(cluster):
    moves, (_, two) = cluster(SILENCE, directories(directory()), deadline=SHORT)
    with pytest.raises(AnswerLost):
        moves.log_dirs(1)
    assert two.asked == []
    moves_refused, _ = cluster(directories(error=31))
    with pytest.raises(KafkaRefused, match="describing log directories"):
        moves_refused.log_dirs(1)


def test_a_throttle_is_set_seen_and_lifted(cluster):
    kafka = Settings(**dict.fromkeys(RATES, str(2**63 - 1)))
    moves, _ = cluster(kafka)
    assert moves.limits(1) == {}
    moves.limit(5_000_000)
    assert moves.limits(1) == dict.fromkeys(RATES, 5_000_000)
    moves.throttle({"t": Throttled(frozenset({(1, 2), (0, 1)}), frozenset({(0, 4)}))})
    assert kafka.table[2, "t"] == {REPLICAS[0]: "0:1,1:2", REPLICAS[1]: "0:4"}
    assert moves.throttled(["t", "u"]) == {"t": Throttled(frozenset({(1, 2), (0, 1)}), frozenset({(0, 4)}))}
    kafka.table[2, "u"] = {REPLICAS[0]: "*", REPLICAS[1]: ""}
    assert moves.throttled(["u"]) == {"u": Throttled(frozenset({(-1, -1)}))}, "somebody else throttles all of it"
    kafka.table[2, "u"] = {}
    moves.throttle({"t": None})
    moves.limit(None)
    assert moves.throttled(["t", "u"]) == {}
    assert moves.limits(1) == {}


def test_a_broker_is_closed_to_new_replicas_and_opened_again(cluster):
    kafka = Settings(**{"cordoned.log.dirs": ""})
    moves, _ = cluster(kafka)
    assert moves.cordoned(1) is False
    assert moves.cordon(1) is True
    assert (moves.cordoned(1), kafka.table[4, "1"]["cordoned.log.dirs"]) == (True, "*")
    moves.uncordon(1)
    assert moves.cordoned(1) is False


def test_an_older_kafka_has_no_cordon_and_gets_no_order(cluster):
    moves, (broker,) = cluster(Settings())
    assert moves.cordon(1) is False
    assert moves.cordoned(1) is None
    moves.uncordon(1)
    assert all(isinstance(request, DescribeConfigsRequest) for request in broker.asked)
