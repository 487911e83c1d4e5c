"""Configurations: files read as Java reads them, values as Kafka reads them, and what a change takes.

What Java and Kafka say is recorded in tests/kafka/facts (make_configuration_facts.py makes it)."""

import json
import re
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.kafka.accepted import ACCEPTED, Applies, Kind, WrongValue, read, release_of
from penstock.kafka.configuration import (
    Changes,
    check,
    effective,
    fits,
    of_role,
    split,
    static,
    steps,
    without_effect,
)
from penstock.kafka.properties import render
from penstock.kafka.properties_file import PropertiesError, parse
from penstock.kafka.versions import catalogue
from penstock.model.ids import Role

FACTS = Path(__file__).parent / "facts"
FILES = json.loads((FACTS / "files.json").read_text())
KAFKAS = {row.kafka: json.loads((FACTS / f"{row.kafka}.json").read_text()) for row in catalogue().values()}
RELEASES = {kafka: release_of(kafka) for kafka in KAFKAS}
FOUR = (4, 3)
FOREIGN = {"allow.everyone.if.no.acl.found", "custom.advertised.listeners"}
"""Not Kafka's: the authorizer's own, read once when it is made, and MSK's own, told as `advertised.listeners`."""
OWN_DEFAULTS = {"log.flush.interval.ms", "log.retention.ms", "log.roll.ms"}
"""Properties that Kafka leaves empty by default; ours do the same in words (accepted.toml)."""


@pytest.mark.parametrize(("content", "said"), FILES, ids=lambda value: repr(value)[:40])
def test_a_file_is_read_as_java_reads_it(content, said):
    if said is None:
        with pytest.raises(PropertiesError, match=r"line 1: .*four hexadecimal digits"):
            parse(b64decode(content))
    else:
        assert parse(b64decode(content)) == said


def test_a_malformed_escape_is_told_with_the_line_where_its_property_begins():
    with pytest.raises(PropertiesError, match=r"^line 4: \\u00g1 is no character"):
        parse(b"# first\r\na=1\r\n\r\nb=two,\\\r\n  \\u00g1\r\n")


@given(st.dictionaries(st.text(), st.text()))
def test_what_is_rendered_is_read_back(properties):
    clean = {
        key.encode("utf-16", "ignore").decode("utf-16"): value.encode("utf-16", "ignore").decode("utf-16")
        for key, value in properties.items()
    }
    assert parse(render(clean)) == clean


@given(st.binary())
def test_any_bytes_have_properties_or_an_error_that_names_a_line(content):
    said = "line 1: "
    try:
        parse(content)
    except PropertiesError as error:
        said = str(error)
    assert re.match(r"line \d+: ", said)


@pytest.mark.parametrize("kafka", KAFKAS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_the_table_says_what_kafka_says(kafka, name):
    row, fact = ACCEPTED[name], KAFKAS[kafka]["properties"][name]
    if name in FOREIGN:
        assert (fact, row.applies) == (None, Applies.RESTART)
        return
    assert (fact is not None) == row.known_to(RELEASES[kafka])
    if fact is None:
        return
    assert row.kind == fact["type"].lower()
    # `cluster-wide` in Kafka's own words; a property without a word is read-only.
    assert row.applies is (Applies.CLUSTER if fact["mode"] == "cluster-wide" else Applies.RESTART)
    assert fact["mode"] in (None, "cluster-wide")
    if name not in OWN_DEFAULTS:
        assert row.default == (fact["default"] and fact["default"].strip("[]"))


@pytest.mark.parametrize("kafka", KAFKAS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_no_range_is_wider_than_kafkas(kafka, name):
    row, fact = ACCEPTED[name], KAFKAS[kafka]["properties"][name]
    validator = (fact and fact["validator"]) or ""
    if row.allowed:
        assert not validator or set(row.allowed) <= set(validator.strip("[]").split(", "))
    elif validator:
        least, most = re.fullmatch(r"\[(-?\d+),\.\.\.,?(\d*)\]", validator).groups()
        assert row.least >= float(least)
        assert not most or row.most <= float(most)


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.name) for row in ACCEPTED.values() if row.applies is Applies.CLUSTER]
)
def test_what_changes_live_has_a_default_that_can_be_set(row):
    """Else taking it out of a configuration could not be done live."""
    assert row.normal(row.default) == row.default


@pytest.mark.parametrize("kafka", KAFKAS)
def test_values_are_read_as_kafka_reads_them(kafka):
    for name, text, said in KAFKAS[kafka]["values"]:
        row = ACCEPTED[name]
        try:
            ours = row.normal(text)
        except WrongValue:
            ours = None
        kafkas = said.strip("[]").replace(", ", ",") if said and row.kind is Kind.LIST else said
        assert ours == kafkas, (name, text)


def test_a_row_that_is_none_is_no_row():
    with pytest.raises(ValueError, match="number"):
        read('x = { type = "number", dynamic = "no" }')
    with pytest.raises(TypeError, match="lest"):
        read('x = { type = "int", dynamic = "no", lest = 1 }')


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("auto.create.topics.enable=yes", "auto.create.topics.enable: 'yes' is neither true nor false."),
        ("num.partitions=0", "num.partitions: must be at least 1; '0' is not."),
        ("num.partitions=", "num.partitions: '' is not a whole number."),
        (
            "num.partitions=3000000000",
            "num.partitions: '3000000000' does not fit Kafka's type int, which is -2147483648 to 2147483647.",
        ),
        ("replica.lag.time.max.ms=9999", "replica.lag.time.max.ms: must be from 10000 to 30000; '9999' is not."),
        ("zookeeper.session.timeout.ms=1000", "zookeeper.session.timeout.ms: must be from 6000 to 18000; '1000' is not."),
        ("connections.max.idle.ms=9223372036854775807", "connections.max.idle.ms: must be from 1000 to 4611686018427; "),
        ("socket.request.max.bytes=1", "socket.request.max.bytes: must be at least 1048576; '1' is not."),
        ("log.retention.hours=0", "log.retention.hours: may be any number but not 0; '0' is not."),
        ("socket.send.buffer.bytes=0", "socket.send.buffer.bytes: must be at least -1 but not 0; '0' is not."),
        ("log.cleaner.min.cleanable.ratio=NaN", "log.cleaner.min.cleanable.ratio: 'NaN' is not a number."),
        ("compression.type=GZIP", "compression.type: 'GZIP' is not allowed; allowed are uncompressed, zstd, lz4, snappy,"),
        ("log.cleanup.policy=", "log.cleanup.policy: is empty; name one or more of compact, delete."),
        ("replica.selector.class=com.acme.Mine", "replica.selector.class: 'com.acme.Mine' is not allowed"),
        ("retention.ms=1", "retention.ms: is not a property that a configuration may hold. Did you mean log.retention.ms?"),
        ("auto.create.topic.enable=true", "Did you mean auto.create.topics.enable?"),
        ("listeners=PLAINTEXT://0.0.0.0:1", "listeners: is not a property that a configuration may hold."),
        ("remote.log.storage.system.enable=true", "belongs to tiered storage, which is not built yet"),
        ("custom.advertised.listeners=CLIENT://b:1", "custom.advertised.listeners: the port '1' must differ"),
        ("\\ud800=1", "'\\ud800': is not a property"),
        ("=1", "'': is not a property"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_key_and_the_reason(line, why):
    (problem,) = check(parse(line.encode()))
    assert why in str(problem)
    str(problem).encode()


def test_everything_that_is_wrong_is_told_at_once():
    problems = check(parse(b"num.partitions=x\nlog.roll.ms=5\nacks=all\n"))
    assert [problem.key for problem in problems] == ["num.partitions", "acks"]


def test_a_recorded_configuration_of_msk_is_right():
    content = (
        b"allow.everyone.if.no.acl.found=false\nauto.create.topics.enable=true\n"
        b"replica.selector.class = org.apache.kafka.common.replica.RackAwareReplicaSelector\n"
        b"log.cleanup.policy=delete\n\n# Log retention - 2 GB per partition\nlog.retention.bytes=2147483648\n"
    )
    assert check(parse(content)) == ()
    assert effective(parse(content), FOUR)["replica.selector.class"].endswith(".RackAwareReplicaSelector")


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ACCEPTED.items()])
def test_every_accepted_property_has_a_value_that_is_right(row):
    odd = {Kind.BOOLEAN: "true", Kind.NAMES: "CLIENT://b:9000+{broker_id}"}
    text = row.allowed[0] if row.allowed else odd.get(row.kind) or str(max(1, int(row.least or 1)))
    assert check({row.name: text}) == ()
    told = effective({row.name: text}, FOUR)
    assert told or row.name in without_effect({row.name: text}, FOUR)


def test_two_spellings_of_a_value_are_one():
    assert effective({"num.partitions": "+08 ", "delete.topic.enable": "TRUE"}, FOUR) == {
        "num.partitions": "8",
        "delete.topic.enable": "true",
    }


def test_what_a_newer_kafka_calls_otherwise_is_told_under_its_new_names():
    old = {"log.message.timestamp.difference.max.ms": "5000", "zookeeper.session.timeout.ms": "6000"}
    successors = {"log.message.timestamp.before.max.ms": "5000", "log.message.timestamp.after.max.ms": "5000"}
    assert effective(old, (3, 9)) == old
    assert effective(old, FOUR) == successors
    assert without_effect(old, FOUR) == ("zookeeper.session.timeout.ms",)
    # and what is said under a new name wins over what is inherited
    assert effective({"log.message.timestamp.after.max.ms": "7", **old}, FOUR) == {
        **successors,
        "log.message.timestamp.after.max.ms": "7",
    }


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"log.retention.hours": "24"}, "86400000"),
        ({"log.retention.hours": "24", "log.retention.minutes": "1"}, "60000"),
        ({"log.retention.hours": "24", "log.retention.minutes": "1", "log.retention.ms": "5"}, "5"),
        ({"log.retention.minutes": "-3"}, "-1"),
        ({"log.retention.hours": "2147483647"}, "7730941129200000"),
    ],
)
def test_retention_is_told_in_the_one_way_that_changes_live(said, kept):
    assert effective(said, FOUR) == {"log.retention.ms": kept}


def test_a_change_says_what_goes_live_and_what_needs_a_restart():
    old = effective({"num.partitions": "1", "message.max.bytes": "1000", "log.roll.ms": "5"}, FOUR)
    new = effective({"num.partitions": "2", "message.max.bytes": " 1000", "min.insync.replicas": "2"}, FOUR)
    assert split(old, new) == Changes(
        live={"log.roll.ms": None, "min.insync.replicas": "2"}, restart={"num.partitions": "2"}
    )
    assert split(new, new) == Changes({}, {})
    assert static(new) == {"num.partitions": "2"}


def test_controllers_are_told_what_they_read_and_no_more():
    told = {"min.insync.replicas": "2", "num.network.threads": "8", "delete.topic.enable": "false"}
    assert of_role(told, Role.BROKER) == told
    assert of_role(told, Role.CONTROLLER) == {"min.insync.replicas": "2", "delete.topic.enable": "false"}


DEFAULTS = {"transaction.state.log.min.isr": "2", "transaction.state.log.replication.factor": "3"}


@pytest.mark.parametrize(
    ("properties", "key"),
    [
        ({"default.replication.factor": "4"}, "default.replication.factor"),
        ({"min.insync.replicas": "4"}, "min.insync.replicas"),
        ({"offsets.topic.replication.factor": "4"}, "offsets.topic.replication.factor"),
        ({"transaction.state.log.replication.factor": "1"}, "transaction.state.log.replication.factor"),
        (
            {"transaction.state.log.replication.factor": "2", "transaction.state.log.min.isr": "3"},
            "transaction.state.log.min.isr",
        ),
        ({"transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1"}, None),
        ({"default.replication.factor": "3", "min.insync.replicas": "3"}, None),
        ({"custom.advertised.listeners": "CLIENT://b:9000+{broker_id}"}, "custom.advertised.listeners"),
        ({"custom.advertised.listeners": "CLIENT_SECURE://b:9000+{broker_id}"}, None),
        ({}, None),
    ],
)
def test_what_cannot_work_on_three_brokers_with_tls_alone_is_told(properties, key):
    problems = fits(properties, FOUR, 3, ("CLIENT_SECURE",), DEFAULTS)
    assert [problem.key for problem in problems] == ([key] if key else [])


def test_a_listener_that_is_not_there_is_told_with_those_that_are():
    asked = {"custom.advertised.listeners": "CLIENT_IAM://b:9000+{broker_id}"}
    (problem,) = fits(asked, FOUR, 3, ("CLIENT", "CLIENT_SECURE"), DEFAULTS)
    assert problem.why == "the cluster has no listener CLIENT_IAM; it has CLIENT, CLIENT_SECURE."


@pytest.mark.parametrize(
    ("current", "wanted", "sizes"),
    [(8, 8, ()), (8, 16, (16,)), (8, 17, (16, 17)), (8, 64, (16, 32, 64)), (5, 1, (2, 1)), (16, 3, (8, 4, 3))],
)
def test_thread_pools_change_in_steps_that_kafka_takes(current, wanted, sizes):
    assert steps(current, wanted) == sizes


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_every_step_is_one_that_kafka_takes_and_the_last_is_the_wanted_one(current, wanted):
    for size in steps(current, wanted):
        # Kafka's own rule: `newValue < oldValue / 2` and `newValue > oldValue * 2` are refused (4.3.1).
        assert current // 2 <= size <= current * 2
        assert size >= 1
        current = size
    assert current == wanted


def test_a_pool_of_no_threads_is_no_wish():
    with pytest.raises(ValueError, match="at least one thread"):
        steps(8, 0)
