"""A new cluster: who gets which number, which zone, and which identity for life."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.kafka.placement import add_brokers, kafka_id_bytes, kafka_id_text, new_kafka_id, new_nodes
from penstock.model.ids import ClusterId, Role
from penstock.model.spec import Subnet

CLUSTER = ClusterId("6ba7b810-9dad-4d11-80b4-00c04fd430c8-1")


def subnets(count):
    return [Subnet(f"subnet-{letter}", f"use1-az{number}") for number, letter in enumerate("abc"[:count], 1)]


def test_brokers_count_from_one_and_controllers_from_10001():
    nodes = new_nodes(CLUSTER, subnets(3), brokers=3)
    assert [node.id.name for node in nodes] == [
        "broker-1",
        "broker-2",
        "broker-3",
        "controller-10001",
        "controller-10002",
        "controller-10003",
    ]
    assert all(node.endpoint is None and node.restarts == 0 and node.added is None for node in nodes)


@given(zones=st.integers(1, 3), per_zone=st.integers(1, 5))
def test_every_zone_gets_as_many_brokers(zones, per_zone):
    nodes = new_nodes(CLUSTER, subnets(zones), brokers=zones * per_zone)
    zones_of_brokers = Counter(node.subnet.zone for node in nodes if node.id.role is Role.BROKER)
    assert set(zones_of_brokers.values()) == {per_zone}
    assert len(zones_of_brokers) == zones


def test_with_two_zones_the_controllers_stand_two_and_one():
    nodes = new_nodes(CLUSTER, subnets(2), brokers=2)
    assert [n.subnet.zone for n in nodes if n.id.role is Role.CONTROLLER] == ["use1-az1", "use1-az2", "use1-az1"]


def test_added_brokers_go_on_where_the_others_ended():
    added = add_brokers(CLUSTER, subnets(3), present=4, wanted=6)
    assert [(n.id.number, n.subnet.zone) for n in added] == [(5, "use1-az2"), (6, "use1-az3")]


def test_no_two_nodes_share_an_identity():
    nodes = new_nodes(CLUSTER, subnets(3), brokers=6)
    assert len({node.uuid for node in nodes}) == len({node.directory for node in nodes}) == 9


@given(st.uuids())
def test_an_id_of_kafka_is_22_characters_and_reads_back(value):
    text = kafka_id_text(value)
    assert len(text) == 22
    assert kafka_id_bytes(text) == value.bytes


def test_an_id_that_begins_with_a_dash_is_never_given():
    dashed = UUID(bytes=bytes([0xFB]) + bytes(15))
    assert kafka_id_text(dashed).startswith("-")
    good = UUID("01234567-89ab-4cde-8f01-23456789abcd")
    draws = iter([dashed, dashed, good])
    assert new_kafka_id(lambda: next(draws)) == kafka_id_text(good)


@pytest.mark.parametrize("text", ["", "short", "x" * 23, "!" * 22])
def test_what_is_no_id_of_kafka_is_refused(text):
    with pytest.raises(ValueError, match="id of Kafka"):
        kafka_id_bytes(text)


@pytest.mark.parametrize(("zones", "brokers"), [(0, 3), (3, 0), (3, -1)])
def test_a_cluster_of_nothing_is_refused(zones, brokers):
    with pytest.raises(ValueError, match="needs"):
        new_nodes(CLUSTER, subnets(zones), brokers)
