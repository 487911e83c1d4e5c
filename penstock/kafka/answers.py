"""What Kafka's answers mean, as values of the model. Pure; an error code in an answer becomes `KafkaRefused`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.kafka.placement import kafka_id_text
from penstock.kafka.wire import error_name, refuse
from penstock.model.observation import BrokerSeen, Partition, Quorum, Voter
from penstock.model.topic import Topic

UNKNOWN_TOPIC = 3
BROKER_ID_NOT_REGISTERED, VOTER_NOT_FOUND = 102, 127
MIN_ISR = "min.insync.replicas"
TOPICS_OWN = 1
"""Where a value of DescribeConfigs comes from: it was set on the topic itself."""


def quorum(answer: Any) -> Quorum:
    """Of DescribeQuorum 2. Ages are by the leader's clock alone: its own entry carries its present time."""
    what = "describing the metadata quorum"
    refuse(what, answer.error_code, answer.error_message)
    part = answer.topics[0].partitions[0]
    refuse(what, part.error_code, part.error_message)
    now = max((v.last_caught_up_timestamp for v in part.current_voters if v.replica_id == part.leader_id), default=-1)

    def seen(replica: Any) -> Voter:
        caught_up = replica.last_caught_up_timestamp
        return Voter(
            number=replica.replica_id,
            behind_ms=None if caught_up < 0 or now < 0 else max(0, now - caught_up),
            directory=kafka_id_text(replica.replica_directory_id),
        )

    return Quorum(
        leader=part.leader_id,
        epoch=part.leader_epoch,
        voters=tuple(seen(replica) for replica in part.current_voters),
        observers=tuple(seen(replica) for replica in part.observers),
    )


def late(quorum: Quorum, brokers: Iterable[int], limit_ms: int) -> Mapping[int, str]:
    """Those of the brokers that have not followed the metadata within so many ms, and a sentence about each."""
    behind = {observer.number: observer.behind_ms for observer in quorum.observers}
    ages = {number: behind.get(number) for number in brokers}
    return {
        number: f"broker {number} " + ("does not follow the metadata" if age is None else f"is {age} ms behind it")
        for number, age in ages.items()
        if age is None or age > limit_ms
    }


def brokers(answer: Any) -> Mapping[int, BrokerSeen]:
    """Of DescribeCluster 2, asked to include fenced brokers."""
    refuse("describing the cluster", answer.error_code, answer.error_message)
    return {seen.broker_id: BrokerSeen(seen.broker_id, seen.is_fenced) for seen in answer.brokers}


def unregistered(broker: int, answer: Any) -> None:
    """Of UnregisterBroker. No such registration is as good."""
    if answer.error_code != BROKER_ID_NOT_REGISTERED:
        refuse(f"unregistering broker {broker}", answer.error_code, answer.error_message)


def added(voter: int, answer: Any) -> None:
    """Of AddRaftVoter. That it is a voter already is refused: it may be one on another volume."""
    refuse(f"adding voter {voter}", answer.error_code, answer.error_message)


def removed(voter: int, answer: Any) -> None:
    """Of RemoveRaftVoter. That it is no voter is as good."""
    if answer.error_code != VOTER_NOT_FOUND:
        refuse(f"removing voter {voter}", answer.error_code, answer.error_message)


def topics(answer: Any) -> Mapping[str, tuple[Partition, ...]]:
    """Of Metadata: each topic's partitions, without their min ISR. A topic that is just being deleted is left out."""
    found = {}
    for topic in answer.topics:
        if topic.error_code == UNKNOWN_TOPIC:
            continue
        refuse(f"reading topic {topic.name}", topic.error_code)
        # A partition's own error code says "no leader" or "a replica is not alive", as its other fields do.
        found[topic.name] = _partitions(topic)
    return found


def topic(answer: Any) -> Topic:
    """Of Metadata of one topic. KafkaRefused (3) where there is no such topic."""
    (seen,) = answer.topics
    return _topic(seen)


def partitions_from(answer: Any) -> tuple[tuple[Topic, ...], tuple[str, int] | None]:
    """Of DescribeTopicPartitions: topics with the partitions that this answer holds, and where the next one begins."""
    following = answer.next_cursor
    start = None if following is None else (following.topic_name, following.partition_index)
    return tuple(_topic(seen) for seen in answer.topics), start


def _topic(seen: Any) -> Topic:
    refuse(f"reading topic {seen.name}", seen.error_code)
    return Topic(seen.name, tuple(sorted(_partitions(seen), key=lambda each: each.index)), seen.is_internal)


def _partitions(topic: Any) -> tuple[Partition, ...]:
    return tuple(
        Partition(topic.name, p.partition_index, p.leader_id, tuple(p.replica_nodes), tuple(p.isr_nodes))
        for p in topic.partitions
    )


def partitions(
    found: Mapping[str, tuple[Partition, ...]], settings: Mapping[str, Mapping[str, str | None]]
) -> tuple[Partition, ...]:
    """The same partitions with their topics' min ISR; a topic that went away between the two answers is left out."""
    return tuple(
        Partition(p.topic, p.index, p.leader, p.replicas, p.isr, int(settings[topic][MIN_ISR] or 1))
        for topic, parts in found.items()
        if topic in settings
        for p in parts
    )


def configs(answer: Any) -> Mapping[str, Mapping[str, str | None]]:
    """Of DescribeConfigs: resource name -> property -> value. A topic that does not exist is left out."""
    found = {}
    for result in answer.results:
        if result.error_code == UNKNOWN_TOPIC:
            continue
        refuse(f"reading the settings of {result.resource_name}", result.error_code, result.error_message)
        found[result.resource_name] = {config.name: config.value for config in result.configs}
    return found


def own_configs(answer: Any) -> Mapping[str, str]:
    """Of DescribeConfigs of one topic: what was set on the topic itself. KafkaRefused (3) where there is no such topic."""
    (result,) = answer.results
    refuse(f"reading the settings of {result.resource_name}", result.error_code, result.error_message)
    return {
        each.name: each.value for each in result.configs if each.config_source == TOPICS_OWN and each.value is not None
    }


def altered(answer: Any) -> None:
    """Of IncrementalAlterConfigs."""
    for result in answer.responses:
        refuse(f"changing the settings of {result.resource_name}", result.error_code, result.error_message)


def created(answer: Any) -> None:
    """Of CreateTopics."""
    for topic in answer.topics:
        refuse(f"creating topic {topic.name}", topic.error_code, topic.error_message)


def grown(answer: Any) -> None:
    """Of CreatePartitions."""
    for result in answer.results:
        refuse(f"adding partitions to topic {result.name}", result.error_code, result.error_message)


def deleted(answer: Any) -> None:
    """Of DeleteTopics."""
    for result in answer.responses:
        refuse(f"deleting topic {result.name}", result.error_code, result.error_message)


def elections(answer: Any) -> Mapping[str, tuple[int, str]]:
    """Of ElectLeaders: `topic-index` -> error code, and what it says."""
    refuse("electing leaders", answer.error_code)
    return {
        f"{topic.topic}-{part.partition_id}": (part.error_code, part.error_message or error_name(part.error_code))
        for topic in answer.replica_election_results
        for part in topic.partition_result
    }
