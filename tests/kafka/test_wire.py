"""One connection to one node: what is no answer of Kafka is not taken for one."""

from __future__ import annotations

import struct

import pytest
from kafka.protocol.metadata import MetadataRequest

from penstock.kafka.wire import AnswerLost, Connection, KafkaUnreachable


@pytest.mark.parametrize(
    "noise",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack(">i", 2**31 - 1),
        struct.pack(">iib", 5, 77, 0),
        b"\0\0\0\4\0\0\0\1",
    ],
)
def test_what_is_no_answer_of_kafka_ends_the_connection(nodes, noise):
    (one,) = nodes(1)
    one.on(MetadataRequest, noise)
    node = one.address
    with Connection.connect(node.address, node.port, None, 5.0) as connection:
        with pytest.raises(AnswerLost):
            connection.call(MetadataRequest(topics=[]), 12, 5.0)
        assert not connection.open
        with pytest.raises(KafkaUnreachable, match="closed"):
            connection.call(MetadataRequest(topics=[]), 12, 5.0)
