"""Topics as users of the API see them: what is answered, what is refused, and in which words Kafka's troubles reach them."""

from __future__ import annotations

import base64
import json

import pytest
from botocore.exceptions import ClientError
from fakes.memory_topics import MemoryTopics

from penstock.kafka.connections import Silence
from penstock.kafka.wire import AnswerLost, KafkaRefused, KafkaUnreachable


def packed(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def memory(loop, cluster) -> MemoryTopics:
    return loop.topics(loop.spec(cluster))


def refused(call, **members):
    """(code, status, invalid parameter, message) of a call that must fail."""
    with pytest.raises(ClientError) as error:
        call(**members)
    told = error.value.response
    status = told["ResponseMetadata"]["HTTPStatusCode"]
    return told["Error"]["Code"], status, told.get("InvalidParameter"), told["Error"]["Message"]


def test_a_topic_from_its_beginning_to_its_end(kafka, cluster):
    topic = {"ClusterArn": cluster, "TopicName": "clicks"}
    arn = cluster.replace(":cluster/", ":topic/") + "/clicks"
    made = kafka.create_topic(
        **topic,
        PartitionCount=3,
        ReplicationFactor=3,
        Configs=packed('{"retention.ms": 60000, "cleanup.policy": null}'),
    )
    assert (made["TopicArn"], made["TopicName"], made["Status"]) == (arn, "clicks", "CREATING")
    seen = kafka.describe_topic(**topic)
    assert (seen["TopicArn"], seen["Status"]) == (arn, "ACTIVE")
    assert (seen["PartitionCount"], seen["ReplicationFactor"]) == (3, 3)
    assert json.loads(base64.b64decode(seen["Configs"])) == {"retention.ms": "60000"}
    assert (
        kafka.update_topic(**topic, PartitionCount=5, Configs=packed("min.insync.replicas=2"))["Status"] == "UPDATING"
    )
    seen = kafka.describe_topic(**topic)
    assert seen["PartitionCount"] == 5
    assert json.loads(base64.b64decode(seen["Configs"])) == {"retention.ms": "60000", "min.insync.replicas": "2"}
    kafka.update_topic(**topic, Configs=packed('{"retention.ms": null}'))
    assert json.loads(base64.b64decode(kafka.describe_topic(**topic)["Configs"])) == {"min.insync.replicas": "2"}
    assert kafka.delete_topic(**topic)["Status"] == "DELETING"
    assert refused(kafka.describe_topic, **topic)[:3] == ("NotFoundException", 404, "topicName")
    assert kafka.list_topics(ClusterArn=cluster)["Topics"] == []


def test_partitions_are_shown_with_their_leaders_replicas_and_isr(kafka, cluster, memory):
    memory.have("clicks", 250)
    memory.lose("clicks", 101)
    pages = list(kafka.get_paginator("describe_topic_partitions").paginate(ClusterArn=cluster, TopicName="clicks"))
    assert [len(page["Partitions"]) for page in pages] == [100, 100, 50]
    shown = [each for page in pages for each in page["Partitions"]]
    assert [each["Partition"] for each in shown] == list(range(250))
    assert shown[100] == {"Partition": 100, "Leader": 1, "Replicas": [1, 2, 3], "Isr": [1]}
    assert shown[101]["Leader"] == -1


def test_ten_thousand_topics_are_listed_once_each_whatever_comes_and_goes(kafka, cluster, memory):
    for number in range(10_000):
        memory.have(f"t{number:05}")
    page = kafka.list_topics(ClusterArn=cluster)
    assert page["Topics"][0]["OutOfSyncReplicaCount"] == 2
    names = [each["TopicName"] for each in page["Topics"]]
    memory.have("s-before-all-others")
    del memory.topics["t00099"], memory.topics["t00100"]
    while "NextToken" in page:
        page = kafka.list_topics(ClusterArn=cluster, NextToken=page["NextToken"])
        names += [each["TopicName"] for each in page["Topics"]]
    assert names == [f"t{number:05}" for number in range(10_000) if number != 100]
    assert memory.asked.count("page") == 100


def test_a_list_takes_a_prefix_and_a_size_and_no_foreign_token(kafka, cluster, memory):
    for name in ("a", "ab-1", "ab-2", "ab-3", "b", "__consumer_offsets"):
        memory.have(name, internal=name.startswith("__"))
    page = kafka.list_topics(ClusterArn=cluster, TopicNameFilter="ab", MaxResults=2)
    assert [each["TopicName"] for each in page["Topics"]] == ["ab-1", "ab-2"]
    rest = kafka.list_topics(ClusterArn=cluster, TopicNameFilter="ab", MaxResults=2, NextToken=page["NextToken"])
    assert [each["TopicName"] for each in rest["Topics"]] == ["ab-3"]
    assert "NextToken" not in rest
    other = {"ClusterArn": cluster, "TopicNameFilter": "b", "NextToken": page["NextToken"]}
    assert refused(kafka.list_topics, **other)[:3] == ("BadRequestException", 400, "nextToken")
    assert refused(kafka.list_topics, ClusterArn=cluster, MaxResults=101)[2] == "maxResults"
    every = [each["TopicName"] for each in kafka.list_topics(ClusterArn=cluster)["Topics"]]
    assert every == ["__consumer_offsets", "a", "ab-1", "ab-2", "ab-3", "b"], "what Kafka lists is listed"


WRONG = [
    ({"TopicName": "a/b"}, "topicName"),
    ({"TopicName": ""}, "topicName"),
    ({"TopicName": ".."}, "topicName"),
    ({"TopicName": "x" * 250}, "topicName"),
    ({"TopicName": "größe"}, "topicName"),
    ({"TopicName": "clicks\n"}, "topicName"),
    ({"TopicName": "__amazon_msk_canary"}, "topicName"),
    ({"PartitionCount": 0}, "partitionCount"),
    ({"PartitionCount": -1}, "partitionCount"),
    ({"PartitionCount": 2**31}, "partitionCount"),
    ({"PartitionCount": "3"}, "partitionCount"),
    ({"ReplicationFactor": 0}, "replicationFactor"),
    ({"ReplicationFactor": 4}, "replicationFactor"),
    ({"ReplicationFactor": 2**31 - 1}, "replicationFactor"),
    ({"Configs": "{}"}, "configs"),
    ({"Configs": 1}, "configs"),
]


@pytest.mark.parametrize(("change", "member"), WRONG)
def test_what_no_topic_can_be_is_refused_before_kafka_hears_of_it(kafka, cluster, memory, change, member):
    good = {"ClusterArn": cluster, "TopicName": "clicks", "PartitionCount": 3, "ReplicationFactor": 3}
    assert refused(kafka.create_topic, **{**good, **change})[:3] == ("BadRequestException", 400, member)
    assert memory.asked == []


@pytest.mark.parametrize("missing", ["TopicName", "PartitionCount", "ReplicationFactor"])
def test_a_create_needs_its_members(kafka, cluster, missing):
    good = {"ClusterArn": cluster, "TopicName": "clicks", "PartitionCount": 3, "ReplicationFactor": 3}
    member = missing[0].lower() + missing[1:]
    assert refused(kafka.create_topic, **{k: v for k, v in good.items() if k != missing})[2] == member


def test_a_name_that_is_taken_and_a_setting_that_nobody_knows(kafka, cluster, memory):
    memory.have("clicks")
    new = {"ClusterArn": cluster, "PartitionCount": 3, "ReplicationFactor": 3}
    assert refused(kafka.create_topic, **new, TopicName="clicks")[:3] == ("TopicExistsException", 409, "topicName")
    told = refused(kafka.create_topic, **new, TopicName="other", Configs=packed('{"retention.mss": "1"}'))
    assert told[:3] == ("KafkaRequestException", 400, "configs")
    assert "retention.mss" in told[3]


def test_an_update_that_is_half_wrong_changes_nothing(kafka, cluster, memory):
    memory.have("clicks", 3)
    update = {"ClusterArn": cluster, "TopicName": "clicks"}
    wrong = packed("retention.mss=1")
    assert refused(kafka.update_topic, **update, PartitionCount=5, Configs=wrong)[2] == "configs"
    assert len(memory.topics["clicks"].partitions) == 3
    told = refused(kafka.update_topic, **update, PartitionCount=2, Configs=packed("retention.ms=1"))
    assert told[:3] == ("BadRequestException", 400, "partitionCount")
    assert "has 3 partitions" in told[3]
    assert refused(kafka.update_topic, **update)[0] == "BadRequestException"
    assert refused(kafka.update_topic, **update, PartitionCount=0)[2] == "partitionCount"
    assert memory.settings == {}


def test_as_many_partitions_as_there_are_is_satisfied(kafka, cluster, memory):
    memory.have("clicks", 3)
    update = {"ClusterArn": cluster, "TopicName": "clicks", "PartitionCount": 3}
    assert kafka.update_topic(**update)["Status"] == "UPDATING"
    kafka.update_topic(**update, Configs=packed("retention.ms=1"))
    assert memory.settings["clicks"] == {"retention.ms": "1"}
    assert "grow" not in memory.asked


@pytest.mark.parametrize("nothing", ["{}", "", "# nothing\n"])
def test_configs_that_name_nothing_are_satisfied_and_take_nothing_away(kafka, cluster, memory, nothing):
    """Terraform's provider sends `{}` where the settings of a topic left the plan."""
    memory.have("clicks", 3)
    memory.settings["clicks"] = {"retention.ms": "1"}
    update = {"ClusterArn": cluster, "TopicName": "clicks", "Configs": packed(nothing)}
    assert kafka.update_topic(**update)["Status"] == "UPDATING"
    assert kafka.update_topic(**update, PartitionCount=4)["Status"] == "UPDATING"
    assert (memory.settings["clicks"], len(memory.topics["clicks"].partitions)) == ({"retention.ms": "1"}, 4)
    assert "configure" not in memory.asked


def test_topics_that_a_cluster_needs_are_not_taken_from_it(kafka, cluster, memory):
    memory.have("__consumer_offsets", 50, internal=True)
    memory.have("__amazon_msk_canary", 3)
    offsets = {"ClusterArn": cluster, "TopicName": "__consumer_offsets"}
    canary = {"ClusterArn": cluster, "TopicName": "__amazon_msk_canary"}
    assert refused(kafka.delete_topic, **offsets)[:3] == ("BadRequestException", 400, "topicName")
    assert refused(kafka.update_topic, **offsets, PartitionCount=60)[2] == "partitionCount"
    assert refused(kafka.delete_topic, **canary)[2] == "topicName"
    assert refused(kafka.update_topic, **canary, PartitionCount=4)[2] == "topicName"
    assert set(memory.topics) == {"__consumer_offsets", "__amazon_msk_canary"}
    kafka.update_topic(**offsets, Configs=packed("retention.ms=1"))
    assert kafka.describe_topic(**canary)["PartitionCount"] == 3


@pytest.mark.parametrize("name", ["nobody", "a%2Fb", "x" * 300])
def test_a_topic_that_is_not_there(kafka, cluster, name):
    """Not UnknownTopicOrPartitionException: Terraform's provider takes only a 404 of the first kind for `gone`."""
    topic = {"ClusterArn": cluster, "TopicName": name}
    for call in (kafka.describe_topic, kafka.describe_topic_partitions, kafka.delete_topic):
        assert refused(call, **topic)[:3] == ("NotFoundException", 404, "topicName")
    for change in ({"PartitionCount": 9}, {"Configs": packed("{}")}):
        assert refused(kafka.update_topic, **topic, **change)[:3] == ("NotFoundException", 404, "topicName")


def test_a_topic_that_went_while_it_was_to_be_deleted_is_not_there(kafka, cluster, memory, monkeypatch):
    memory.have("clicks")
    monkeypatch.setattr(MemoryTopics, "delete", lambda self, name: self._topic("another"))
    assert refused(kafka.delete_topic, ClusterArn=cluster, TopicName="clicks")[:2] == ("NotFoundException", 404)


def calls(kafka, arn):
    """Every call about topics: (call, its members, is it a change)."""
    topic = {"ClusterArn": arn, "TopicName": "clicks"}
    return [
        (kafka.create_topic, {**topic, "PartitionCount": 1, "ReplicationFactor": 1}, True),
        (kafka.update_topic, {**topic, "PartitionCount": 9}, True),
        (kafka.delete_topic, topic, True),
        (kafka.describe_topic, topic, False),
        (kafka.describe_topic_partitions, topic, False),
        (kafka.list_topics, {"ClusterArn": arn}, False),
    ]


@pytest.mark.parametrize("state", ["CREATING", "FAILED", "DELETING"])
def test_a_cluster_without_brokers_to_ask_says_in_which_state_it_is(kafka, loop, wish, state):
    arn = kafka.create_cluster(**wish())["ClusterArn"]
    if state == "DELETING":
        loop.serve(arn)
        kafka.delete_cluster(ClusterArn=arn)
    else:
        loop.status(arn, state)
    for call, members, changes in calls(kafka, arn):
        code, status, member, message = refused(call, **members)
        assert (code, status) == (("ClusterConnectivityException", 409) if changes else ("BadRequestException", 400))
        assert member == "clusterArn"
        assert f"is {state}" in message
    assert loop.topics(loop.spec(arn)).asked == []


@pytest.mark.parametrize("state", ["HEALING", "UPDATING", "REBOOTING_BROKER"])
def test_a_cluster_that_heals_or_rolls_serves_its_topics(kafka, loop, cluster, state):
    loop.status(cluster, state, completed=True)
    kafka.create_topic(ClusterArn=cluster, TopicName="clicks", PartitionCount=1, ReplicationFactor=1)
    assert len(kafka.list_topics(ClusterArn=cluster)["Topics"]) == 1


def test_nobody_reaches_the_topics_of_another_account_or_region(client, account, cluster, memory):
    memory.have("clicks")
    for stranger in (client("999999999999"), client(account, "eu-west-1")):
        for call, members, _ in calls(stranger, cluster):
            code, *_ = refused(call, **members)
            assert code in ("NotFoundException", "BadRequestException")
    assert memory.asked == []


def test_no_cluster_and_no_arn(kafka):
    gone = "arn:aws:kafka:us-east-1:123456789012:cluster/x/5d3b1a2c-0000-4000-8000-000000000000-1"
    for arn in (gone, "orders"):
        for call, members, _ in calls(kafka, arn):
            assert refused(call, **members)[2] == "clusterArn"


@pytest.mark.parametrize(
    ("code", "told", "status"),
    [
        (7, "KafkaTimeoutException", 409),
        (11, "ControllerMovedException", 409),
        (17, "KafkaRequestException", 400),
        (38, "KafkaRequestException", 400),
        (41, "NotControllerException", 409),
        (44, "KafkaRequestException", 400),
        (60, "ReassignmentInProgressException", 409),
        (73, "KafkaRequestException", 400),
        (86, "GroupSubscribedToTopicException", 409),
        (-1, "KafkaRequestException", 400),
    ],
)
def test_what_kafka_refuses_is_told_in_the_words_of_the_model(kafka, cluster, memory, code, told, status):
    memory.broken = KafkaRefused("the change", code, "Kafka's own reason.")
    for call, members, changes in calls(kafka, cluster):
        answer = refused(call, **members)
        if changes:
            assert answer[:2] == (told, status)
            assert "Kafka's own reason" in answer[3]
        else:
            assert answer[1] >= 500, "to be asked again, and no fault of the caller"


@pytest.mark.parametrize(
    ("broken", "told", "words"),
    [
        (
            KafkaUnreachable("no broker answers: connection refused"),
            "ClusterConnectivityException",
            "nothing was changed",
        ),
        (Silence("no broker answers: the handshake timed out"), "KafkaTimeoutException", "nothing was changed"),
        (AnswerLost("it did not answer within 5 s", timed_out=True), "KafkaTimeoutException", "happened or not"),
        (AnswerLost("it ended the connection", timed_out=False), "KafkaTimeoutException", "happened or not"),
    ],
)
def test_silence_is_a_conflict_for_changes_and_worth_another_try_for_reads(kafka, cluster, memory, broken, told, words):
    memory.broken = broken
    for call, members, changes in calls(kafka, cluster):
        code, status, _, message = refused(call, **members)
        assert str(broken) in message
        if changes:
            assert (code, status) == (told, 409)
            assert words in message
        else:
            assert (code, status) in (("ServiceUnavailableException", 503), ("InternalServerErrorException", 500))


def test_an_update_that_breaks_off_half_way_says_how_far_it_came(kafka, cluster, memory, monkeypatch):
    memory.have("clicks", 3)
    grow = memory.grow

    def grow_and_break(name, total):
        grow(name, total)
        memory.broken = KafkaUnreachable("no broker answers")

    monkeypatch.setattr(MemoryTopics, "grow", lambda self, name, total: grow_and_break(name, total))
    update = {"ClusterArn": cluster, "TopicName": "clicks", "PartitionCount": 5, "Configs": packed("retention.ms=1")}
    code, _, _, message = refused(kafka.update_topic, **update)
    assert code == "ClusterConnectivityException"
    assert "has 5 partitions now, but its settings were not changed" in message
    memory.broken = None
    kafka.update_topic(**update)
    assert memory.settings["clicks"] == {"retention.ms": "1"}
