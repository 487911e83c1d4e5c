"""One blocking connection to one Kafka node: no threads, no state of the cluster, nothing without a deadline.

Messages are kafka-python's classes, generated from Kafka's schemas, and our own from `messages/`. TLS context in, answers
out; who is asked, and in which order, is `connections.py`'s."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from attrs import frozen
from cryptography import x509
from kafka.errors import for_code
from kafka.protocol.api_header import ResponseClassRegistry

DEADLINE = 1.0
"""Seconds that a node has for one answer where the caller does not say otherwise."""
LARGEST_ANSWER = 256 * 1024 * 1024
CLIENT_ID = "penstock"


# The library carries no types for these.
_error_class: Any = for_code
_answers: Any = ResponseClassRegistry


@frozen
class NodeAddress:
    """Where a node's inner listener is."""

    number: int
    address: str
    port: int


class KafkaError(Exception):
    """A node did not do what it was asked."""


class KafkaUnreachable(KafkaError):
    """No answer, and the request had no effect: refused, not there, not the node we know, or too slow to connect."""


class AnswerLost(KafkaUnreachable):
    """The request went out and no answer came: whether it had an effect is not known."""

    def __init__(self, message: str, *, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out
        """The deadline passed; False: the connection ended."""


class KafkaRefused(KafkaError):
    """The node answered with an error code of the protocol."""

    def __init__(self, what: str, code: int, detail: str | None = None) -> None:
        self.code = code
        self.name = error_name(code)
        super().__init__(f"{what}: Kafka answered {self.name} ({code}){': ' + detail if detail else ''}")

    @property
    def lasting(self) -> bool:
        """It is what was asked for that is wrong; asking again gets the same answer."""
        return self.name in ("INVALID_CONFIG", "INVALID_REQUEST", "POLICY_VIOLATION")


def error_name(code: int) -> str:
    """Kafka's name of an error code (`NOT_CONTROLLER`), or `UNKNOWN` where the library is older than the code."""
    return str(_error_class(code).message)


def refuse(what: str, code: int, detail: str | None = None) -> None:
    """Raise KafkaRefused unless `code` is 0."""
    if code:
        raise KafkaRefused(what, code, detail)


def mutual_tls(ca: Path, leaf: Path) -> ssl.SSLContext:
    """A client's context that trusts `ca` alone, checks the address against the certificate, and shows `leaf`.

    `ca` is a PEM of certificates, `leaf` a PEM of key and chain. OSError where a file is missing or not that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=str(ca))
    context.load_cert_chain(str(leaf))
    return context


def shown_since(address: str, port: int, within: float = DEADLINE) -> datetime:
    """From when on the certificate is valid that a TLS listener shows to clients now. Raises KafkaUnreachable.

    Nothing is trusted here: the question is what is shown, not who shows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((address, port), timeout=within) as plain, context.wrap_socket(plain) as stream:
            shown = stream.getpeercert(binary_form=True)
    except OSError as error:
        raise KafkaUnreachable(f"no certificate of {address}:{port} within {within:g} s: {error}") from error
    if shown is None:
        raise KafkaUnreachable(f"{address}:{port} shows no certificate")
    return x509.load_der_x509_certificate(shown).not_valid_before_utc


def mutual_tls_of(ca: bytes, leaf: bytes) -> ssl.SSLContext:
    """The same of PEM in memory."""
    with (
        TemporaryDirectory() as folder
    ):  # readable by us alone; the library loads keys from files and from nothing else
        trusted, own = Path(folder, "ca.pem"), Path(folder, "leaf.pem")
        trusted.write_bytes(ca)
        own.write_bytes(leaf)
        return mutual_tls(trusted, own)


class Connection:
    """A connection to one node. Safe to share between threads: calls follow one another.

    Invariant: after any failure it is closed, because what would be read next is no longer known."""

    def __init__(self, stream: socket.socket, peer: str) -> None:
        self._stream = stream
        self._peer = peer
        self._lock = threading.Lock()
        self._correlation = 0
        self._open = True

    @classmethod
    def connect(
        cls, address: str, port: int, tls: ssl.SSLContext | None = None, within: float = DEADLINE
    ) -> Connection:
        """Connect, and shake hands where there is a context, within so many seconds. Raises KafkaUnreachable.

        With TLS 1.3 a node that refuses our certificate says so at the first call only."""
        until = time.monotonic() + within
        peer = f"{address}:{port}"
        stream: socket.socket | None = None
        try:
            stream = socket.create_connection((address, port), timeout=within)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                stream.settimeout(_left(until))
                stream = tls.wrap_socket(stream, server_hostname=address)
        except OSError as error:
            if stream is not None:
                stream.close()
            raise KafkaUnreachable(f"no connection to {peer} within {within:.2g} s: {error}") from error
        return cls(stream, peer)

    @property
    def open(self) -> bool:
        """It has not failed and was not closed by us; what the other side did is seen at the next call."""
        return self._open

    def call(self, request: Any, version: int, within: float = DEADLINE) -> Any:
        """The answer to a request (an ApiMessage), as the library's response object of that version.

        Raises AnswerLost, or KafkaUnreachable where nothing can have been carried out. Error codes are the caller's."""
        with self._lock:
            if not self._open:
                raise KafkaUnreachable(f"the connection to {self._peer} is closed; connect anew")
            self._correlation += 1
            request.API_VERSION = version
            request.with_header(correlation_id=self._correlation, client_id=CLIENT_ID)
            frame = request.encode(header=True, framed=True)
            try:
                return self._exchange(request, frame, time.monotonic() + within)
            except TimeoutError as error:
                self._close()
                raise AnswerLost(
                    f"{self._peer} did not answer {request.name} within {within:.2g} s", timed_out=True
                ) from error
            except OSError as error:
                self._close()
                raise AnswerLost(
                    f"{self._peer} ended the connection over {request.name}: {error}", timed_out=False
                ) from error
            except (ValueError, LookupError, struct.error) as error:
                self._close()
                raise AnswerLost(
                    f"{self._peer} answered {request.name} with what is no answer: {error}", timed_out=False
                ) from error

    def close(self) -> None:
        """End the connection; a call under way in another thread ends with AnswerLost."""
        self._close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, request: Any, frame: bytes, until: float) -> Any:
        self._stream.settimeout(_left(until))
        self._stream.sendall(frame)
        (size,) = struct.unpack(">i", self._read(4, until))
        if not 4 <= size <= LARGEST_ANSWER:
            raise ValueError(f"a length of {size} bytes")
        data = self._read(size, until)
        (correlation,) = struct.unpack_from(">i", data)
        if correlation != self._correlation:
            raise ValueError(f"correlation id {correlation} in place of {self._correlation}")
        return _answers.get_response_class(request.header).decode(data, header=True)

    def _read(self, size: int, until: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._stream.settimeout(_left(until))
            piece = self._stream.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise ConnectionError("the other side closed it")
            data += piece
        return bytes(data)

    def _close(self) -> None:
        self._open = False
        self._stream.close()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left
