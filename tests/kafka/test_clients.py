"""Ready client configurations: where they begin, and in whose words."""

import pytest
from attrs import evolve
from fakes.views import three_brokers

from penstock.kafka.clients import Auth, Client, configuration
from penstock.kafka.listeners import ipv6_ports, standard_ports
from penstock.model.ids import Role
from penstock.model.spec import ClientBroker, Endpoint


@pytest.fixture
def spec():
    """A cluster with both client listeners, over IPv4 and over IPv6."""
    spec, both = three_brokers().view.spec, ClientBroker.TLS_PLAINTEXT
    brokers = tuple(
        evolve(
            place,
            endpoint=Endpoint(f"127.64.0.{place.id.number}", standard_ports(Role.BROKER, both)),
            ipv6=Endpoint(f"fd00::{place.id.number}", ipv6_ports(both)),
        )
        for place in spec.brokers
    )
    return evolve(spec, client_broker=both, nodes=brokers, dual=True)


@pytest.mark.parametrize("client", list(Client))
@pytest.mark.parametrize(("auth", "port"), [(Auth.TLS, 20094), (Auth.PLAINTEXT, 20092), (None, 20094)])
def test_over_ipv6_only_the_addresses_are_others(spec, client, auth, port):
    here, there = (configuration(spec, client, auth, "/ca.pem", ipv6=ipv6) for ipv6 in (False, True))
    assert there.keys() == here.keys()
    (servers,) = (name for name in here if here[name] != there[name])
    assert servers in ("bootstrap.servers", "bootstrap_servers")
    assert there[servers] == f"[fd00::1]:{port},[fd00::2]:{port},[fd00::3]:{port}"


def test_a_listener_that_is_not_there_is_told(spec):
    with pytest.raises(ValueError, match="has no listener for plaintext; it has tls"):
        configuration(evolve(spec, client_broker=ClientBroker.TLS), Client.JAVA, Auth.PLAINTEXT, "/ca.pem")
    bare = evolve(spec, nodes=tuple(evolve(place, ipv6=None) for place in spec.nodes))
    with pytest.raises(ValueError, match="has no addresses yet"):
        configuration(bare, Client.JAVA, None, "/ca.pem", ipv6=True)
