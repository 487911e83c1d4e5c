"""Kafka's record batches, version 2, and the metadata and control records that a freshly formatted node holds.

Shapes are those of Kafka's public protocol guide ("Record Batch", "Control Batches") and of the message schemas
FeatureLevelRecord, SnapshotHeaderRecord, SnapshotFooterRecord, KRaftVersionRecord and VotersRecord. All numbers are
big-endian; compact lengths are unsigned varints of length + 1; every structure ends with its (empty) tagged fields."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum

from attrs import frozen

from penstock.kafka.placement import kafka_id_bytes

NO_TAGS = b"\0"
CONTROL = 0x20
"""Attribute bit of a control batch."""


@frozen
class VoterAddress:
    """A voter of the metadata quorum, as the first snapshot names it."""

    number: int
    directory: str
    """Its directory id: 22 characters of base64url."""
    listener: str
    host: str
    port: int


@frozen
class Record:
    """Key (None: none) and value of one record."""

    key: bytes | None
    value: bytes


class ControlType(IntEnum):
    """What a control record says; the second number of its key."""

    SNAPSHOT_HEADER = 3
    SNAPSHOT_FOOTER = 4
    KRAFT_VERSION = 5
    VOTERS = 6


FEATURE_LEVEL = 12
"""Api key of FeatureLevelRecord."""


def feature_levels(features: Iterable[tuple[str, int]]) -> Sequence[Record]:
    """One FeatureLevelRecord for each feature, in the order given."""
    return [_metadata(FEATURE_LEVEL, compact(name) + struct.pack(">h", level)) for name, level in features]


def snapshot_header(now_ms: int) -> Record:
    """The first record of a snapshot."""
    return _control(ControlType.SNAPSHOT_HEADER, struct.pack(">hq", 0, now_ms))


def snapshot_footer() -> Record:
    """The last record of a snapshot."""
    return _control(ControlType.SNAPSHOT_FOOTER, struct.pack(">h", 0))


def kraft_version(level: int) -> Record:
    """KRaftVersionRecord: 1 means that the voters are kept in the log itself (a dynamic quorum)."""
    return _control(ControlType.KRAFT_VERSION, struct.pack(">hh", 0, level))


def voter_set(addresses: Sequence[VoterAddress]) -> Record:
    """VotersRecord: the whole quorum, in the order given; each voter speaks kraft versions 0 to 1."""
    body = struct.pack(">h", 0) + unsigned_varint(len(addresses) + 1)
    for voter in addresses:
        endpoint = compact(voter.listener) + compact(voter.host) + struct.pack(">H", voter.port) + NO_TAGS
        body += struct.pack(">i", voter.number) + kafka_id_bytes(voter.directory)
        body += unsigned_varint(1 + 1) + endpoint + struct.pack(">hh", 0, 1) + NO_TAGS + NO_TAGS
    return _control(ControlType.VOTERS, body)


def batch(records: Sequence[Record], base_offset: int, now_ms: int, attributes: int = 0) -> bytes:
    """An uncompressed batch without producer, of leader epoch 0, all its records made at `now_ms`."""
    body = b"".join(_framed(record, index) for index, record in enumerate(records))
    last = len(records) - 1
    checked = struct.pack(">hiqqqhii", attributes, last, now_ms, now_ms, -1, -1, -1, len(records)) + body
    tail = struct.pack(">ib", 0, 2) + struct.pack(">I", crc32c(checked)) + checked
    return struct.pack(">qi", base_offset, len(tail)) + tail


def _framed(record: Record, index: int) -> bytes:
    key = varint(-1) if record.key is None else varint(len(record.key)) + record.key
    inner = b"\0" + varint(0) + varint(index) + key + varint(len(record.value)) + record.value + varint(0)
    return varint(len(inner)) + inner


def _metadata(api_key: int, body: bytes) -> Record:
    return Record(None, unsigned_varint(1) + unsigned_varint(api_key) + unsigned_varint(0) + body + NO_TAGS)


def _control(kind: ControlType, body: bytes) -> Record:
    return Record(struct.pack(">hh", 0, kind), body + NO_TAGS)


def compact(text: str) -> bytes:
    """A compact string."""
    raw = text.encode()
    return unsigned_varint(len(raw) + 1) + raw


def unsigned_varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(value: int) -> bytes:
    """The same for signed numbers: the sign is the lowest bit."""
    return unsigned_varint(value << 1 if value >= 0 else ~value << 1 | 1)


def _crc32c_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC32C = tuple(map(_crc32c_of, range(256)))


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli); the batches here are some hundred bytes, so a table is quick enough."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
