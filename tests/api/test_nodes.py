"""Where clients begin, and which nodes there are."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def serving(kafka, wish, loop):
    """serving(**members) -> ARN of a cluster that works."""

    def make(**members):
        arn = kafka.create_cluster(**wish(**members))["ClusterArn"]
        loop.serve(arn)
        return arn

    return make


def strings(kafka, arn):
    answer = kafka.get_bootstrap_brokers(ClusterArn=arn)
    return {name: value for name, value in answer.items() if name.startswith("Bootstrap")}


def test_a_cluster_that_is_being_created_has_no_brokers_to_offer(kafka, wish):
    arn = kafka.create_cluster(**wish())["ClusterArn"]
    with pytest.raises(ClientError, match="being created") as refused:
        kafka.get_bootstrap_brokers(ClusterArn=arn)
    assert refused.value.response["Error"]["Code"] == "ConflictException"


@pytest.mark.parametrize(
    ("client_broker", "expected"),
    [
        ("TLS", {"BootstrapBrokerStringTls": 9094}),
        ("PLAINTEXT", {"BootstrapBrokerString": 9092}),
        ("TLS_PLAINTEXT", {"BootstrapBrokerString": 9092, "BootstrapBrokerStringTls": 9094}),
    ],
)
def test_there_is_a_string_for_each_enabled_listener(kafka, serving, client_broker, expected):
    arn = serving(EncryptionInfo={"EncryptionInTransit": {"ClientBroker": client_broker}})
    assert strings(kafka, arn) == {
        name: f"127.64.0.10:{port},127.64.0.11:{port},127.64.0.12:{port}" for name, port in expected.items()
    }


def test_a_string_names_three_brokers_one_in_each_zone_and_stays(kafka, serving, loop):
    arn = serving(NumberOfBrokerNodes=9)
    first = strings(kafka, arn)
    zones = {place.endpoint.address: place.subnet.zone for place in loop.spec(arn).brokers}
    named = [broker.partition(":")[0] for broker in first["BootstrapBrokerStringTls"].split(",")]
    assert len({zones[address] for address in named}) == len(named) == 3
    assert all(strings(kafka, arn) == first for _ in range(3))


@pytest.mark.parametrize("state", ["HEALING", "UPDATING", "MAINTENANCE", "REBOOTING_BROKER"])
def test_a_cluster_that_has_worked_keeps_its_strings_whatever_happens(kafka, serving, loop, state):
    arn = serving()
    before = strings(kafka, arn)
    loop.status(arn, state, completed=True)
    assert strings(kafka, arn) == before
    kafka.delete_cluster(ClusterArn=arn)
    assert strings(kafka, arn) == before


def test_nodes_are_shown_as_msk_shows_them(kafka, serving, loop, account):
    arn = serving()
    nodes = kafka.list_nodes(ClusterArn=arn)["NodeInfoList"]
    place = loop.spec(arn).brokers[1]
    eni = nodes[1]["BrokerNodeInfo"].pop("AttachedENIId")
    assert nodes[1] == {
        "NodeType": "BROKER",
        "InstanceType": "m5.large",
        "AddedToClusterTime": "2026-03-20T21:48:41.006Z",
        "NodeARN": f"{arn.replace(':cluster/', ':broker/')}/{place.uuid}",
        "BrokerNodeInfo": {
            "BrokerId": 2.0,
            "ClientSubnet": "subnet-0b2",
            "ClientVpcIpAddress": "127.64.0.11",
            "CurrentBrokerSoftwareInfo": {"KafkaVersion": "4.3.x.kraft"},
            "Endpoints": ["127.64.0.11"],
        },
    }
    assert eni.startswith("eni-")
    assert len(eni) == len("eni-") + 17
    assert eni == kafka.list_nodes(ClusterArn=arn)["NodeInfoList"][1]["BrokerNodeInfo"]["AttachedENIId"]
    assert nodes[3] == {"NodeType": "CONTROLLER", "ControllerNodeInfo": {"Endpoints": ["127.64.0.13"]}}
    assert [node["NodeType"] for node in nodes] == ["BROKER"] * 3 + ["CONTROLLER"] * 3


def test_nodes_come_in_pages(kafka, serving):
    arn = serving(NumberOfBrokerNodes=6)
    pages = list(kafka.get_paginator("list_nodes").paginate(ClusterArn=arn, PaginationConfig={"PageSize": 4}))
    assert [len(page["NodeInfoList"]) for page in pages] == [4, 4, 1]
    nodes = [node for page in pages for node in page["NodeInfoList"]]
    assert [node["BrokerNodeInfo"]["BrokerId"] for node in nodes[:6]] == [1, 2, 3, 4, 5, 6]
    assert [node["NodeType"] for node in nodes[6:]] == ["CONTROLLER"] * 3


def test_nodes_without_an_address_are_shown_without_one(kafka, wish):
    arn = kafka.create_cluster(**wish())["ClusterArn"]
    broker, *_, controller = kafka.list_nodes(ClusterArn=arn)["NodeInfoList"]
    assert "AddedToClusterTime" not in broker
    assert "ClientVpcIpAddress" not in broker["BrokerNodeInfo"]
    assert broker["BrokerNodeInfo"]["Endpoints"] == controller["ControllerNodeInfo"]["Endpoints"] == []
