"""A node is formatted in a millisecond, and Kafka's own tool would have written the same."""

import re
import struct
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c

from penstock.kafka.format import BOOTSTRAP, FIRST_SNAPSHOT, META, FormatLayout, format_node, layout_of
from penstock.kafka.records import CONTROL, Record, VoterAddress, batch, crc32c, varint
from penstock.kafka.versions import catalogue

GOLDEN = Path(__file__).parent / "golden"
KAFKA_ID = "4L6g3nShT-eMCtK--X86sw"
DIRECTORIES = ("JEXY6aqzQY-32P5TStzaFg", "MvDxzVmcRsaTz33bUuRU6A", "07R5amHmR32VDA6jHkGbTA")
VOTERS = tuple(
    VoterAddress(10001 + i, directory, "CONTROLLER", f"127.0.0.{1 + i}", 9093)
    for i, directory in enumerate(DIRECTORIES)
)
NOW = 1_790_000_000_000
FEATURES = (("metadata.version", 30), ("group.version", 1))


def formatted(**changed):
    asked = {
        "layout": FormatLayout.BOOTSTRAP_FILE,
        "features": FEATURES,
        "kafka_id": KAFKA_ID,
        "number": 10001,
        "directory": DIRECTORIES[0],
        "voters": VOTERS,
        "is_controller": True,
        "now_ms": NOW,
    }
    return format_node(**(asked | changed))


def joined(directory):
    """The voters, the first of them on another volume."""
    return (evolve(VOTERS[0], directory=directory), *VOTERS[1:])


def timeless(path, content):
    """Times, and the checksums over them, set to zero."""
    if path == META:
        return re.sub(rb"^#\w.*$", b"#date", content, flags=re.MULTILINE)
    out, at = bytearray(content), 0
    while at < len(out):
        (length,) = struct.unpack_from(">i", out, at + 8)
        out[at + 17 : at + 21] = bytes(4)
        out[at + 27 : at + 43] = bytes(16)
        at += 12 + length
    # The snapshot header: length and content of its key, length of its value, version, time.
    header = out.index(bytes([8, 0, 0, 0, 3, 22, 0, 0]))
    out[header + 8 : header + 16] = bytes(8)
    return bytes(out)


@pytest.mark.parametrize(
    ("quorum", "role"),
    [(q, r) for q in ("dynamic", "static") for r in ("controller", "broker")] + [("joining", "controller")],
)
@pytest.mark.parametrize("version", sorted(v for v, row in catalogue().items() if row.mode == "kraft"))
def test_kafkas_own_tool_would_have_written_the_same(version, quorum, role):
    row = catalogue()[version]
    folder = GOLDEN / row.kafka / quorum / role
    tool = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if (quorum, role) == ("dynamic", "broker"):
        # Ours alone: brokers know the voters from the start, as the controllers do.
        tool[FIRST_SNAPSHOT] = (GOLDEN / row.kafka / quorum / "controller" / FIRST_SNAPSHOT).read_bytes()
    assert META in tool, f"no golden files for Kafka {row.kafka}; make them with tests/kafka/make_golden.py"
    ours = formatted(
        layout=layout_of(row.kafka),
        features=row.features,
        number=10001 if role == "controller" else 1,
        directory=(directory := re.search(r"directory\.id=(\S+)", tool[META].decode())[1]),
        voters=VOTERS if quorum == "dynamic" else joined(directory) if quorum == "joining" else (),
        is_controller=role == "controller",
        joins=quorum == "joining",
    )
    assert {path: timeless(path, content) for path, content in ours.items()} == {
        path: timeless(path, content) for path, content in tool.items()
    }


def test_the_date_is_written_as_java_writes_it():
    line = formatted()[META].decode().splitlines()[1]
    assert line == "#Mon Sep 21 14:13:20 UTC 2026"


def test_the_first_snapshot_of_kafka_4_4_holds_quorum_and_features_and_brokers_hold_no_features():
    layout = layout_of("4.4.0")
    controller, broker = formatted(layout=layout), formatted(layout=layout, number=1, is_controller=False)
    assert sorted(controller) == sorted(broker) == [FIRST_SNAPSHOT, META]
    assert b"metadata.version" in controller[FIRST_SNAPSHOT]
    assert b"metadata.version" not in broker[FIRST_SNAPSHOT]
    assert sorted(formatted(layout=layout_of("4.3.1"))) == [FIRST_SNAPSHOT, BOOTSTRAP, META]


def test_the_same_first_snapshot_lies_on_every_node_of_a_dynamic_quorum():
    first = formatted()
    second = formatted(number=10002, directory=DIRECTORIES[1])
    broker = formatted(number=1, directory=DIRECTORIES[1], is_controller=False)
    assert first[FIRST_SNAPSHOT] == second[FIRST_SNAPSHOT] == broker[FIRST_SNAPSHOT]
    assert len({first[META], second[META], broker[META]}) == 3
    assert FIRST_SNAPSHOT not in formatted(voters=())


def test_a_controller_that_the_quorum_does_not_know_is_not_formatted():
    with pytest.raises(ValueError, match="not among the voters"):
        formatted(directory=DIRECTORIES[1])


def test_a_controller_that_joins_does_not_claim_to_vote_in_any_layout():
    assert sorted(formatted(joins=True)) == [BOOTSTRAP, META]
    assert sorted(formatted(joins=True, layout=FormatLayout.FIRST_SNAPSHOT)) == [META]
    assert FIRST_SNAPSHOT in formatted(joins=True, number=1, is_controller=False), "a broker never votes"


def test_a_static_quorum_is_not_offered_with_the_new_layout():
    with pytest.raises(ValueError, match="static quorum"):
        formatted(layout=FormatLayout.FIRST_SNAPSHOT, voters=())


@given(st.binary(max_size=300))
def test_the_checksum_is_castagnolis(data):
    assert crc32c(data) == calc_crc32c(data)


@given(st.lists(st.tuples(st.none() | st.binary(max_size=9), st.binary(max_size=200)), min_size=1, max_size=5))
def test_a_kafka_client_reads_the_batches_back(pairs):
    data = batch([Record(key, value) for key, value in pairs], 7, NOW)
    (read,) = iter(MemoryRecords(data).next_batch, None)
    assert read.validate_crc()
    assert [(r.key, r.value, r.offset, r.timestamp) for r in read] == [
        (key, value, 7 + i, NOW) for i, (key, value) in enumerate(pairs)
    ]


def test_control_batches_say_so():
    assert MemoryRecords(batch([Record(b"\0\0\0\4", b"\0\0\0")], 0, NOW, CONTROL)).next_batch().is_control_batch


@pytest.mark.parametrize(("value", "raw"), [(0, "00"), (-1, "01"), (1, "02"), (-64, "7f"), (64, "8001"), (300, "d804")])
def test_signed_varints_zigzag(value, raw):
    assert varint(value).hex() == raw
