"""What the control plane learns of a cluster from nodes that answer, refuse, lag, hang up, or say nothing at all."""

import socket
import struct
import threading
import time
from contextlib import ExitStack
from uuid import UUID

import pytest
from kafka.protocol.admin import (
    CreateTopicsRequest,
    CreateTopicsResponse,
    DescribeClusterRequest,
    DescribeClusterResponse,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    ElectLeadersRequest,
    ElectLeadersResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from penstock.kafka.admin import ClusterAdmin
from penstock.kafka.placement import kafka_id_bytes
from penstock.kafka.wire import (
    AnswerLost,
    Connection,
    KafkaRefused,
    KafkaUnreachable,
    NodeAddress,
    UnregisterBrokerRequest,
    UnregisterBrokerResponse,
)
from penstock.model.observation import BrokerSeen

REQUESTS = {
    kind.API_KEY: kind
    for kind in (
        CreateTopicsRequest,
        DescribeClusterRequest,
        DescribeConfigsRequest,
        DescribeQuorumRequest,
        ElectLeadersRequest,
        IncrementalAlterConfigsRequest,
        MetadataRequest,
        UnregisterBrokerRequest,
    )
}
DEADLINE = 0.3
DIRECTORY = "JEXY6aqzQY-32P5TStzaFg"
SILENCE, HANG_UP = object(), object()


class Node:
    """A node that answers each kind of request with what the test gives: a response, raw bytes, SILENCE or HANG_UP."""

    def __init__(self, number):
        self.number = number
        self.replies = {}
        self.asked = []
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._accept)
        self.thread.start()

    @property
    def address(self):
        return NodeAddress(self.number, "127.0.0.1", self.listener.getsockname()[1])

    def on(self, request, reply):
        self.replies[request] = reply
        return self

    def _accept(self):
        servers = []
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                break
            self.connections.append(stream)
            servers.append(threading.Thread(target=self._serve, args=(stream,)))
            servers[-1].start()
        for server in servers:
            server.join()

    def _serve(self, stream):
        with stream:
            try:
                while head := stream.recv(4, socket.MSG_WAITALL):
                    data = stream.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL)
                    if not self._answer(stream, data):
                        return
            except OSError:
                return

    def _answer(self, stream, data):
        key, version, correlation = struct.unpack_from(">hhi", data)
        request = REQUESTS[key].decode(data, version=version, header=True)
        self.asked.append(request)
        reply = self.replies[type(request)]
        if callable(reply):
            reply = reply(request)
        if reply is SILENCE:
            return True
        if reply is HANG_UP:
            return False
        if not isinstance(reply, bytes):
            # All versions in use are flexible: their header ends with its (empty) tagged fields.
            body = struct.pack(">ib", correlation, 0) + reply.encode(version=version)
            reply = struct.pack(">i", len(body)) + body
        stream.sendall(reply)
        return True

    def hang_up(self):
        """End every connection that is open now."""
        for stream in self.connections:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self):
        # A blocked accept only notices a shutdown, not a close.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()
        self.thread.join()


@pytest.fixture
def cluster():
    """A function that starts nodes with the given numbers."""
    with ExitStack() as stack:

        def start(*numbers):
            nodes = [Node(number) for number in numbers]
            for node in nodes:
                stack.callback(node.close)
            return nodes

        yield start


@pytest.fixture
def admin():
    """A function that makes an admin of nodes (numbers from 10001 on are controllers)."""
    with ExitStack() as stack:

        def make(*nodes):
            brokers = [n.address for n in nodes if n.number < 10001]
            controllers = [n.address for n in nodes if n.number >= 10001]
            return stack.enter_context(ClusterAdmin(brokers, controllers, None, DEADLINE))

        yield make


def described(*brokers):
    seen = [
        DescribeClusterResponse.DescribeClusterBroker(
            broker_id=number, host="h", port=1, rack=None, is_fenced=fenced, version=2
        )
        for number, fenced in brokers
    ]
    return DescribeClusterResponse(
        error_code=0, error_message=None, cluster_id="c", controller_id=1, brokers=seen, version=2
    )


def quorum_of(leader=10001, error=0, observers=((1, 100), (2, 100))):
    """A quorum of three whose leader's clock shows 1000; observers as (number, ms behind; None: never seen)."""
    topic = DescribeQuorumResponse.TopicData

    def state(number, behind):
        return topic.PartitionData.ReplicaState(
            replica_id=number,
            replica_directory_id=UUID(bytes=kafka_id_bytes(DIRECTORY)),
            log_end_offset=42,
            last_fetch_timestamp=-1,
            last_caught_up_timestamp=-1 if behind is None else 10_000 - behind,
            version=2,
        )

    part = topic.PartitionData(
        partition_index=0,
        error_code=error,
        error_message=None,
        leader_id=leader,
        leader_epoch=7,
        high_watermark=42,
        current_voters=[state(leader, 0), state(10002, 250), state(10003, None)],
        observers=[state(*observer) for observer in observers],
        version=2,
    )
    found = topic(topic_name="__cluster_metadata", partitions=[part], version=2)
    return DescribeQuorumResponse(error_code=0, error_message=None, topics=[found], nodes=[], version=2)


NOT_LEADER = quorum_of(error=6)


def metadata(*topics):
    """Topics as (name, error code, partitions as (leader, replicas, isr))."""
    kind = MetadataResponse.MetadataResponseTopic
    found = [
        kind(
            error_code=error,
            name=name,
            topic_id=UUID(bytes=kafka_id_bytes(DIRECTORY)),
            is_internal=False,
            partitions=[
                kind.MetadataResponsePartition(
                    error_code=0 if leader >= 0 else 5,
                    partition_index=index,
                    leader_id=leader,
                    leader_epoch=1,
                    replica_nodes=list(replicas),
                    isr_nodes=list(isr),
                    offline_replicas=[],
                    version=12,
                )
                for index, (leader, replicas, isr) in enumerate(partitions)
            ],
            version=12,
        )
        for name, error, partitions in topics
    ]
    return MetadataResponse(brokers=[], cluster_id="c", controller_id=1, topics=found, version=12)


def configured(request):
    """Every topic answers with a min ISR of 2, but for the one that is gone."""
    kind = DescribeConfigsResponse.DescribeConfigsResult
    results = []
    for resource in request.resources:
        gone = resource.resource_name == "gone"
        value = kind.DescribeConfigsResourceResult(
            name="min.insync.replicas", value="2", read_only=False, config_source=5, is_sensitive=False, version=4
        )
        results.append(
            kind(
                error_code=3 if gone else 0,
                error_message=None,
                resource_type=2,
                resource_name=resource.resource_name,
                configs=[] if gone else [value],
                version=4,
            )
        )
    return DescribeConfigsResponse(results=results, version=4)


def unregistered(code):
    return UnregisterBrokerResponse(throttle_time_ms=0, error_code=code, error_message="why" if code else "", version=0)


def altered(code):
    kind = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse
    result = kind(error_code=code, error_message=None, resource_type=4, resource_name="10001", version=1)
    return IncrementalAlterConfigsResponse(responses=[result], version=1)


def test_a_node_that_works_answers_and_one_that_is_stuck_does_not(cluster, admin):
    broker, controller = cluster(1, 10001)
    broker.on(MetadataRequest, metadata())
    controller.on(DescribeQuorumRequest, SILENCE)
    ask = admin(broker, controller)
    assert ask.ping(1) is True
    began = time.monotonic()
    assert ask.ping(10001) is False
    assert time.monotonic() - began < DEADLINE + 1
    assert list(ask.unanswered) == [10001]
    assert "did not answer" in ask.unanswered[10001]
    controller.on(DescribeQuorumRequest, NOT_LEADER)
    assert ask.ping(10001) is True
    assert ask.unanswered == {}


def test_a_dead_node_is_told_from_a_silent_one(cluster, admin):
    (broker,) = cluster(1)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        free = unused.getsockname()[1]
    ask = ClusterAdmin([broker.address, NodeAddress(2, "127.0.0.1", free)], [], None, DEADLINE)
    assert ask.ping(2) is False
    assert "no connection" in ask.unanswered[2]


def test_another_broker_is_asked_where_the_first_says_nothing_and_is_asked_first_from_then_on(cluster, admin):
    one, two = cluster(1, 2)
    one.on(DescribeClusterRequest, SILENCE)
    two.on(DescribeClusterRequest, described((1, True), (2, False)))
    ask = admin(one, two)
    assert ask.brokers() == {1: BrokerSeen(1, fenced=True), 2: BrokerSeen(2, fenced=False)}
    assert two.asked[0].include_fenced_brokers is True
    assert ask.brokers()[1].fenced
    assert (len(one.asked), len(two.asked)) == (1, 2)


def test_when_nobody_answers_the_error_tells_of_each(cluster, admin):
    one, two = cluster(1, 2)
    one.on(DescribeClusterRequest, SILENCE)
    two.on(DescribeClusterRequest, HANG_UP)
    with pytest.raises(KafkaUnreachable, match=r"node 1: .* did not answer .*; node 2: .* ended the connection"):
        admin(one, two).brokers()


def test_the_quorum_is_described_by_its_leader_whoever_that_is(cluster, admin):
    one, two = cluster(10001, 10002)
    one.on(DescribeQuorumRequest, NOT_LEADER)
    two.on(DescribeQuorumRequest, quorum_of(leader=10002, observers=((1, 100), (3, None))))
    quorum = admin(one, two).quorum()
    assert (quorum.leader, quorum.epoch) == (10002, 7)
    assert [(v.number, v.behind_ms) for v in quorum.voters] == [(10002, 0), (10002, 250), (10003, None)]
    assert [(o.number, o.behind_ms) for o in quorum.observers] == [(1, 100), (3, None)]
    assert quorum.voters[0].directory == DIRECTORY


def test_without_a_leader_the_quorum_is_refused_and_not_silent(cluster, admin):
    one, two = cluster(10001, 10002)
    one.on(DescribeQuorumRequest, NOT_LEADER)
    two.on(DescribeQuorumRequest, NOT_LEADER)
    ask = admin(one, two)
    with pytest.raises(KafkaRefused) as refused:
        ask.quorum()
    assert refused.value.code == 6
    assert ask.unanswered == {}


def test_partitions_carry_the_min_isr_of_their_topic(cluster, admin):
    broker, controller = cluster(1, 10001)
    controller.on(DescribeQuorumRequest, quorum_of())
    topics = (("t", 0, [(1, (1, 2, 3), (1, 2)), (-1, (2, 3), ())]), ("gone", 0, [(1, (1,), (1,))]), (None, 3, []))
    broker.on(MetadataRequest, metadata(*topics[:2])).on(DescribeConfigsRequest, configured)
    seen = admin(broker, controller).partitions()
    assert [(str(p), p.leader, p.replicas, p.isr, p.min_isr) for p in seen] == [
        ("t-0", 1, (1, 2, 3), (1, 2), 2),
        ("t-1", -1, (2, 3), (), 2),
    ]


def test_a_cluster_without_topics_has_no_partitions(cluster, admin):
    broker, controller = cluster(1, 10001)
    controller.on(DescribeQuorumRequest, quorum_of())
    broker.on(MetadataRequest, metadata())
    assert admin(broker, controller).partitions() == ()


def test_settings_of_a_topic_are_read_and_a_missing_topic_is_refused(cluster, admin):
    (broker,) = cluster(1)
    broker.on(DescribeConfigsRequest, configured)
    ask = admin(broker)
    assert ask.topic_config("t", ["min.insync.replicas"]) == {"min.insync.replicas": "2"}
    with pytest.raises(KafkaRefused, match="UNKNOWN_TOPIC"):
        ask.topic_config("gone", ["min.insync.replicas"])


def test_a_broker_that_lost_touch_with_the_metadata_is_not_believed(cluster, admin):
    one, two, controller = cluster(1, 2, 10001)
    controller.on(DescribeQuorumRequest, quorum_of(observers=((1, 9000), (2, 200))))
    two.on(MetadataRequest, metadata(("t", 0, [(2, (2,), (2,))]))).on(DescribeConfigsRequest, configured)
    ask = admin(one, two, controller)
    assert [p.leader for p in ask.partitions()] == [2]
    assert one.asked == []
    controller.on(DescribeQuorumRequest, quorum_of(observers=((1, 9000),)))
    with pytest.raises(KafkaUnreachable, match="broker 1 is 9000 ms behind it; broker 2 does not follow"):
        ask.partitions()


@pytest.mark.parametrize("code", [0, 102])
def test_a_broker_is_unregistered_also_where_it_was_not_registered(cluster, admin, code):
    (one,) = cluster(1)
    one.on(UnregisterBrokerRequest, unregistered(code))
    admin(one).unregister(3, via=[1])
    assert [request.broker_id for request in one.asked] == [3]


def test_a_refusal_to_unregister_is_an_error_with_kafkas_name(cluster, admin):
    (one,) = cluster(1)
    one.on(UnregisterBrokerRequest, unregistered(31))
    with pytest.raises(
        KafkaRefused, match=r"unregistering broker 3: Kafka answered CLUSTER_AUTHORIZATION_FAILED \(31\)"
    ):
        admin(one).unregister(3, via=[1])


def test_an_order_to_unregister_goes_to_the_next_only_while_nobody_has_it(cluster, admin):
    two, three = cluster(2, 3)
    two.on(UnregisterBrokerRequest, SILENCE)
    three.on(UnregisterBrokerRequest, unregistered(0))
    nobody_there = NodeAddress(1, "127.0.0.1", 1)
    ask = ClusterAdmin([nobody_there, two.address, three.address], [], None, DEADLINE)
    with pytest.raises(AnswerLost):
        ask.unregister(9, via=[1, 2, 3])
    assert (len(two.asked), len(three.asked)) == (1, 0)
    with pytest.raises(KafkaUnreachable, match="node 1: no connection") as nobody:
        ask.unregister(9, via=[1])
    assert not isinstance(nobody.value, AnswerLost)


def test_a_connection_that_the_node_ended_meanwhile_is_made_anew_without_a_word(cluster, admin):
    (one,) = cluster(1)
    one.on(MetadataRequest, metadata())
    ask = admin(one)
    assert ask.ping(1)
    one.hang_up()
    assert ask.ping(1)
    assert len(one.connections) == 2
    assert ask.ping(1)
    assert len(one.connections) == 2


def test_a_topic_is_never_created_twice(cluster, admin):
    one, two = cluster(1, 2)
    one.on(CreateTopicsRequest, HANG_UP)
    with pytest.raises(AnswerLost):
        admin(one, two).create_topic("t", 3, 3, {"min.insync.replicas": "2"})
    (request,) = one.asked
    (topic,) = request.topics
    assert (topic.name, topic.num_partitions, topic.replication_factor) == ("t", 3, 3)
    assert [(c.name, c.value) for c in topic.configs] == [("min.insync.replicas", "2")]
    assert two.asked == []


def test_kafkas_own_words_are_passed_on(cluster, admin):
    (one,) = cluster(1)
    kind = CreateTopicsResponse.CreatableTopicResult
    taken = kind(name="t", topic_id=UUID(int=0), error_code=36, error_message="Topic 't' already exists.", version=7)
    one.on(CreateTopicsRequest, CreateTopicsResponse(topics=[taken], version=7))
    with pytest.raises(KafkaRefused, match=r"TOPIC_ALREADY_EXISTS \(36\): Topic 't' already exists"):
        admin(one).create_topic("t")


def test_settings_of_a_controller_go_to_the_active_one_and_of_a_broker_to_itself(cluster, admin):
    one, two, first, second = cluster(1, 2, 10001, 10002)
    first.on(IncrementalAlterConfigsRequest, altered(41))
    second.on(IncrementalAlterConfigsRequest, altered(0))
    two.on(IncrementalAlterConfigsRequest, altered(0))
    ask = admin(one, two, first, second)
    ask.set_config(10001, {"listener.name.controller.ssl.keystore.location": "/a"})
    ask.set_config(2, {"num.io.threads": "9"})
    assert [r.resources[0].resource_name for r in (*first.asked, *second.asked, *two.asked)] == ["10001", "10001", "2"]
    assert one.asked == []


def test_settings_of_all_brokers_go_to_whichever_answers(cluster, admin):
    one, two = cluster(1, 2)
    two.on(IncrementalAlterConfigsRequest, altered(0))
    admin(one, two).set_default({"num.io.threads": "16"})
    (request,) = two.asked
    assert [(each.resource_type, each.resource_name) for each in request.resources] == [(4, "")]
    assert [(each.name, each.value) for each in request.resources[0].configs] == [("num.io.threads", "16")]


def test_partitions_that_keep_another_leader_are_named(cluster, admin):
    (one,) = cluster(1)
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


@pytest.mark.parametrize(
    "noise",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack(">i", 2**31 - 1),
        struct.pack(">iib", 5, 77, 0),
        b"\0\0\0\4\0\0\0\1",
    ],
)
def test_what_is_no_answer_of_kafka_ends_the_connection(cluster, noise):
    (one,) = cluster(1)
    one.on(MetadataRequest, noise)
    node = one.address
    with Connection.connect(node.address, node.port, None, DEADLINE) as connection:
        with pytest.raises(AnswerLost):
            connection.call(MetadataRequest(topics=[]), 12, DEADLINE)
        assert not connection.open
        with pytest.raises(KafkaUnreachable, match="closed"):
            connection.call(MetadataRequest(topics=[]), 12, DEADLINE)


def test_threads_may_share_an_admin(cluster, admin):
    one, two = cluster(1, 2)
    for node in (one, two):
        node.on(MetadataRequest, metadata()).on(DescribeClusterRequest, described((node.number, False)))
    ask = admin(one, two)
    answers = []

    def work():
        answers.extend((ask.ping(1), ask.ping(2), len(ask.brokers())) for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(True, True, 1)] * 40
