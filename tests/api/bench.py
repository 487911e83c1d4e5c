"""An account with something of each kind in it, and for every operation a call that is right there."""

from __future__ import annotations

import json
import sqlite3
from copy import deepcopy
from functools import partial

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from shapes import MODEL, place, put
from wishes import ABSENT, v2
from wrongs import VOLUMES, wrongs

RIGHT = {
    "CreateCluster": lambda b: b.wish("other"),
    "CreateClusterV2": lambda b: v2(b.wish("other")),
    "DeleteCluster": lambda b: {"ClusterArn": b.cluster, "CurrentVersion": b.version},
    "RebootBroker": lambda b: {"ClusterArn": b.cluster, "BrokerIds": ["1"]},
    "UpdateBrokerCount": lambda b: b.update(TargetNumberOfBrokerNodes=6),
    "UpdateBrokerStorage": lambda b: b.update(
        TargetBrokerEBSVolumeInfo=[{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": 200}]
    ),
    "UpdateBrokerType": lambda b: b.update(TargetInstanceType="kafka.m5.xlarge"),
    "UpdateClusterConfiguration": lambda b: b.update(ConfigurationInfo={"Arn": b.tuned, "Revision": 1}),
    "UpdateConnectivity": lambda b: b.update(ConnectivityInfo={"NetworkType": "DUAL"}),
    "UpdateMonitoring": lambda b: b.update(EnhancedMonitoring="PER_BROKER"),
    "UpdateRebalancing": lambda b: b.update(Rebalancing={"Status": "ACTIVE"}),
    "UpdateStorage": lambda b: b.update(VolumeSizeGB=200),
    "CreateTopic": lambda b: {
        "ClusterArn": b.cluster,
        "TopicName": "views",
        "PartitionCount": 3,
        "ReplicationFactor": 3,
    },
    "UpdateTopic": lambda b: {"ClusterArn": b.cluster, "TopicName": "clicks", "PartitionCount": 4},
    "DeleteTopic": lambda b: {"ClusterArn": b.cluster, "TopicName": "clicks"},
    "CreateConfiguration": lambda b: {"Name": "another", "ServerProperties": b"num.partitions=3"},
    "UpdateConfiguration": lambda b: {"Arn": b.tuned, "ServerProperties": b"num.partitions=3"},
    "DeleteConfiguration": lambda b: {"Arn": b.tuned},
    "TagResource": lambda b: {"ResourceArn": b.cluster, "Tags": {"team": "a"}},
    "UntagResource": lambda b: {"ResourceArn": b.cluster, "TagKeys": ["kept"]},
    **dict.fromkeys(
        ("ListClusters", "ListClustersV2", "ListConfigurations", "ListKafkaVersions"), lambda _: {"MaxResults": 1}
    ),
    **dict.fromkeys(
        (
            *("DescribeCluster", "DescribeClusterV2", "GetBootstrapBrokers", "GetCompatibleKafkaVersions", "ListNodes"),
            *("ListClusterOperations", "ListClusterOperationsV2", "ListTopics"),
        ),
        lambda b: {"ClusterArn": b.cluster},
    ),
    **dict.fromkeys(
        ("DescribeTopic", "DescribeTopicPartitions"), lambda b: {"ClusterArn": b.cluster, "TopicName": "clicks"}
    ),
    **dict.fromkeys(
        ("DescribeClusterOperation", "DescribeClusterOperationV2"),
        lambda b: {"ClusterOperationArn": b.call("RebootBroker")["ClusterOperationArn"]},
    ),
    **dict.fromkeys(("DescribeConfiguration", "ListConfigurationRevisions"), lambda b: {"Arn": b.tuned}),
    "DescribeConfigurationRevision": lambda b: {"Arn": b.tuned, "Revision": 2},
    "ListTagsForResource": lambda b: {"ResourceArn": b.cluster},
}
"""A call of each operation that is right on a bench."""


class Bench:
    """An account with an ACTIVE cluster of three brokers, `orders`; a configuration with two revisions, `tuned`; and a topic."""

    def __init__(self, penstock, client, wish, account):
        _, self.rooms, self.loop = penstock
        self.account, self.wish, self.kafka = account, wish, client(account)
        self.kafka.meta.events.register("before-call.kafka", self._sent)
        self._change = None
        self.cluster = self.kafka.create_cluster(**wish(Tags={"kept": "yes"}))["ClusterArn"]
        self.loop.serve(self.cluster)
        self.tuned = self.kafka.create_configuration(Name="tuned", ServerProperties=b"log.roll.ms=5")["Arn"]
        self.kafka.update_configuration(Arn=self.tuned, ServerProperties=b"num.partitions=2")
        self.topics = self.loop.topics(self.loop.spec(self.cluster))
        self.topics.have("clicks", 2)
        self.topics.have("__consumer_offsets", 50, internal=True)
        others = client(f"7{account[1:]}"), client(account, "eu-west-1")
        self.strangers = {}
        for name, other in zip(("theirs", "elsewhere"), others, strict=True):
            made = other.create_configuration(Name=f"tuned-{account}", ServerProperties=b"")
            cluster = other.create_cluster(**wish(f"orders-{account}"))
            self.strangers[name] = made["Arn"], cluster["ClusterArn"]

    @property
    def version(self):
        return self.kafka.describe_cluster(ClusterArn=self.cluster)["ClusterInfo"]["CurrentVersion"]

    def update(self, **members):
        return {"ClusterArn": self.cluster, "CurrentVersion": self.version, **members}

    def call(self, operation, params=None, change=None):
        """The answer of a call; `change` makes another body of the one that the SDK made."""
        self._change = change
        try:
            return getattr(self.kafka, xform_name(operation))(**(RIGHT[operation](self) if params is None else params))
        finally:
            self._change = None

    def refused(self, operation, params=None, change=None):
        """(code, member, message) of a refusal that its operation's model knows."""
        params = RIGHT[operation](self) if params is None else params
        with pytest.raises(ClientError) as error:
            self.call(operation, params, change)
        answer = error.value.response
        modelled = {shape.name for shape in MODEL.operation_model(operation).error_shapes}
        assert answer["Error"]["Code"] in modelled, answer
        assert 400 <= answer["ResponseMetadata"]["HTTPStatusCode"] < 500
        return answer["Error"]["Code"], answer.get("InvalidParameter"), answer["Message"]

    def everything(self):
        """All rows of the store, what Kafka holds, and who was woken."""
        with sqlite3.connect(self.rooms.settings.home / "store.sqlite3") as rows:
            tables = [name for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            stored = {name: rows.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
        rows.close()
        return stored, deepcopy((self.topics.topics, self.topics.settings)), list(self.loop.woken)

    def complaints(self, operation):
        """Each wrong value that is not refused as it should be, and what is the matter."""
        model = MODEL.operation_model(operation).input_shape
        above = {m.serialization.get("name"): name for name, m in model.members.items() if place(m) != "body"}
        params, before = RIGHT[operation](self), self.everything()
        for wrong in wrongs(operation):
            value, (path, _, item) = self._filled(wrong.value), wrong.path.partition("[")
            if path in above:
                asked = {**params, above[path]: [value] if item else value}
                _, named, message = self.refused(operation, {k: v for k, v in asked.items() if v is not ABSENT})
            else:
                _, named, message = self.refused(operation, params, partial(put, wrong.path, value, model))
            # A volume's size may be named with the list that holds it.
            right = named == wrong.names or (wrong.path == VOLUMES and (named or "").startswith(VOLUMES))
            if not right or wrong.words not in message or named not in message or self.everything() != before:
                yield str(wrong), named, message

    def _filled(self, value):
        """The value with ARNs of this bench for their names in braces."""
        arns = {
            "cluster": self.cluster,
            "tuned": self.tuned,
            **{name: arn for name, (arn, _) in self.strangers.items()},
        }
        return value.format(**arns) if isinstance(value, str) and value.startswith("{") and value != "{}" else value

    def _sent(self, params, **_):
        if self._change is not None:
            body = params["body"] or b"{}"
            params["body"] = json.dumps(self._change(json.loads(body))).encode()
