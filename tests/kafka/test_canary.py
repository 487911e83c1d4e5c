"""The canary: real produce requests, timed; what a broker that is slow, gone or not the leader means."""

import socket
import struct
import threading
import time
from contextlib import ExitStack

import pytest
from fakes.worlds import eventually
from kafka.protocol.producer import ProduceRequest, ProduceResponse
from kafka.record import MemoryRecords

from penstock.kafka.canary import TOPIC, VERSION, ClusterCanary
from penstock.kafka.wire import KafkaRefused, KafkaUnreachable, NodeAddress


class Broker:
    """Acknowledges what it is sent with the next of `codes` (the last for ever); None: it says nothing."""

    def __init__(self, number, *codes):
        self.number, self.codes, self.asked, self.streams = number, list(codes), [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    @property
    def address(self):
        return NodeAddress(self.number, "127.0.0.1", self.listener.getsockname()[1])

    def _accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            self.streams.append(stream)
            self.threads.append(threading.Thread(target=self._serve, args=(stream,)))
            self.threads[-1].start()

    def _serve(self, stream):
        with stream:
            try:
                while head := stream.recv(4, socket.MSG_WAITALL):
                    data = stream.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL)
                    _, version, correlation = struct.unpack_from(">hhi", data)
                    assert version == VERSION
                    self.asked.append(ProduceRequest.decode(data, version=version, header=True))
                    code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
                    if code is not None:
                        body = struct.pack(">ib", correlation, 0) + self._answer(code).encode(version=version)
                        stream.sendall(struct.pack(">i", len(body)) + body)
            except OSError:
                return

    def _answer(self, code):
        topic = ProduceResponse.TopicProduceResponse
        part = topic.PartitionProduceResponse
        partition = part(
            index=0,
            error_code=code,
            base_offset=0,
            log_append_time_ms=-1,
            log_start_offset=0,
            record_errors=[],
            error_message=None,
            version=VERSION,
        )
        answer = topic(name=TOPIC, partition_responses=[partition], version=VERSION)
        return ProduceResponse(responses=[answer], throttle_time_ms=0, version=VERSION)

    def close(self):
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for stream in self.streams:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self.threads:
            thread.join()


@pytest.fixture
def cluster():
    """A function: codes of brokers 1, 2, … -> (canary, those brokers)."""
    with ExitStack() as stack:

        def start(*codes, deadline=20.0):
            brokers = [Broker(number, *each) for number, each in enumerate(codes, 1)]
            for broker in brokers:
                stack.callback(broker.close)
            canary = ClusterCanary([b.address for b in brokers], None, deadline)
            stack.callback(canary.close)
            return canary, brokers

        yield start


def probed(canary, leaders, enough):
    """What probes told until there were so many records."""
    taken = []
    while len(taken) < enough:
        taken += canary.probe(leaders)
        time.sleep(0.01)
    return taken


def test_every_leader_gets_small_records_that_all_replicas_acknowledge(cluster):
    canary, brokers = cluster([0], [0])
    assert all(one > 0 for one in probed(canary, {0: 1, 1: 2, 2: 1}, 6))
    eventually(lambda: all(broker.asked for broker in brokers))  # each at its own pace
    for broker, led in zip(brokers, ({0, 2}, {1}), strict=True):
        for request in broker.asked:
            assert request.acks == -1
            ((topic, (part,)),) = [(t.name, t.partition_data) for t in request.topic_data]
            assert (topic, part.index in led) == (TOPIC, True)
            assert [record.value for batch in MemoryRecords(bytes(part.records)) for record in batch] == [b"canary"]


def test_connections_are_kept(cluster):
    canary, (broker,) = cluster([0])
    probed(canary, {0: 1}, 3)
    assert len(broker.streams) == 1


def test_a_record_is_told_once(cluster):
    canary, (broker,) = cluster([0])
    told = len(probed(canary, {0: 1}, 3))
    canary.close()
    assert told + len(canary.probe({0: 1})) <= len(broker.asked)


def test_nothing_is_produced_once_nobody_probes(cluster, monkeypatch):
    monkeypatch.setattr("penstock.kafka.canary.UNASKED", 0.2)
    canary, (broker,) = cluster([0])
    probed(canary, {0: 1}, 1)
    assert broker.asked
    eventually(lambda: not [t for t in threading.enumerate() if t.name == "canary-1"])
    probed(canary, {0: 1}, 1)


def test_a_record_that_is_not_acknowledged_in_time_took_the_whole_time(cluster):
    canary, _ = cluster([None], deadline=0.3)
    assert set(probed(canary, {0: 1}, 1)) == {300.0}


def test_a_broker_that_leads_no_more_says_nothing_about_latency(cluster):
    canary, both = cluster([6], [0])
    canary.probe({0: 1, 1: 2})
    eventually(lambda: all(len(broker.asked) > 1 for broker in both))  # so what the first was answered has been told
    assert canary.probe({0: 1, 1: 2})
    canary.close()
    with pytest.raises(KafkaRefused, match="producing to __amazon_msk_canary-0"):
        probed(canary, {0: 1}, 100)


def test_where_nobody_can_be_asked_that_is_told(cluster):
    canary, (broker,) = cluster([0])
    with pytest.raises(KafkaUnreachable, match="no partition of __amazon_msk_canary is led by a broker that is known"):
        canary.probe({0: 9})
    broker.close()
    with pytest.raises(KafkaUnreachable):
        probed(canary, {0: 1}, 1)
