"""Topics: create, describe, list, update, delete, on the cluster's own Kafka.

The one resource of which the store has no rows: Kafka owns its topics, so these operations ask it, within seconds, while
the caller waits. They need a cluster that has been ACTIVE once and is not being deleted; whether it heals or rolls meanwhile
is Kafka's business (MSK wants ACTIVE). Every topic is listed that Kafka lists, internal ones too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from penstock.api import topic_configs
from penstock.api.arns import cluster_of
from penstock.api.rooms import Rooms
from penstock.api.views import shown_state
from penstock.kafka.connections import Silence
from penstock.kafka.wire import AnswerLost, KafkaRefused, KafkaUnreachable
from penstock.model.ids import Arn
from penstock.model.spec import ClusterSpec
from penstock.model.topic import Topic
from penstock.wire import errors
from penstock.wire.call import Call, Output
from penstock.wire.errors import BadRequest

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_RESERVED = ("__amazon_msk_",)
"""MSK's own topics, which customers cannot alter or delete (msk.md 3.7)."""

UNKNOWN_TOPIC = 3
_REFUSALS: Mapping[int, tuple[type[errors.ApiError], str | None]] = MappingProxyType(
    {
        7: (errors.KafkaTimeout, None),
        11: (errors.ControllerMoved, None),
        17: (errors.KafkaRequestFailed, "topicName"),
        36: (errors.TopicExists, "topicName"),
        37: (errors.KafkaRequestFailed, "partitionCount"),
        38: (errors.KafkaRequestFailed, "replicationFactor"),
        40: (errors.KafkaRequestFailed, "configs"),
        41: (errors.NotController, None),
        60: (errors.ReassignmentInProgress, "topicName"),
        73: (errors.KafkaRequestFailed, "topicName"),
        86: (errors.GroupSubscribedToTopic, "topicName"),
        89: (errors.TooManyRequests, None),
    }
)
"""Kafka's error code -> MSK's error and the member that it is about; any other code is a KafkaRequestException."""


def create_topic(call: Call, rooms: Rooms) -> Output:
    """A new topic, there to be described when the call returns; `status` is CREATING, as MSK answers."""
    name = _valid_name(call)
    spec = _cluster(call, rooms)
    replicas: int = call.params["ReplicationFactor"]
    if replicas > len(spec.brokers):
        raise BadRequest(
            f"replicationFactor: {replicas} replicas need as many brokers, and the cluster {spec.name} has "
            f"{len(spec.brokers)}; ask for fewer replicas.",
            invalid_parameter="replicationFactor",
        )
    configs = {key: value for key, value in _configs(call).items() if value is not None}
    with _writing(call, spec):
        rooms.topics(spec).create(name, call.params["PartitionCount"], replicas, configs)
    return _status(spec, name, "CREATING")


def describe_topic(call: Call, rooms: Rooms) -> Output:
    """One topic, with what was set on the topic itself as `configs` (the cluster's defaults are not in it).

    ACTIVE whenever Kafka knows it: there is no other state of a topic in Kafka's metadata. Raises NotFound."""
    spec = _cluster(call, rooms)
    name = _name(call, spec)
    with _reading(call, spec):
        topics = rooms.topics(spec)
        topic, configs = topics.describe(name), topics.configs(name)
    return {
        **_status(spec, name, "ACTIVE"),
        "ReplicationFactor": topic.replication_factor,
        "PartitionCount": len(topic.partitions),
        "Configs": topic_configs.encode(configs),
    }


def describe_topic_partitions(call: Call, rooms: Rooms) -> Output:
    """A page of a topic's partitions by index; leader -1: none. Raises NotFound."""
    spec = _cluster(call, rooms)
    name = _name(call, spec)
    size, last = rooms.pages.asked(call)
    with _reading(call, spec):
        found, more = rooms.topics(spec).partitions(name, int(last[0]) + 1 if last else 0, size)
    shown = [
        {"Partition": each.index, "Leader": each.leader, "Replicas": list(each.replicas), "Isr": list(each.isr)}
        for each in found
    ]
    return {"Partitions": shown, "NextToken": rooms.pages.token((found[-1].index,), call) if more and found else None}


def list_topics(call: Call, rooms: Rooms) -> Output:
    """A page of topics by name; `topicNameFilter` is a prefix. A page may hold fewer than asked for and still have a next one."""
    spec = _cluster(call, rooms)
    size, last = rooms.pages.asked(call)
    prefix = call.params.get("TopicNameFilter") or ""
    with _reading(call, spec):
        found, more = rooms.topics(spec).page(prefix, str(last[0]) if last else None, size)
    return {
        "Topics": [_info(spec, topic) for topic in found],
        "NextToken": rooms.pages.token((found[-1].name,), call) if more else None,
    }


def update_topic(call: Call, rooms: Rooms) -> Output:
    """More partitions, other settings, or both; settings that are not named stay as they are.

    Everything is checked by Kafka before anything is changed. As many partitions as there are is satisfied, fewer is
    refused. `configs` that name nothing are satisfied too: Terraform's provider sends `{}` for those that left the plan."""
    spec = _cluster(call, rooms)
    name = _own_name(call, spec, "changed")
    configs = _configs(call)
    total: int | None = call.params.get("PartitionCount")
    if total is None and call.params.get("Configs") is None:
        # MSK's own sentence.
        raise BadRequest("You must specify either configs or partitionCount to update.", invalid_parameter="configs")
    with _writing(call, spec):
        topics = rooms.topics(spec)
        topic = topics.describe(name)
        has = len(topic.partitions)
        if total is not None and total != has and topic.internal:
            raise BadRequest(
                f"partitionCount: {name} is Kafka's own, and finds its entries by the number of its partitions; leave it at "
                f"{has}.",
                invalid_parameter="partitionCount",
            )
        if total is not None and total < has:
            raise BadRequest(
                f"partitionCount: {name} has {has} partitions, and Kafka cannot take partitions away; give {has} or more, "
                f"or create another topic.",
                invalid_parameter="partitionCount",
            )
        grows = total is not None and total > has
        if configs:
            topics.configure(name, configs, dry=grows)
        if total is not None and grows:
            topics.grow(name, total)
    if grows and configs:
        with _writing(call, spec, f"{name} has {total} partitions now, but its settings were not changed"):
            topics.configure(name, configs)
    return _status(spec, name, "UPDATING")


def delete_topic(call: Call, rooms: Rooms) -> Output:
    """Delete a topic with its data. Kafka's internal topics and MSK's own are refused: a cluster cannot do without them."""
    spec = _cluster(call, rooms)
    name = _own_name(call, spec, "deleted")
    with _writing(call, spec):
        topics = rooms.topics(spec)
        if topics.describe(name).internal:
            raise BadRequest(
                f"topicName: {name} is Kafka's own, and consumers and transactions need what it holds; it stays.",
                invalid_parameter="topicName",
            )
        topics.delete(name)
    return _status(spec, name, "DELETING")


def _cluster(call: Call, rooms: Rooms) -> ClusterSpec:
    """The cluster of the call, where it is one that can be asked."""
    with rooms.store.read() as tx:
        record = cluster_of(tx, call)
        state = shown_state(record, tx.operations.current(record.spec.id))
    if record.spec.removed or not record.status.completed:
        raise errors.ClusterConnectivity(
            f"The cluster {record.spec.name} is {state} and has no topics to work with; they need a cluster that is ACTIVE.",
            invalid_parameter="clusterArn",
        )
    return record.spec


def _valid_name(call: Call) -> str:
    """The name of a topic that is to be. BadRequest where Kafka would not have it, or MSK would not."""
    name: str = call.params["TopicName"]
    if not _possible(name):
        raise BadRequest(
            f"topicName: {name[:260]!r} is no name of a topic; use 1 to 249 letters, digits, dots, underscores and "
            f"hyphens, and neither '.' nor '..'.",
            invalid_parameter="topicName",
        )
    return _unreserved(name, "created")


def _name(call: Call, spec: ClusterSpec) -> str:
    """The name of a topic that is there already. A name that no topic can have is one that does not exist."""
    name: str = call.params["TopicName"]
    if not _possible(name):
        raise _unknown(name, spec)
    return name


def _possible(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in (".", "..")


def _own_name(call: Call, spec: ClusterSpec, done: str) -> str:
    return _unreserved(_name(call, spec), done)


def _unreserved(name: str, done: str) -> str:
    if name.startswith(_RESERVED):
        raise BadRequest(
            f"topicName: names that begin with {_RESERVED[0]} are MSK's own; such topics cannot be {done}.",
            invalid_parameter="topicName",
        )
    return name


def _configs(call: Call) -> Mapping[str, str | None]:
    text = call.params.get("Configs")
    return topic_configs.decode(text) if text else {}


def _status(spec: ClusterSpec, name: str, status: str) -> dict[str, str | int]:
    return {"TopicArn": _arn(spec, name), "TopicName": name, "Status": status}


def _info(spec: ClusterSpec, topic: Topic) -> Mapping[str, str | int]:
    return {
        "TopicArn": _arn(spec, topic.name),
        "TopicName": topic.name,
        "ReplicationFactor": topic.replication_factor,
        "PartitionCount": len(topic.partitions),
        "OutOfSyncReplicaCount": topic.out_of_sync,
    }


def _arn(spec: ClusterSpec, name: str) -> str:
    return str(Arn(spec.region, spec.account, "topic", f"{spec.name}/{spec.id}/{name}"))


@contextmanager
def _reading(call: Call, spec: ClusterSpec) -> Iterator[None]:
    """Kafka's errors of a question, in the words that describe and list calls have: it is there, or try again."""
    try:
        yield
    except KafkaRefused as refused:
        if refused.code == UNKNOWN_TOPIC and "TopicName" in call.params:
            raise _unknown(call.params["TopicName"], spec) from refused
        raise _silent(spec, str(refused)) from refused
    except KafkaUnreachable as silence:
        raise _silent(spec, str(silence)) from silence


@contextmanager
def _writing(call: Call, spec: ClusterSpec, undone: str = "nothing was changed") -> Iterator[None]:
    """Kafka's errors of a change: refused, not carried out (`undone` says what that means), or not known."""
    try:
        yield
    except KafkaRefused as refused:
        if refused.code == UNKNOWN_TOPIC:
            raise _unknown(call.params["TopicName"], spec) from refused
        kind, member = _REFUSALS.get(refused.code, (errors.KafkaRequestFailed, None))
        said = str(refused).rstrip(".")
        raise kind(f"{member}: {said}." if member else f"{said}.", member) from refused
    except AnswerLost as lost:
        raise errors.KafkaTimeout(
            f"The cluster {spec.name} did not confirm it in time: {lost}. It may have happened or not: describe the topic, "
            f"and call again if it has not."
        ) from lost
    except KafkaUnreachable as away:
        kind = errors.KafkaTimeout if isinstance(away, Silence) else errors.ClusterConnectivity
        raise kind(
            f"The cluster {spec.name} cannot be reached, and {undone}: {away}. Wait until it is ACTIVE, then call again."
        ) from away


def _unknown(name: str, spec: ClusterSpec) -> errors.ApiError:
    """Not UnknownTopicOrPartitionException, which changes have too: Terraform's provider takes only this one for `gone`."""
    return errors.NotFound(
        f"topicName: the cluster {spec.name} has no topic {name[:260]!r}; `ListTopics` names those that it has.",
        invalid_parameter="topicName",
    )


def _silent(spec: ClusterSpec, why: str) -> errors.ApiError:
    return errors.ServiceUnavailable(
        f"The cluster {spec.name} does not tell of its topics now: {why}. Wait until it is ACTIVE, then ask again."
    )
