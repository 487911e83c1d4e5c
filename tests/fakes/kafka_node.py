"""A broker or controller on a socket that answers each kind of request with what a test gives, keeps silent, or hangs up."""

from __future__ import annotations

import socket
import struct
import threading

from kafka.protocol.api_message import ApiMessage

from penstock.kafka.questions import VERSIONS
from penstock.kafka.wire import NodeAddress

SILENCE, HANG_UP = object(), object()
PATIENCE = 0.3
"""Seconds that a caller gives a node: little where a test waits for it in vain."""
REQUESTS: dict[int, type[ApiMessage]] = {kind.API_KEY: kind for kind in VERSIONS}


class KafkaNode:
    """`replies`: kind of request -> response, raw bytes, SILENCE, HANG_UP, or a function of the request that gives one."""

    def __init__(self, number, tls=None):
        self.number = number
        self.tls = tls
        """The context of a listener that wants a certificate of its clients; None: plaintext."""
        self.shown = []
        """DER of the certificate that each client showed."""
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

    def always(self, reply):
        """The same reply to every kind of request."""
        self.replies = dict.fromkeys(REQUESTS.values(), reply)
        return self

    def names(self):
        """What it was asked, by the names of the requests."""
        return [request.name.removesuffix("Request") for request in self.asked]

    def hang_up(self):
        """End every connection that is open now."""
        for stream in self.streams:
            try:
                socket.socket.shutdown(stream, socket.SHUT_RDWR)  # below TLS: as a process that died
            except OSError:
                continue

    def close(self):
        if self._listener.fileno() < 0:
            return
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
        if self.tls is not None:
            at = self.streams.index(stream)
            stream = self.streams[at] = self.tls.wrap_socket(stream, server_side=True)
            self.shown.append(stream.getpeercert(binary_form=True))
        with stream, stream.makefile("rb") as incoming:
            try:
                while head := incoming.read(4):
                    data = incoming.read(struct.unpack(">i", head)[0])
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
        if not isinstance(reply, bytes):
            # All versions in use are flexible: their header ends with its (empty) tagged fields.
            body = struct.pack(">ib", correlation, 0) + reply.encode(version=version)
            reply = struct.pack(">i", len(body)) + body
        stream.sendall(reply)
        return True
