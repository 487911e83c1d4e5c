"""What is wrong with a request: for every member of every operation, values that are refused.

Types, enums, minima and required members come from botocore's model by themselves; RULES holds what the model does not say.
A row there is the member's path on the wire (`[0]`: an item), a value, and words of the refusal; a fourth item is the path
that the refusal names, where it is another one."""

from __future__ import annotations

import base64
import json

from attrs import frozen
from shapes import BUILT, MODEL, beside, members, place, strange_texts, strangers
from test_create_refusals import WRONG as CREATES
from test_create_refusals import wire
from wishes import ABSENT

NEVER = {"UpdateRebalancing": "Express"}
"""Operations that no cluster here can do, and a word of the refusal."""


def sent(value):
    """A value of the SDK as it travels: members under their names on the wire."""
    return {wire(name): sent(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def encoded(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


SIZE = {"kafkaBrokerNodeId": "ALL", "volumeSizeGB": 200}
OFF = {"prometheus": {each: {"enabledInBroker": False} for each in ("jmxExporter", "nodeExporter")}}
VOLUMES = "targetBrokerEBSVolumeInfo"
SIZES = [(0, "1 to 16384"), (-1, "1 to 16384"), (99, "can only grow"), (100, "can only grow"), (16385, "1 to 16384")]
PROPERTIES = [
    ("serverProperties", encoded("num.partitions=0"), "num.partitions: must be at least 1"),
    ("serverProperties", encoded("broker.id=1"), "broker.id: is not a property"),
    ("serverProperties", encoded("log.roll.ms=many"), "log.roll.ms: 'many' is not a whole number"),
    ("serverProperties", encoded("a=\\u1"), "line 1"),
    ("serverProperties", encoded(b"\xff\xfe"), "is not a property"),
    (
        "serverProperties",
        encoded("custom.advertised.listeners=REPLICATION_SECURE://b:1+{broker_id}"),
        "is an inner listener",
    ),
]
CONFIGS = [
    ("configs", "retention.ms=1", "not base64"),
    ("configs", encoded(b"\xff"), "not base64 of text"),
    ("configs", encoded("retention.ms"), "no key=value"),
    ("configs", encoded('{"retention.ms": 1'), "begins like JSON"),
    ("configs", encoded('["retention.ms"]'), "no object"),
    ("configs", encoded('{"retention.ms": {}}'), "neither text nor a number"),
    ("configs", encoded("retention.ms=1\nretention.ms=2"), "there twice"),
    ("configs", encoded("retention.mss=1"), "retention.mss"),
]
SINKS = [
    ("cloudWatchLogs.logGroup", "a group", "AWS allows"),
    ("cloudWatchLogs.logGroup", "g" * 513, "AWS allows"),
    ("firehose.deliveryStream", "d" * 65, "AWS allows"),
    ("s3.bucket", "No_Bucket", "AWS allows"),
    ("s3.bucket", "ab", "AWS allows"),
    ("s3.prefix", "x" * 1025, "at most 1024"),
]

NO_TOPIC = [("topicName", name, "has no topic") for name in ("never", "a b", "a/b", "ä", "t" * 250)]
NO_OPERATION = [
    ("clusterOperationArn", "orders", "is not the ARN of a cluster operation"),
    ("clusterOperationArn", "{cluster}", "is not the ARN of a cluster operation"),
    ("clusterOperationArn", "{tuned}", "is not the ARN of a cluster operation"),
]
PAGES = [
    *(("maxResults", number, "1 to 100") for number in (101, 2**31 - 1)),
    *(("nextToken", token, "not one that this list gave out") for token in ("", "x", "AAAA" * 20, "ä")),
]

RULES = {
    "RebootBroker": [
        ("brokerIds", [], "exactly one"),
        ("brokerIds", ["1", "2"], "exactly one"),
        ("brokerIds", ["1", "1"], "exactly one"),
        *(
            ("brokerIds", [each], "has no broker")
            for each in ("", "0", "4", "01", " 1", "-1", "ALL", "10001", "9" * 99)
        ),
    ],
    "UpdateBrokerCount": [
        ("targetNumberOfBrokerNodes", 3, "already"),
        ("targetNumberOfBrokerNodes", 4, "multiple"),
        ("targetNumberOfBrokerNodes", 63, "up to 60"),
        ("targetNumberOfBrokerNodes", 2**31 - 2, "up to 60"),
        ("targetNumberOfBrokerNodes", 2, "one of each stays"),
    ],
    "UpdateBrokerStorage": [
        (VOLUMES, [], "ALL"),
        (VOLUMES, [SIZE, SIZE], "ALL"),
        (VOLUMES, [{**SIZE, "kafkaBrokerNodeId": "1"}], "ALL"),
        (VOLUMES, [{**SIZE, "kafkaBrokerNodeId": ""}], "ALL"),
        (VOLUMES, [{"kafkaBrokerNodeId": "ALL"}], "does not include any updates"),
        *((VOLUMES, [{**SIZE, "volumeSizeGB": size}], words) for size, words in SIZES),
        (VOLUMES, [{**SIZE, "provisionedThroughput": {"enabled": True, "volumeThroughput": 249}}], "kafka.m5.4xlarge"),
    ],
    "UpdateBrokerType": [
        ("targetInstanceType", "", "not an instance type"),
        ("targetInstanceType", "kafka.m5.large", "already"),
        ("targetInstanceType", "m5.xlarge", "not an instance type"),
        ("targetInstanceType", "KAFKA.M5.XLARGE", "not an instance type"),
        ("targetInstanceType", "kafka.m5.tiny", "kafka.m5.large, "),
        ("targetInstanceType", "express.m7g.large", "not built yet"),
    ],
    "UpdateClusterConfiguration": [
        *(
            ("configurationInfo.arn", arn, "Configuration ARN does not exist")
            for arn in ("", "tuned", "{cluster}", "{theirs}", "{elsewhere}", "{tuned}0")
        ),
        *(("configurationInfo.revision", number, "has no revision") for number in (0, -1, 3, 2**62)),
    ],
    "UpdateConnectivity": [
        ("connectivityInfo", {}, "does not include any updates"),
        ("connectivityInfo", ABSENT, "does not include any updates"),
        ("connectivityInfo", {"networkType": "IPV4"}, "nothing to change"),
        ("connectivityInfo", {"publicAccess": {"type": "DISABLED"}}, "nothing to change"),
        ("connectivityInfo.publicAccess.type", "SERVICE_PROVIDED_EIPS", "leave it DISABLED"),
        ("connectivityInfo.publicAccess.type", "OPEN", "neither DISABLED nor"),
        ("zookeeperAccess", {"enabled": False}, "has no ZooKeeper"),
    ],
    "UpdateMonitoring": [
        ("enhancedMonitoring", ABSENT, "does not include any updates"),
        ("enhancedMonitoring", "DEFAULT", "nothing to change"),
        *(
            (f"loggingInfo.{logs}.{member}", value, words)
            for logs in ("brokerLogs", "authorizerLogs")
            for member, value, words in SINKS
        ),
        *(
            (
                f"loggingInfo.brokerLogs.{sink}",
                {"enabled": True},
                "must go somewhere",
                f"loggingInfo.brokerLogs.{sink}.{place}",
            )
            for sink, place in (("cloudWatchLogs", "logGroup"), ("firehose", "deliveryStream"), ("s3", "bucket"))
        ),
    ],
    "UpdateStorage": [
        ("volumeSizeGB", ABSENT, "does not include any updates"),
        *(("volumeSizeGB", size, words) for size, words in SIZES),
        ("storageMode", "TIERED", "not built yet"),
        (
            "provisionedThroughput",
            {"enabled": True, "volumeThroughput": 250},
            "kafka.m5.4xlarge",
            "provisionedThroughput.enabled",
        ),
    ],
    "CreateTopic": [
        *(("topicName", name, "is no name of a topic") for name in ("", ".", "..", "a b", "a/b", "ä", "t" * 250)),
        ("topicName", "__amazon_msk_canary", "MSK's own"),
        ("topicName", "clicks", "topicName"),
        ("partitionCount", 0, "at least 1"),
        ("replicationFactor", 0, "at least 1"),
        ("replicationFactor", 4, "the cluster orders has 3"),
        *CONFIGS,
    ],
    "UpdateTopic": [
        *NO_TOPIC,
        ("topicName", "__amazon_msk_canary", "MSK's own"),
        *(("partitionCount", count, "cannot take partitions away") for count in (-1, 0, 1)),
        ("partitionCount", ABSENT, "You must specify either configs or partitionCount to update.", "configs"),
        *CONFIGS,
    ],
    "DeleteTopic": [
        *NO_TOPIC,
        ("topicName", "__amazon_msk_canary", "MSK's own"),
        ("topicName", "__consumer_offsets", "Kafka's own"),
    ],
    "CreateConfiguration": [
        *(("name", name, "a name has") for name in ("", "-tuned", "tu_ned", "tuned\n", "t" * 257, "ä")),
        ("name", "tuned", "'tuned' exists"),
        ("kafkaVersions", ["4.3.x.kraft", "2.8.1"], "'2.8.1' is not offered here"),
        ("kafkaVersions", [""], "is not offered here"),
        ("kafkaVersions", ["4.3.x.kraft", "4.3.x.kraft"], "named twice"),
        *PROPERTIES,
    ],
    "UpdateConfiguration": PROPERTIES,
    "TagResource": [
        ("tags", {"": "a"}, "1 to 128"),
        ("tags", {"k" * 129: "a"}, "1 to 128"),
        ("tags", {"aws:team": "a"}, "reserved"),
        ("tags", {"team": "v" * 257}, "at most 256"),
        ("tags", {"team": "a;b"}, "character other than"),
        ("tags", {"te;am": "a"}, "character other than"),
        ("tags", {f"k{n}": "v" for n in range(51)}, "at most 50"),
    ],
    "UntagResource": [("tagKeys", [], "is required")],
    "ListClustersV2": [("clusterTypeFilter", each, "neither PROVISIONED nor") for each in ("", "provisioned", "ALL")],
    "DescribeTopic": NO_TOPIC,
    "DescribeTopicPartitions": NO_TOPIC,
    "DescribeClusterOperation": NO_OPERATION,
    "DescribeClusterOperationV2": NO_OPERATION,
    "DescribeConfigurationRevision": [("revision", number, "has no revision") for number in (0, -1, 3, 2**62)],
    "CreateCluster": [
        (wire(path), value if path == "Tags" else sent(value), words, *more) for path, value, words, *more in CREATES
    ],
}
RULES["CreateClusterV2"] = [
    tuple(
        part if place in (1, 2) or part.split(".")[0] in ("clusterName", "tags") else f"provisioned.{part}"
        for place, part in enumerate(row)
    )
    for row in RULES["CreateCluster"]
]

for each in BUILT:
    if "MaxResults" in MODEL.operation_model(each).input_shape.members:
        RULES[each] = [*RULES.get(each, ()), *PAGES]

FREE = (
    "CreateConfiguration.description",
    "UpdateConfiguration.description",
    "CreateClusterV2.serverless",
    "ListClusters.clusterNameFilter",
    "ListClustersV2.clusterNameFilter",
    "ListTopics.topicNameFilter",
)
"""Members without a rule: descriptions and beginnings of names may be any text, and a serverless cluster is refused as a whole."""
ELSEWHERE = ("currentVersion", "clusterArn", "arn", "resourceArn")
"""Members whose wrong values depend on what there is: tests of their own have them."""


@frozen
class Wrong:
    """One wrong value: of which member, what it is, and what the refusal says and names."""

    path: str
    value: object
    words: str
    names: str

    def __str__(self):
        return f"{self.path}={json.dumps(self.value, default=repr)[:60]}"


def lawless(operation):
    """The members of text and numbers for which RULES has no row: they are wrong in more ways than a model says."""
    shape = MODEL.operation_model(operation).input_shape
    for path, member, _ in (*beside(shape), *members(shape)):
        plain = member.type_name in ("string", "integer", "long", "blob") and not getattr(member, "enum", None)
        ruled = path in ELSEWHERE or any(path.startswith(row[0]) for row in RULES.get(operation, ()))
        if plain and not ruled and not f"{operation}.{path}".startswith(FREE):
            yield path


def wrongs(operation):
    """Every wrong value of every member, except for ARNs and versions, which depend on what there is."""
    shape = MODEL.operation_model(operation).input_shape
    for path, member, required in beside(shape):
        if required and place(member) == "querystring":
            yield Wrong(path, ABSENT, "is required", path)
        for value, words in strange_texts(member):
            yield Wrong(path, value, words, path)
    for path, member, required in members(shape):
        if required:
            yield Wrong(path, ABSENT, "is required", path)
            yield Wrong(path, None, "is required", path)
        for value, words in strangers(member):
            yield Wrong(path, value, words, path)
        if member.type_name == "structure":
            yield Wrong(f"{path}.nonsense", 1, "no member", f"{path}.nonsense")
    if any(place(member) == "body" for member in shape.members.values()):
        yield Wrong("nonsense", 1, "no member", "nonsense")
    for path, value, words, *names in RULES.get(operation, ()):
        yield Wrong(path, value, words, names[0] if names else path)
