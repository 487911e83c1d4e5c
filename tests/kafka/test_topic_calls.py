"""The topics of a cluster: read in pages that cost what they hold, and changed so that the next look shows it."""

from __future__ import annotations

from uuid import UUID

import pytest
from fakes import kafka_answers
from fakes.kafka_node import HANG_UP, KafkaNode
from kafka.protocol.admin import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from penstock.kafka import topics as module
from penstock.kafka.brokers import Brokers
from penstock.kafka.topics import Topics
from penstock.kafka.wire import KafkaRefused

NO_ID = UUID(int=0)


@pytest.fixture
def node():
    made = KafkaNode(1)
    yield made
    made.close()


@pytest.fixture
def topics(node):
    made = Topics(Brokers([node.address], None, 5.0))
    yield made
    made.close()


def slices(sizes):
    """DescribeTopicPartitions as Kafka answers it for topics of these sizes: by name, from the cursor on, up to the limit."""
    kind = DescribeTopicPartitionsResponse.DescribeTopicPartitionsResponseTopic
    part = kind.DescribeTopicPartitionsResponsePartition

    def one(name, indexes):
        parts = [
            part(
                error_code=0,
                partition_index=index,
                leader_id=1,
                leader_epoch=0,
                replica_nodes=[1, 2, 3],
                isr_nodes=[1, 2],
                eligible_leader_replicas=None,
                last_known_elr=None,
                offline_replicas=[],
                version=0,
            )
            for index in indexes
        ]
        return kind(
            error_code=0, name=name, topic_id=NO_ID, is_internal=name.startswith("__"), partitions=parts, version=0
        )

    def answer(request):
        left, found, cursor = min(request.response_partition_limit, 2000), [], None
        begin = (request.cursor.topic_name, request.cursor.partition_index) if request.cursor else ("", 0)
        names = [topic.name for topic in request.topics] or sorted(sizes)
        for name in (name for name in names if name >= begin[0]):
            if name not in sizes:
                found.append(kind(error_code=3, name=name, topic_id=NO_ID, is_internal=False, partitions=[], version=0))
                continue
            first = begin[1] if name == begin[0] else 0
            if left == 0:
                cursor = (name, first)
                break
            shown = range(first, min(sizes[name], first + left))
            found.append(one(name, shown))
            left -= len(shown)
            if shown.stop < sizes[name]:
                cursor = (name, shown.stop)
                break
        following = DescribeTopicPartitionsResponse.Cursor
        more = following(topic_name=cursor[0], partition_index=cursor[1], version=0) if cursor else None
        return DescribeTopicPartitionsResponse(throttle_time_ms=0, topics=found, next_cursor=more, version=0)

    return answer


def walk(topics, prefix="", size=100):
    """Every page until the last: [(name, partitions), …] of each."""
    pages, after, more = [], None, True
    while more:
        page, more = topics.page(prefix, after, size)
        pages.append([(topic.name, len(topic.partitions)) for topic in page])
        after = page[-1].name if page else None
        assert page or not more
    return pages


def test_pages_hold_every_topic_once_and_one_question_is_enough_for_small_ones(node, topics):
    sizes = {f"t{number:03}": 3 for number in range(250)}
    node.on(DescribeTopicPartitionsRequest, slices(sizes))
    pages = walk(topics)
    assert [len(page) for page in pages] == [100, 100, 50]
    assert dict(each for page in pages for each in page) == sizes
    assert len(node.asked) == 3


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_topics_of_all_sizes_are_whole_wherever_an_answer_ends(node, topics, size):
    sizes = {"a": 1, "b": 5000, "b.c": 2, "b_c": 8, "c": 12, "d": 2000, "e": 1, "__consumer_offsets": 50}
    node.on(DescribeTopicPartitionsRequest, slices(sizes))
    pages = walk(topics, size=size)
    assert [name for page in pages for name, _ in page] == sorted(sizes)
    assert dict(each for page in pages for each in page) == sizes
    assert all(len(page) == size for page in pages[:-1])
    page, _ = topics.page("b", None, 1)
    assert [each.index for each in page[0].partitions] == list(range(5000))
    assert page[0].out_of_sync == 5000


def test_replicas_are_counted_for_each_broker_with_those_that_do_not_lead(node, topics):
    orders = ("orders", 0, [(1, (1, 2), (1,)), (-1, (2, 3), ())])
    node.on(
        MetadataRequest, kafka_answers.metadata(orders, ("gone", 3, []), ("__consumer_offsets", 0, [(2, (2,), (2,))]))
    )
    assert topics.held() == {1: 1, 2: 3, 3: 1}
    assert len(node.asked) == 1


def test_a_prefix_begins_at_its_topics_and_ends_after_them(node, topics):
    node.on(DescribeTopicPartitionsRequest, slices({"a": 1, "shop": 1, "shop-1": 900, "shop-2": 1, "t": 9000}))
    assert walk(topics, "shop") == [[("shop", 1), ("shop-1", 900), ("shop-2", 1)]]
    assert node.asked[0].cursor.topic_name == "shop"
    assert len(node.asked) == 2, "what comes after the prefix was read"
    assert walk(topics, "nothing") == [[]]


def test_a_page_of_giants_ends_early_and_the_next_goes_on(node, topics, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_PAGE", 3000)
    sizes = {f"t{number}": 2000 for number in range(5)}
    node.on(DescribeTopicPartitionsRequest, slices(sizes))
    pages = walk(topics)
    assert len(pages) > 1
    assert dict(each for page in pages for each in page) == sizes


def test_partitions_are_cut_by_kafka(node, topics):
    node.on(DescribeTopicPartitionsRequest, slices({"a": 9, "t": 250, "u": 1}))
    first, more = topics.partitions("t", 0, 100)
    assert ([each.index for each in first], more) == (list(range(100)), True)
    last, more = topics.partitions("t", 200, 100)
    assert ([each.index for each in last], more) == (list(range(200, 250)), False)
    assert topics.partitions("t", 250, 100) == ((), False)
    with pytest.raises(KafkaRefused) as refused:
        topics.partitions("nobody", 0, 100)
    assert refused.value.code == 3


def metadata(partitions):
    """Metadata of the asked topic with so many partitions; 0: there is none."""
    kind = MetadataResponse.MetadataResponseTopic
    part = kind.MetadataResponsePartition

    def answer(request):
        parts = [
            part(
                error_code=0,
                partition_index=index,
                leader_id=1,
                leader_epoch=0,
                replica_nodes=[1, 2],
                isr_nodes=[1],
                offline_replicas=[],
                version=12,
            )
            for index in reversed(range(partitions))
        ]
        (asked,) = request.topics
        assert not request.allow_auto_topic_creation
        found = kind(
            error_code=0 if partitions else 3,
            name=asked.name,
            topic_id=NO_ID,
            is_internal=False,
            partitions=parts,
            version=12,
        )
        return MetadataResponse(brokers=[], cluster_id="c", controller_id=1, topics=[found], version=12)

    return answer


def later(*answers):
    """One answer after the other, the last one again and again."""
    coming = list(answers)

    def answer(request):
        following = coming.pop(0) if len(coming) > 1 else coming[0]
        return following(request)

    return answer


def configs(**values):
    """DescribeConfigs: values that were set on the topic, and one that was not."""
    kind = DescribeConfigsResponse.DescribeConfigsResult
    entry = kind.DescribeConfigsResourceResult

    def answer(request):
        entries = [
            entry(name=name, value=value, read_only=False, config_source=source, is_sensitive=False, version=4)
            for name, value, source in [*((name, value, 1) for name, value in values.items()), ("segment.ms", "9", 5)]
        ]
        result = kind(error_code=0, error_message=None, resource_type=2, resource_name="t", configs=entries, version=4)
        return DescribeConfigsResponse(results=[result], version=4)

    return answer


def created(request):
    kind = CreateTopicsResponse.CreatableTopicResult
    return CreateTopicsResponse(topics=[kind(name="t", topic_id=NO_ID, error_code=0, version=7)], version=7)


def grown(request):
    kind = CreatePartitionsResponse.CreatePartitionsTopicResult
    return CreatePartitionsResponse(results=[kind(name="t", error_code=0, error_message=None, version=3)], version=3)


def altered(request):
    kind = IncrementalAlterConfigsResponse.AlterConfigsResourceResponse
    result = kind(error_code=0, error_message=None, resource_type=2, resource_name="t", version=1)
    return IncrementalAlterConfigsResponse(responses=[result], version=1)


def deleted(request):
    kind = DeleteTopicsResponse.DeletableTopicResult
    result = kind(name="t", topic_id=NO_ID, error_code=0, error_message=None, version=6)
    return DeleteTopicsResponse(responses=[result], version=6)


def test_a_topic_is_described_in_order_with_its_own_settings_alone(node, topics):
    node.on(MetadataRequest, metadata(3)).on(DescribeConfigsRequest, configs(**{"retention.ms": "1"}))
    topic = topics.describe("t")
    assert ([each.index for each in topic.partitions], topic.replication_factor, topic.out_of_sync) == ([0, 1, 2], 2, 3)
    assert topics.configs("t") == {"retention.ms": "1"}


def test_a_change_returns_when_a_look_shows_it(node, topics):
    node.on(CreateTopicsRequest, created).on(MetadataRequest, later(metadata(0), metadata(0), metadata(3)))
    topics.create("t", 3, 2, {"retention.ms": "1"})
    assert node.names() == ["CreateTopics", "Metadata", "Metadata", "Metadata"]
    (wish,) = node.asked[0].topics
    assert (wish.num_partitions, wish.replication_factor) == (3, 2)
    assert [(each.name, each.value) for each in wish.configs] == [("retention.ms", "1")]
    node.asked.clear()
    node.on(CreatePartitionsRequest, grown).on(MetadataRequest, later(metadata(3), metadata(5)))
    topics.grow("t", 5)
    assert node.names() == ["CreatePartitions", "Metadata", "Metadata"]
    assert node.asked[0].topics[0].count == 5
    node.asked.clear()
    node.on(DeleteTopicsRequest, deleted).on(MetadataRequest, later(metadata(5), metadata(0)))
    topics.delete("t")
    assert node.names() == ["DeleteTopics", "Metadata", "Metadata"]


def test_settings_are_set_and_taken_away_and_a_check_changes_nothing(node, topics):
    node.on(IncrementalAlterConfigsRequest, altered)
    node.on(DescribeConfigsRequest, later(configs(a="0", b="1"), configs(a="1")))
    topics.configure("t", {"a": "1", "b": None}, dry=True)
    assert node.asked[0].validate_only
    topics.configure("t", {"a": "1", "b": None})
    assert node.names() == ["IncrementalAlterConfigs", "IncrementalAlterConfigs", "DescribeConfigs", "DescribeConfigs"]
    (resource,) = node.asked[1].resources
    assert not node.asked[1].validate_only
    # 0 sets, 1 takes away
    assert [(each.name, each.config_operation, each.value) for each in resource.configs] == [
        ("a", 0, "1"),
        ("b", 1, None),
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("compact, delete", "compact,delete"),
        (" 60000", "60000"),
        ("007", "7"),
        ("0.50", "0.5"),
        ("1e-3", "0.001"),
        ("TRUE", "true"),
        ("sNaN", "snan"),
        ("", ""),
    ],
)
def test_a_setting_that_kafka_spells_in_its_own_way_is_seen_at_once(node, topics, written, shown):
    node.on(IncrementalAlterConfigsRequest, altered).on(DescribeConfigsRequest, later(configs(a="2"), configs(a=shown)))
    topics.configure("t", {"a": written})
    assert node.names() == ["IncrementalAlterConfigs", "DescribeConfigs", "DescribeConfigs"]


@pytest.mark.parametrize("before", ["compact", "delete,compact", "0"])
def test_another_value_is_waited_for(node, topics, before):
    node.on(IncrementalAlterConfigsRequest, altered)
    node.on(DescribeConfigsRequest, later(configs(a=before), configs(a=before), configs(a="compact,delete")))
    topics.configure("t", {"a": "compact, delete"})
    assert node.names().count("DescribeConfigs") == 3


def test_a_change_that_is_made_is_no_error_when_the_look_fails(node, topics):
    node.on(DeleteTopicsRequest, deleted).on(MetadataRequest, HANG_UP)
    topics.delete("t")


def test_a_change_that_nobody_shows_yet_is_waited_for_a_moment_only_and_seldom_asked_for(node, topics, monkeypatch):
    monkeypatch.setattr(module, "SETTLING", 0.6)
    node.on(DeleteTopicsRequest, deleted).on(MetadataRequest, metadata(1))
    topics.delete("t")
    # At once and after 0.02, 0.06, 0.14, 0.30, 0.55 and 0.80 s, or later.
    assert 2 <= node.names().count("Metadata") <= 7
