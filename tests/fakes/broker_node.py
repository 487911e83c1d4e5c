"""A broker on a socket that answers each kind of request with what a test gives, keeps silent, or hangs up."""

from __future__ import annotations

import socket
import struct
import threading

from kafka.protocol.admin import (
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    DescribeConfigsRequest,
    DescribeTopicPartitionsRequest,
    IncrementalAlterConfigsRequest,
)
from kafka.protocol.metadata import MetadataRequest

from penstock.kafka.wire import NodeAddress

SILENCE, HANG_UP = object(), object()
REQUESTS = {
    kind.API_KEY: kind
    for kind in (
        CreatePartitionsRequest,
        CreateTopicsRequest,
        DeleteTopicsRequest,
        DescribeConfigsRequest,
        DescribeTopicPartitionsRequest,
        IncrementalAlterConfigsRequest,
        MetadataRequest,
    )
}


class BrokerNode:
    """`replies`: kind of request -> response, SILENCE, HANG_UP, or a function of the request that gives one of these."""

    def __init__(self, number):
        self.number = number
        self.replies = {}
        self.asked = []
        self.streams = []
        self.gone = threading.Semaphore(0)
        """Released for each connection that has ended."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = NodeAddress(number, *self._listener.getsockname())
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def on(self, kind, reply):
        self.replies[kind] = reply
        return self

    def names(self):
        """What it was asked, by the names of the requests."""
        return [request.name.removesuffix("Request") for request in self.asked]

    def hang_up(self):
        """End every connection that is open now."""
        for stream in self.streams:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)  # a blocked accept notices this, and not a close
        self._listener.close()
        self.hang_up()
        self._thread.join()

    def _accept(self):
        servers = []
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                break
            self.streams.append(stream)
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
                        break
            except OSError:
                pass
        self.gone.release()

    def _answer(self, stream, data):
        key, version, correlation = struct.unpack_from(">hhi", data)
        request = REQUESTS[key].decode(data, version=version, header=True)
        self.asked.append(request)
        reply = self.replies[type(request)]
        reply = reply(request) if callable(reply) else reply
        if reply is SILENCE or reply is HANG_UP:
            return reply is SILENCE
        # All versions in use are flexible: their header ends with its (empty) tagged fields.
        body = struct.pack(">ib", correlation, 0) + reply.encode(version=version)
        stream.sendall(struct.pack(">i", len(body)) + body)
        return True
