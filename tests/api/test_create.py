"""Asking for a cluster: names, races, what is written down, and what `explain` will say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from attrs import evolve
from botocore.exceptions import ClientError
from wishes import GROUP, OFF, put, v2

from penstock.api import clusters
from penstock.api.effects import without_effect
from penstock.api.registry import handlers
from penstock.settings import Realism, Settings
from penstock.store.store import Store
from penstock.wire.call import Call, Caller
from penstock.wire.errors import BadRequest, ServiceUnavailable


def test_the_smallest_type_is_for_laptops_and_refused_as_msk_does(kafka, wish, rooms):
    small = put(wish(), f"{GROUP}.InstanceType", "kafka.t3.small")
    assert kafka.create_cluster(**small)["State"] == "CREATING"
    strict = evolve(rooms, settings=Settings(home=rooms.settings.home, realism=Realism.MSK))
    call = Call("kafka", "CreateCluster", small, Caller("1" * 12, "us-east-1", "AKIA", "arn"), "id")
    with pytest.raises(BadRequest, match="not allowed with KRaft"):
        clusters.create_cluster(call, strict)


def test_a_name_is_taken_until_its_cluster_is_gone(kafka, wish, loop):
    arn = kafka.create_cluster(**wish("orders"))["ClusterArn"]
    for _ in ("while it lives", "while it is being deleted"):
        with pytest.raises(ClientError) as refused:
            kafka.create_cluster_v2(**v2(wish("orders")))
        assert refused.value.response["Error"]["Code"] == "ConflictException"
        assert refused.value.response["InvalidParameter"] == "clusterName"
        kafka.delete_cluster(ClusterArn=arn)
    loop.forget(arn)
    assert kafka.create_cluster(**wish("orders"))["ClusterArn"] != arn


def test_of_racing_creates_of_one_name_exactly_one_wins(client, account, wish):
    kafka = client(account)

    def create(number):
        try:
            return kafka.create_cluster(**wish("race"))["ClusterArn"]
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(8)))
    assert answers.count("ConflictException") == 7
    assert [c["ClusterArn"] for c in kafka.list_clusters()["ClusterInfoList"]] == [
        answer for answer in answers if answer != "ConflictException"
    ]


def test_a_create_is_answered_at_once_and_wakes_the_loop(kafka, wish, loop, account):
    answer = kafka.create_cluster_v2(**v2(wish("orders")))
    assert (answer["State"], answer["ClusterType"], answer["ClusterName"]) == ("CREATING", "PROVISIONED", "orders")
    assert answer["ClusterArn"].startswith(f"arn:aws:kafka:us-east-1:{account}:cluster/orders/")
    spec = loop.spec(answer["ClusterArn"])
    assert spec.id in loop.woken
    assert [node.id.number for node in spec.nodes] == [1, 2, 3, 10001, 10002, 10003]
    assert answer["ClusterArn"].endswith(spec.id)


def test_a_store_that_cannot_write_is_told_in_its_own_words(rooms, wish, tmp_path):
    """A client retries that, and whoever looks at the message knows what to do."""
    key = bytes(32)
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with closing(Store(url, key)) as old, closing(Store(url, key)) as new:
        old.raise_term()
        new.raise_term()
        create = handlers(evolve(rooms, store=old))["kafka", "CreateCluster"]
        with pytest.raises(ServiceUnavailable, match="not in charge"):
            create(Call("kafka", "CreateCluster", wish(), Caller("1" * 12, "us-east-1", "AKIA", "arn"), "id"))


def test_explain_says_what_has_no_effect_yet(kafka, wish, loop):
    arn = kafka.create_cluster(**wish("plain"))["ClusterArn"]
    (volumes,) = without_effect(loop.spec(arn))
    assert "not encrypted" in volumes
    asked = wish(
        "loud",
        EnhancedMonitoring="PER_BROKER",
        OpenMonitoring={"Prometheus": {"JmxExporter": {"EnabledInBroker": True}}},
        LoggingInfo={"BrokerLogs": {"S3": {"Enabled": True, "Bucket": "logs"}}, "AuthorizerLogs": {"S3": OFF}},
        EncryptionInfo={"EncryptionInTransit": {"InCluster": False}},
    )
    said = " ".join(without_effect(loop.spec(kafka.create_cluster(**asked)["ClusterArn"])))
    for words in ("PER_BROKER", "jmxExporter has no effect", "brokerLogs to s3 has no effect", "inCluster = false"):
        assert words in said
    assert "nodeExporter" not in said
    assert "authorizerLogs" not in said
