"""Where a node listens, and the string that a client starts from."""

import pytest
from attrs import evolve
from inline_snapshot import snapshot

from penstock.kafka.listeners import (
    bootstrap_string,
    ipv6_ports,
    listeners,
    quorum_servers,
    quorum_voters,
    standard_ports,
)
from penstock.kafka.placement import add_brokers, new_nodes
from penstock.model.ids import ClusterId, Role
from penstock.model.spec import ClientBroker, Endpoint, Subnet

CLUSTER = ClusterId("6ba7b810-9dad-4d11-80b4-00c04fd430c8-1")
SUBNETS = [Subnet(f"subnet-{n}", f"use1-az{n}") for n in (1, 2, 3)]


def placed(places, client_broker=ClientBroker.TLS_PLAINTEXT):
    return [
        evolve(p, endpoint=Endpoint(f"127.64.0.{p.id.number % 10000}", standard_ports(p.id.role, client_broker)))
        for p in places
    ]


def nodes(brokers, client_broker=ClientBroker.TLS_PLAINTEXT):
    return placed(new_nodes(CLUSTER, SUBNETS, brokers), client_broker)


def test_a_broker_listens_for_clients_and_for_its_own_kind():
    lines = listeners(nodes(3)[0], ClientBroker.TLS_PLAINTEXT)
    assert lines.listeners == snapshot(
        "REPLICATION_SECURE://127.64.0.1:9093,CLIENT://127.64.0.1:9092,CLIENT_SECURE://127.64.0.1:9094"
    )
    assert lines.advertised == lines.listeners
    assert lines.protocols == snapshot("CONTROLLER:SSL,REPLICATION_SECURE:SSL,CLIENT:PLAINTEXT,CLIENT_SECURE:SSL")


def test_on_a_shared_address_clients_come_in_there_and_brokers_among_themselves_stay():
    place = evolve(nodes(3)[0], shared=Endpoint("192.0.2.2", {"CLIENT": 21001, "CLIENT_SECURE": 21002}))
    lines = listeners(place, ClientBroker.TLS_PLAINTEXT)
    assert lines.listeners == snapshot(
        "REPLICATION_SECURE://127.64.0.1:9093,CLIENT://192.0.2.2:21001,CLIENT_SECURE://192.0.2.2:21002"
    )
    assert lines.advertised == lines.listeners


def test_dual_stack_adds_listeners_with_brackets_and_ports_of_msk():
    place = evolve(nodes(3)[0], ipv6=Endpoint("fd12::1", ipv6_ports(ClientBroker.TLS_PLAINTEXT)))
    before, lines = (listeners(place, ClientBroker.TLS_PLAINTEXT, dual) for dual in (False, True))
    assert lines.listeners.removeprefix(before.listeners) == snapshot(
        ",CLIENT_IPV6://[fd12::1]:20092,CLIENT_SECURE_IPV6://[fd12::1]:20094"
    )
    assert lines.protocols.removeprefix(before.protocols) == snapshot(",CLIENT_IPV6:PLAINTEXT,CLIENT_SECURE_IPV6:SSL")


@pytest.mark.parametrize("client_broker", list(ClientBroker))
def test_a_controller_knows_nothing_of_clients(client_broker):
    place = next(place for place in nodes(3, client_broker) if place.id.role is Role.CONTROLLER)
    lines = listeners(place, client_broker, dual=True)
    assert (lines.listeners, lines.advertised, lines.protocols) == (
        "CONTROLLER://127.64.0.1:9093",
        None,
        "CONTROLLER:SSL",
    )


@pytest.mark.parametrize(
    ("client_broker", "ports"),
    [
        (ClientBroker.TLS, {"REPLICATION_SECURE": 9093, "CLIENT_SECURE": 9094}),
        (ClientBroker.PLAINTEXT, {"REPLICATION_SECURE": 9093, "CLIENT": 9092}),
        (ClientBroker.TLS_PLAINTEXT, {"REPLICATION_SECURE": 9093, "CLIENT": 9092, "CLIENT_SECURE": 9094}),
    ],
)
def test_only_the_listeners_that_were_asked_for_exist_and_the_inner_one_always(client_broker, ports):
    assert standard_ports(Role.BROKER, client_broker) == ports


def test_where_all_listeners_share_an_address_the_written_down_ports_count():
    endpoint = Endpoint("192.168.1.5", {"REPLICATION_SECURE": 20003, "CLIENT_SECURE": 20004})
    lines = listeners(evolve(nodes(3)[0], endpoint=endpoint), ClientBroker.TLS)
    assert lines.advertised == "REPLICATION_SECURE://192.168.1.5:20003,CLIENT_SECURE://192.168.1.5:20004"


def test_the_bootstrap_string_names_three_brokers_in_three_zones_and_stays_when_brokers_are_added():
    three = nodes(3)
    string = bootstrap_string(three, "CLIENT_SECURE")
    assert string == "127.64.0.1:9094,127.64.0.2:9094,127.64.0.3:9094"
    more = [*placed(add_brokers(CLUSTER, SUBNETS, 3, 9)), *three]
    assert bootstrap_string(more, "CLIENT_SECURE") == string


def test_two_zones_still_give_three_brokers():
    four = placed(new_nodes(CLUSTER, SUBNETS[:2], 4))
    assert bootstrap_string(four, "CLIENT") == "127.64.0.1:9092,127.64.0.2:9092,127.64.0.3:9092"


def test_no_string_for_a_listener_that_the_cluster_lacks_or_before_addresses_are_known():
    assert bootstrap_string(nodes(3, ClientBroker.TLS), "CLIENT") == ""
    assert bootstrap_string(new_nodes(CLUSTER, SUBNETS, 3), "CLIENT") == ""


def test_an_ipv6_address_gets_its_brackets():
    broker = evolve(nodes(3)[0], endpoint=Endpoint("fd00::1", {"CLIENT": 9092}))
    assert bootstrap_string([broker], "CLIENT") == "[fd00::1]:9092"


def test_the_quorum_is_named_by_addresses_or_by_numbers_and_addresses():
    all_nodes = nodes(3)
    controllers = [n for n in all_nodes if n.id.role is Role.CONTROLLER]
    assert quorum_servers(reversed(controllers)) == "127.64.0.1:9093,127.64.0.2:9093,127.64.0.3:9093"
    assert quorum_voters(controllers[:1]) == "10001@127.64.0.1:9093"
