"""What is wanted becomes complete nodes; and what is only rendered otherwise restarts nobody."""

import json
import os
from pathlib import Path

import pytest
from attrs import evolve
from fakes.views import PlainJava, broker, desired, frame

from penstock.control.cluster.layout import dns_name, hosts, lay_out, renewed
from penstock.kafka.listeners import ipv6_ports
from penstock.kafka.properties import CLIENT_LEAF, INNER_LEAF, SERVER_PROPERTIES, server_properties
from penstock.model.ids import Role
from penstock.model.node import Applies, Issuer, digest
from penstock.model.spec import ClientBroker, Endpoint

GOLDEN = Path(__file__).parent / "golden" / "layout.json"


def rendered(spec):
    """A layout in a form that people can compare; files as text where they are text."""
    return {
        node.id.name: {
            "command": list(node.command),
            "environment": dict(node.environment),
            "zone": node.zone,
            "address": node.address,
            "ports": dict(node.ports),
            "incarnation": node.incarnation,
            "revision": node.revision,
            "memory_mib": node.resources.memory_mib,
            "files": {
                f"{file.path} ({file.applies})": file.content.decode().splitlines()
                if file.applies is not Applies.FORMAT or file.path == "meta.properties"
                else digest(file.content.hex())
                for file in node.files
            },
            "leaves": [
                f"{leaf.path}: {leaf.common_name} {', '.join((*leaf.names, *leaf.addresses))}; "
                f"{leaf.issuer}, {leaf.days} days, {leaf.applies}"
                for leaf in node.leaves
            ],
        }
        for node in lay_out(spec, frame())
    }


def revisions(spec, **changes):
    return {node.id.name: node.revision for node in lay_out(spec, frame(**changes))}


def test_todays_rendering():
    """A difference is what an upgrade of Penstock would leave pending on every running cluster. Where it is meant, make
    the file anew: PENSTOCK_GOLDEN=1 pytest tests/control/test_layout.py."""
    now = json.dumps(rendered(desired()), indent=1, sort_keys=True) + "\n"
    if os.environ.get("PENSTOCK_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(now)
    assert now == GOLDEN.read_text()


def test_the_same_spec_gives_the_same_nodes():
    assert lay_out(desired(), frame()) == lay_out(desired(), frame())


@pytest.mark.parametrize(
    "change",
    [
        {"client_leaf_days": 30},
        {"java": PlainJava("-XX:+UseZGC")},
        {"authorizer": "penstock.NewerAuthorizer"},
        {"broker_heap_mib": 4096, "controller_heap_mib": 1024},
        {"cores": 64},
        {"inner_ca": b"another authority"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_only_penstock_renders_otherwise_changes_no_revision(change):
    assert revisions(desired(), **change) == revisions(desired())


def test_but_it_shows_as_pending_maintenance():
    before, after = lay_out(desired(), frame())[0], lay_out(desired(), frame(java=PlainJava("-XX:+UseZGC")))[0]
    assert after.start != before.start
    assert after.live == before.live


class Rehearsed(PlainJava):
    """A Java whose archives come into force."""

    flags: tuple[str, ...] = ()

    def command(self, *arguments):
        return (*super().command(*arguments), *self.flags)


def test_a_layout_stands_until_it_would_be_made_from_something_else():
    java = Rehearsed()
    first = renewed(None, desired(), frame(java=java))
    assert renewed(first, desired(), frame(java=java)) is first
    for spec, around in (
        (desired(volume_gib=200), frame(java=java)),
        (desired(), frame(java=java, inner_ca=b"another")),
        (desired(), frame(java=java, user={"num.io.threads": "16"})),
    ):
        assert renewed(first, spec, around).nodes == lay_out(spec, around) != first.nodes
    java.flags = ("-XX:SharedArchiveFile=now",)
    assert "-XX:SharedArchiveFile=now" in renewed(first, desired(), frame(java=java)).nodes[0].command


def test_a_fresh_leaf_is_no_change_at_all():
    before, after = lay_out(desired(), frame())[0], lay_out(desired(), frame(client_leaf_days=30))[0]
    assert (after.start, after.live, after.revision) == (before.start, before.live, before.revision)


def changed(before, after):
    old, new = revisions(before), revisions(after)
    return {name for name in new if new[name] != old.get(name)}


ALL = {"broker-1", "broker-2", "broker-3", "controller-10001", "controller-10002", "controller-10003"}
BROKERS = {name for name in ALL if name.startswith("broker")}


def test_a_reboot_changes_the_revision_of_that_broker_alone():
    spec = desired()
    place = spec.place(broker(2))
    assert changed(spec, spec.with_place(evolve(place, restarts=1))) == {"broker-2"}


def test_another_version_changes_every_node():
    assert changed(desired(), desired(kafka_version="4.1.x.kraft")) == ALL


def test_other_client_listeners_change_the_brokers():
    assert changed(desired(), desired(client_broker=ClientBroker.TLS)) >= BROKERS


def test_another_instance_type_changes_the_brokers_alone():
    assert changed(desired(), desired(instance_type="kafka.m7g.xlarge")) == BROKERS


def test_another_address_changes_the_node_that_has_it():
    spec = desired()
    place = spec.place(broker(3))
    moved = spec.with_place(evolve(place, endpoint=Endpoint("127.64.9.9", place.endpoint.ports)))
    assert changed(spec, moved) == {"broker-3"}


def on_shared(spec, address="192.0.2.2"):
    """Brokers 1, 2, 3 listen for clients at ports 21001 and 21101, and so on, of an address that they share."""
    for place in spec.brokers:
        number = place.id.number
        shared = Endpoint(address, {"CLIENT": 21000 + number, "CLIENT_SECURE": 21100 + number})
        spec = spec.with_place(evolve(place, shared=shared))
    return spec


def dual(spec):
    """Brokers listen over IPv6 too."""
    for place in spec.brokers:
        ipv6 = Endpoint(f"fd00::{place.id.number}", ipv6_ports(spec.client_broker))
        spec = spec.with_place(evolve(place, ipv6=ipv6))
    return evolve(spec, dual=True)


def leaf(spec, number=1):
    """The certificate that clients of a broker see."""
    (node,) = (node for node in lay_out(spec, frame()) if node.id == broker(number))
    (found,) = (leaf for leaf in node.leaves if leaf.path == CLIENT_LEAF)
    return found


@pytest.mark.parametrize("other", [on_shared, dual], ids=["a shared address", "IPv6"])
def test_other_places_for_clients_change_the_brokers_and_taking_them_out_changes_them_back(other):
    spec = desired()
    assert changed(spec, other(spec)) == BROKERS
    bare = tuple(evolve(place, shared=None) for place in other(spec).nodes)
    assert changed(spec, evolve(other(spec), nodes=bare, dual=False)) == set()


def test_on_a_shared_address_clients_come_in_there_with_a_certificate_for_it():
    (node,) = (node for node in lay_out(on_shared(desired()), frame()) if node.id == broker(2))
    own = desired().place(broker(2)).endpoint.address
    assert node.sockets == {
        "REPLICATION_SECURE": (own, 9093),
        "CLIENT": ("192.0.2.2", 21002),
        "CLIENT_SECURE": ("192.0.2.2", 21102),
    }
    assert (node.address, node.ports) == (own, {"REPLICATION_SECURE": 9093})
    assert leaf(on_shared(desired()), 2).addresses == ("192.0.2.2",)
    (inner,) = (leaf for leaf in node.leaves if leaf.path == INNER_LEAF)
    assert inner.addresses == (own,)


def test_over_ipv6_the_same_certificate_has_further_addresses_and_names():
    plain, more = leaf(desired()), leaf(dual(desired()))
    assert more.addresses == (*plain.addresses, "fd00::1")
    (name,) = set(more.names) - set(plain.names)
    assert name.startswith("bi6-1.orders.")
    assert "localhost" in leaf(dual(on_shared(desired(), "127.0.0.1"))).names
    lines = told(lay_out(dual(desired()), frame()), "broker-1")
    assert lines["listener.name.client_secure_ipv6.ssl.keystore.location"] == f"@node@/{CLIENT_LEAF}"
    assert lines["advertised.listeners"].endswith("CLIENT_SECURE_IPV6://[fd00::1]:20094")


def test_nothing_is_laid_out_before_every_address_over_ipv6_is_written_down():
    spec = dual(desired())
    assert lay_out(spec.with_place(evolve(spec.place(broker(3)), ipv6=None)), frame()) == ()


def test_hosts_have_a_line_for_each_way_to_a_broker():
    spec = dual(on_shared(desired()))
    lines = [(address, name.partition(".")[0]) for address, name in hosts(spec)]
    assert lines[:2] == [("192.0.2.2", "b-1"), ("fd00::1", "bi6-1")]
    assert len(lines) == 6
    assert hosts(desired(placed=False)) == ()


@pytest.mark.parametrize(
    "facts", [{"tags": {"team": "blue"}}, {"volume_gib": 200}, {"api": {"EnhancedMonitoring": "PER_BROKER"}}]
)
def test_facts_that_no_process_reads_restart_nobody(facts):
    assert changed(desired(), desired(**facts)) == set()


def told(layout, name):
    """The lines of a node's server.properties."""
    node = next(node for node in layout if node.id.name == name)
    (content,) = (file.content for file in node.files if file.path == SERVER_PROPERTIES)
    return dict(line.split("=", 1) for line in content.decode().splitlines())


def test_a_configuration_reaches_the_nodes_that_read_it():
    user = {"num.partitions": "12", "num.network.threads": "9", "min.insync.replicas": "1"}
    layout = lay_out(desired(), frame(user=user))
    assert user.items() <= told(layout, "broker-2").items()
    controller = told(layout, "controller-10001")
    assert (controller["num.partitions"], controller["min.insync.replicas"]) == ("12", "1")
    assert controller["num.network.threads"] == "1"


def test_what_kafka_takes_at_run_time_restarts_nobody():
    live = {"log.retention.ms": "1000", "num.io.threads": "16", "min.insync.replicas": "1"}
    assert revisions(desired(), user=live) == revisions(desired())
    assert told(lay_out(desired(), frame(user=live)), "broker-1")["num.io.threads"] == "16"


@pytest.mark.parametrize(("key", "nodes"), [("num.partitions", ALL), ("connections.max.idle.ms", BROKERS)])
def test_what_only_a_restart_applies_restarts_the_nodes_that_read_it(key, nodes):
    one, two = revisions(desired(), user={key: "1"}), revisions(desired(), user={key: "2"})
    assert {name for name in one if one[name] != two[name]} == nodes
    assert {name for name in one if one[name] != revisions(desired())[name]} == nodes


def test_names_of_a_users_own_restart_brokers_alone_and_are_in_their_certificates():
    user = {"custom.advertised.listeners": "CLIENT_SECURE://b-{broker_id}.my.domain:9000+{broker_id}"}
    plain, named = revisions(desired()), revisions(desired(), user=user)
    assert {name for name in plain if plain[name] != named[name]} == BROKERS
    for node in lay_out(desired(), frame(user=user)):
        names = [leaf.names for leaf in node.leaves if leaf.path == CLIENT_LEAF]
        assert all(f"b-{node.id.number}.my.domain" in each for each in names)
        assert len(names) == (node.id.role is Role.BROKER)


def test_no_configuration_moves_a_node_from_its_place():
    """Whatever the lists let through by mistake: what keeps a cluster safe is written last."""
    layout = lay_out(desired(), frame())
    own = told(layout, "broker-1")
    safe = {key: "no" for key in own if "listener" in key or key in ("node.id", "log.dirs", "authorizer.class.name")}
    place = desired().place(broker(1))
    content = server_properties(
        desired(), place, authorizer="penstock.Authorizer", cores=2, unclean_leader_election=False, user=safe
    )
    assert dict(line.split("=", 1) for line in content.decode().splitlines()) == own


def test_controllers_have_volumes_of_their_own_size_whatever_brokers_have():
    sizes = {node.id.role: node.resources.volume_gib for node in lay_out(desired(volume_gib=1000), frame())}
    assert sizes == {Role.BROKER: 1000, Role.CONTROLLER: 4}


def test_a_cluster_is_laid_out_whole_or_not_at_all():
    spec = desired()
    assert lay_out(desired(placed=False), frame()) == ()
    assert lay_out(spec.with_place(evolve(spec.place(broker(1)), endpoint=None)), frame()) == ()
    assert lay_out(desired(removed=True), frame()) == ()


def test_inner_certificates_come_from_the_clusters_own_authority_and_clients_from_the_home():
    for node in lay_out(desired(), frame()):
        leaves = {leaf.path: leaf for leaf in node.leaves}
        assert leaves[INNER_LEAF].issuer is Issuer.CLUSTER
        assert leaves[INNER_LEAF].applies is Applies.START
        assert node.address in leaves[INNER_LEAF].addresses
        if node.id.role is Role.BROKER:
            assert leaves[CLIENT_LEAF].issuer is Issuer.HOME
            assert leaves[CLIENT_LEAF].applies is Applies.LIVE
        else:
            assert CLIENT_LEAF not in leaves


def test_without_tls_clients_there_is_no_client_certificate():
    for node in lay_out(desired(client_broker=ClientBroker.PLAINTEXT), frame()):
        assert [leaf.path for leaf in node.leaves] == [INNER_LEAF]


def test_names_have_the_shape_of_msk():
    spec = desired(name="Orders-EU-1")
    name = dns_name(spec, spec.place(broker(2)))
    assert name.startswith("b-2.orderseu1.")
    assert name.endswith(".c1.kafka.us-east-1.amazonaws.com")
