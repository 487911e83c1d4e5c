"""server.properties: what every node is told, what a user may change of it, and what nobody may."""

import re
from datetime import UTC, datetime

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from penstock.kafka.listeners import standard_ports
from penstock.kafka.placement import new_nodes
from penstock.kafka.properties import keystore_location, log4j2_properties, render, server_properties
from penstock.model.ids import ClusterId, NodeId, Role
from penstock.model.spec import ClientBroker, ClusterSpec, Endpoint, Subnet

CLUSTER = ClusterId("6ba7b810-9dad-4d11-80b4-00c04fd430c8-1")
AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


def address_of(node):
    return f"127.64.0.{node.number}" if node.role is Role.BROKER else f"127.64.1.{node.number - 10000}"


def cluster(zones=3, brokers=3, client_broker=ClientBroker.TLS_PLAINTEXT):
    subnets = tuple(Subnet(f"subnet-{n}", f"use1-az{n}") for n in range(1, zones + 1))
    nodes = tuple(
        evolve(place, endpoint=Endpoint(address_of(place.id), standard_ports(place.id.role, client_broker)))
        for place in new_nodes(CLUSTER, subnets, brokers)
    )
    return ClusterSpec(
        id=CLUSTER,
        arn="arn:aws:kafka:us-east-1:000000000000:cluster/orders/x",
        name="orders",
        account="000000000000",
        region="us-east-1",
        kafka_id="4L6g3nShT-eMCtK--X86sw",
        kafka_version="4.3.x.kraft",
        client_broker=client_broker,
        instance_type="kafka.m5.large",
        volume_gib=10,
        subnets=subnets,
        nodes=nodes,
        created=datetime(2026, 11, 20, tzinfo=UTC),
    )


def told(spec, role=Role.BROKER, number=1, **changed):
    """What the node reads, as Java would read it."""
    asked = {"authorizer": AUTHORIZER, "cores": 2, "unclean_leader_election": False} | changed
    place = spec.place(NodeId(CLUSTER, role, number))
    return read(server_properties(spec, place, **asked))


def read(content):
    """Java's reading of a properties file without continuation lines and comments."""

    def unescaped(text):
        units = re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), text)
        plain = re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}.get(m[1], m[1]), units)
        return plain.encode("utf-16", "surrogatepass").decode("utf-16")

    found = {}
    for line in content.decode("latin-1").split("\n")[:-1]:
        # The first `=` that no odd number of backslashes escapes.
        key, value = re.fullmatch(r"((?:[^\\=]|\\.)*)=(.*)", line).groups()
        assert key not in found
        found[unescaped(key)] = unescaped(value)
    return found


def test_names_of_a_users_own_are_advertised_and_nothing_else_changes():
    own = "CLIENT_SECURE://b-{broker_id}.my.domain:9000+{broker_id}"
    plain, lines = told(cluster(), number=2), told(cluster(), number=2, user={"custom.advertised.listeners": own})
    assert lines == {**plain, "advertised.listeners": lines["advertised.listeners"]}
    assert lines["advertised.listeners"] == (
        "REPLICATION_SECURE://127.64.0.2:9093,CLIENT://127.64.0.2:9092,CLIENT_SECURE://b-2.my.domain:9002"
    )


def test_a_broker_knows_its_place_and_its_quorum():
    lines = told(cluster(), number=2)
    assert (lines["process.roles"], lines["node.id"], lines["broker.rack"]) == ("broker", "2", "use1-az2")
    assert lines["listeners"] == lines["advertised.listeners"]
    assert lines["controller.quorum.bootstrap.servers"] == "127.64.1.1:9093,127.64.1.2:9093,127.64.1.3:9093"
    assert lines["inter.broker.listener.name"] == "REPLICATION_SECURE"
    assert lines["log.dirs"] == "@volume@"
    assert lines["num.recovery.threads.per.data.dir"] == "2"


def test_a_static_quorum_is_named_voter_by_voter():
    lines = told(cluster(), dynamic_quorum=False)
    assert lines["controller.quorum.voters"].startswith("10001@127.64.1.1:9093,10002@")
    assert "controller.quorum.bootstrap.servers" not in lines


@pytest.mark.parametrize(
    ("zones", "brokers", "copies", "enough"), [(3, 3, "3", "2"), (2, 4, "2", "1"), (1, 3, "3", "2"), (1, 1, "1", "1")]
)
@pytest.mark.parametrize(("role", "number"), [(Role.BROKER, 1), (Role.CONTROLLER, 10001)])
def test_copies_follow_the_zones_on_brokers_and_controllers_alike(zones, brokers, copies, enough, role, number):
    lines = told(cluster(zones, brokers), role, number)
    assert (lines["default.replication.factor"], lines["min.insync.replicas"]) == (copies, enough)
    assert lines["offsets.topic.replication.factor"] == lines["transaction.state.log.replication.factor"] == copies
    assert lines["transaction.state.log.min.isr"] == enough


def test_more_brokers_are_no_reason_to_restart_those_that_are():
    assert told(cluster(2, 2)) == told(cluster(2, 6))


@pytest.mark.parametrize(("asked", "written"), [(True, "true"), (False, "false")])
def test_unclean_election_is_as_decided_on_controllers_too(asked, written):
    for role, number in ((Role.BROKER, 1), (Role.CONTROLLER, 10002)):
        assert told(cluster(), role, number, unclean_leader_election=asked)["unclean.leader.election.enable"] == written


def test_the_marked_names_are_super_users_and_no_others():
    for role, number in ((Role.BROKER, 1), (Role.CONTROLLER, 10001)):
        lines = told(cluster(), role, number)
        assert lines["super.users"] == "User:\u00a7node;User:\u00a7plane"
        assert lines["authorizer.class.name"] == AUTHORIZER
        assert lines["allow.everyone.if.no.acl.found"] == "true"


def test_only_certificates_of_nodes_and_of_the_plane_become_marked_names():
    rule = told(cluster())["listener.name.replication_secure.ssl.principal.mapping.rules"]
    pattern, name = re.fullmatch(r"RULE:(.*)/(.*)/", rule).groups()
    assert name == "\u00a7$1"
    for subject, mapped in (("CN=node-1", "node"), ("CN=node-10001", "node"), ("CN=plane", "plane")):
        assert re.match(pattern, subject)[1] == mapped
    for stranger in ("CN=orders-client", "CN=node-1,O=x", "CN=xnode-1", "CN=node-1x", "O=node-1"):
        assert re.match(pattern, stranger) is None


def test_inner_listeners_ask_for_a_certificate_and_the_client_listener_does_not():
    lines = told(cluster())
    assert lines["listener.name.replication_secure.ssl.client.auth"] == "required"
    assert lines["listener.name.controller.ssl.client.auth"] == "required"
    assert lines["listener.name.client_secure.ssl.client.auth"] == "none"
    assert lines[keystore_location("CLIENT_SECURE")] == "@node@/client.pem"
    assert lines[keystore_location("CONTROLLER")] == lines[keystore_location("REPLICATION_SECURE")]


def test_without_client_tls_there_is_no_client_key_store():
    assert keystore_location("CLIENT_SECURE") not in told(cluster(client_broker=ClientBroker.PLAINTEXT))


def test_a_controller_has_no_line_about_clients_or_brokers_listeners():
    lines = told(cluster(), Role.CONTROLLER, 10001)
    assert not [key for key in lines if "client_secure" in key or "replication_secure" in key]
    assert not {"advertised.listeners", "broker.rack", "inter.broker.listener.name"} & lines.keys()
    assert lines["num.network.threads"] == "1"


def test_dead_nodes_are_noticed_in_three_seconds():
    lines = told(cluster())
    assert (lines["broker.session.timeout.ms"], lines["broker.heartbeat.interval.ms"]) == ("3000", "500")


def test_a_users_properties_win_over_defaults_and_never_over_what_keeps_the_cluster_whole():
    user = {
        "num.io.threads": "16",
        "listeners": "CLIENT://0.0.0.0:1",
        "super.users": "User:me",
        "log.retention.ms": "1",
    }
    plain, changed = told(cluster()), told(cluster(), user=user)
    assert {key for key in changed if changed[key] != plain.get(key)} == {"num.io.threads", "log.retention.ms"}


def test_a_node_without_an_address_has_no_file():
    spec = cluster()
    homeless = spec.with_place(evolve(spec.brokers[0], endpoint=None))
    with pytest.raises(ValueError, match="no address yet"):
        told(homeless)


def test_the_file_is_ascii_whatever_it_says():
    assert render({"super.users": "User:\u00a7node"}) == b"super.users=User:\\u00a7node\n"


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.text(st.characters(exclude_categories=["Cs"])),
        max_size=4,
    )
)
def test_java_reads_back_what_was_meant(properties):
    content = render(properties)
    assert content.isascii()
    assert read(content) == properties


def test_the_log_goes_to_standard_output_in_kafkas_pattern():
    lines = read(log4j2_properties())
    assert lines["appender.stdout.target"] == "SYSTEM_OUT"
    assert lines["appender.stdout.layout.pattern"] == "[%d] %p %m (%c)%n"
    assert lines["rootLogger.level"] == "INFO"
    quiet = {lines[key.replace(".level", ".name")] for key in lines if re.fullmatch(r"logger\..*\.level", key)}
    assert "kafka.request.logger" in quiet
