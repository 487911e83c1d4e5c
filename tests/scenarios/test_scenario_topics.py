"""Topics through the AWS API, on real Kafka: seen by clients at once, refused by Kafka itself, and never in anybody's way."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, until


def packed(configs: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(configs).encode()).decode()


@pytest.fixture
def topics(orders: Cluster) -> Iterator[Cluster]:
    """The shared cluster; the topics that a test made with the API are gone after it."""
    before = set(names(orders))
    yield orders
    orders.active()
    for name in set(names(orders)) - before:
        if not name.startswith("__"):
            orders.plane.kafka.delete_topic(ClusterArn=orders.arn, TopicName=name)


def names(cluster: Cluster, **filters: Any) -> list[str]:
    pages = cluster.plane.kafka.get_paginator("list_topics").paginate(ClusterArn=cluster.arn, **filters)
    return [topic["TopicName"] for page in pages for topic in page["Topics"]]


def code(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**members)
    return str(refused.value.response["Error"]["Code"])


def test_a_topic_made_by_the_api_takes_records_and_grows(topics: Cluster) -> None:
    kafka, config = topics.plane.kafka, topics.client("tls")
    topic = {"ClusterArn": topics.arn, "TopicName": "api-made"}
    wish = {"retention.ms": 3_600_000, "min.insync.replicas": "2"}
    kafka.create_topic(**topic, PartitionCount=3, ReplicationFactor=3, Configs=packed(wish))
    seen = kafka.describe_topic(**topic)
    assert (seen["PartitionCount"], seen["ReplicationFactor"], seen["Status"]) == (3, 3, "ACTIVE")
    assert json.loads(base64.b64decode(seen["Configs"])) == {"retention.ms": "3600000", "min.insync.replicas": "2"}
    with loaded(config, "api-made", 3) as load:
        load.advance()
        lines = base64.b64encode(b"# half an hour\r\nretention.ms = 1800000\r\n").decode()
        kafka.update_topic(**topic, PartitionCount=5, Configs=lines)
        load.advance()
    check(config, "api-made", 3, [load])
    seen = kafka.describe_topic(**topic)
    assert seen["PartitionCount"] == 5
    assert json.loads(base64.b64decode(seen["Configs"])) == {"retention.ms": "1800000", "min.insync.replicas": "2"}
    parts = kafka.describe_topic_partitions(**topic)["Partitions"]
    assert [each["Partition"] for each in parts] == list(range(5))
    assert all(sorted(each["Replicas"]) == [1, 2, 3] and each["Leader"] in each["Isr"] for each in parts)
    kafka.delete_topic(**topic)
    # At once, but for a broker that has just been told to make fifty partitions for the consumers' offsets.
    until(lambda: "api-made" not in names(topics), "the broker that is asked sees it gone")
    assert code(kafka.describe_topic, **topic) == "NotFoundException"
    assert code(kafka.delete_topic, **topic) == "NotFoundException"


def test_settings_that_kafka_spells_in_its_own_way_keep_nobody_waiting(topics: Cluster) -> None:
    kafka, topic = topics.plane.kafka, {"ClusterArn": topics.arn, "TopicName": "spelled"}
    kafka.create_topic(**topic, PartitionCount=1, ReplicationFactor=3)
    written = {"cleanup.policy": "compact, delete", "min.cleanable.dirty.ratio": "0.50", "preallocate": "TRUE"}
    for _ in range(2):  # a change, and none
        before = time.monotonic()
        kafka.update_topic(**topic, Configs=packed(written))
        assert time.monotonic() - before < 4, "the look that a change waits for did not know it again"
        shown = {"cleanup.policy": "compact,delete", "min.cleanable.dirty.ratio": "0.5", "preallocate": "true"}
        assert json.loads(base64.b64decode(kafka.describe_topic(**topic)["Configs"])) == shown


def test_a_topic_made_by_a_client_is_listed_with_its_arn(topics: Cluster) -> None:
    make_topic(topics.client("tls"), "client-made", 4)
    until(lambda: "client-made" in names(topics), "the broker that is asked sees it")  # the client's may be another
    (seen,) = topics.plane.kafka.list_topics(ClusterArn=topics.arn, TopicNameFilter="client-m")["Topics"]
    assert seen == {
        "TopicArn": topics.arn.replace(":cluster/", ":topic/") + "/client-made",
        "TopicName": "client-made",
        "ReplicationFactor": 3,
        "PartitionCount": 4,
        "OutOfSyncReplicaCount": 0,
    }
    assert names(topics) == sorted(names(topics))


def test_kafkas_own_rules_are_told_and_nothing_is_changed(topics: Cluster) -> None:
    kafka = topics.plane.kafka
    new = {"ClusterArn": topics.arn, "PartitionCount": 1, "ReplicationFactor": 3}
    kafka.create_topic(**new, TopicName="rules.one")
    assert code(kafka.create_topic, **new, TopicName="rules.one") == "TopicExistsException"
    # Names that differ in dots and underscores alone would collide in the names of metrics.
    assert code(kafka.create_topic, **new, TopicName="rules_one") == "KafkaRequestException"
    assert (
        code(kafka.create_topic, **new, TopicName="rules", Configs=packed({"retention.mss": 1}))
        == "KafkaRequestException"
    )
    assert (
        code(kafka.create_topic, **new, TopicName="rules", Configs=packed({"retention.ms": "soon"}))
        == "KafkaRequestException"
    )
    most = {**new, "PartitionCount": 2**31 - 1}
    assert code(kafka.create_topic, **most, TopicName="rules") == "KafkaRequestException"
    assert code(kafka.create_topic, **new, TopicName="__cluster_metadata") == "KafkaRequestException"
    update = {"ClusterArn": topics.arn, "TopicName": "rules.one"}
    assert (
        code(kafka.update_topic, **update, PartitionCount=3, Configs=packed({"nobody.knows": 1}))
        == "KafkaRequestException"
    )
    assert kafka.describe_topic(**update)["PartitionCount"] == 1
    assert names(topics, TopicNameFilter="rules") == ["rules.one"]
    join_a_group(topics, "rules.one")
    assert code(kafka.delete_topic, ClusterArn=topics.arn, TopicName="__consumer_offsets") == "BadRequestException"
    assert "__consumer_offsets" in names(topics)


def join_a_group(cluster: Cluster, topic: str) -> None:
    """A client that asks for a group's offsets: Kafka then makes `__consumer_offsets`."""
    consumer = Consumer({**cluster.client("tls"), "group.id": "topics-scenario"})
    try:
        consumer.committed([TopicPartition(topic, 0)], timeout=60)
    finally:
        consumer.close()


def test_pages_of_a_thousand_topics_come_quickly_and_without_gaps(topics: Cluster) -> None:
    wanted = [f"thousand-{number:04}" for number in range(1000)]
    admin = AdminClient(dict(topics.client("tls")))
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in wanted], operation_timeout=60).values():
        future.result(90)
    try:
        until(lambda: names(topics, TopicNameFilter="thousand-") == wanted, "all are listed")
        kafka, last = topics.plane.kafka, {"ClusterArn": topics.arn, "TopicNameFilter": "thousand-099"}
        fastest = 10.0
        for _ in range(10):
            began = time.monotonic()
            assert len(kafka.list_topics(**last)["Topics"]) == 10
            fastest = min(fastest, time.monotonic() - began)
        assert fastest < 0.2, "a page reads more than it shows"
    finally:
        for future in admin.delete_topics(wanted, operation_timeout=60).values():
            future.result(90)
        until(lambda: not names(topics, TopicNameFilter="thousand-"), "the broker that is asked sees them gone")


def test_brokers_that_are_frozen_answer_in_seconds_and_hold_up_nobody(topics: Cluster) -> None:
    kafka = topics.plane.kafka
    kafka.create_topic(ClusterArn=topics.arn, TopicName="frozen", PartitionCount=1, ReplicationFactor=3)
    frozen = [topics.pid(f"broker-{number}") for number in (1, 2, 3)]
    told: list[str] = []

    def ask() -> None:
        told.append(
            code(kafka.create_topic, ClusterArn=topics.arn, TopicName="not-now", PartitionCount=1, ReplicationFactor=1)
        )

    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        callers = [threading.Thread(target=ask) for _ in range(12)]
        began = time.monotonic()
        for caller in callers:
            caller.start()
        topics.describe()
        assert time.monotonic() - began < 5, "other calls wait for the frozen cluster"
        for caller in callers:
            caller.join(30)
        assert time.monotonic() - began < 20
    finally:
        for pid in frozen:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue  # found out and replaced by the loop meanwhile
    assert len(told) == 12
    assert set(told) <= {"KafkaTimeoutException", "ClusterConnectivityException"}
    topics.active()
    assert names(topics, TopicNameFilter="frozen") == ["frozen"]
