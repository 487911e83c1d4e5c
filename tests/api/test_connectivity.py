"""UpdateConnectivity through a stock client, up to the moment in which the loop takes over."""

from __future__ import annotations

import pytest
from attrs import evolve
from botocore.exceptions import ClientError

from penstock.kafka.listeners import ipv6_ports
from penstock.model.spec import Endpoint

DUAL = {"NetworkType": "DUAL"}
NO = {"Enabled": False}
OFF = {"VpcConnectivity": {"ClientAuthentication": {"Sasl": {"Scram": NO, "Iam": NO}, "Tls": NO}}}


@pytest.fixture
def cluster(kafka, wish, loop):
    """ARN of a cluster that is ACTIVE, with both client listeners."""
    both = {"EncryptionInTransit": {"ClientBroker": "TLS_PLAINTEXT"}}
    arn = kafka.create_cluster(**wish(EncryptionInfo=both))["ClusterArn"]
    loop.serve(arn)
    return arn


@pytest.fixture
def no_ipv6(loop):
    loop.no_ipv6 = "Brokers cannot listen on IPv6: it is switched off; switch it on."
    yield
    loop.no_ipv6 = None


def change(loop, arn, **facts):
    """The cluster is another one, without anybody having called."""
    with loop._store.write() as tx:
        tx.clusters.put_spec(evolve(tx.clusters.by_arn(arn).spec, **facts), bump=False)


def describe(kafka, arn):
    return kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]


def update(kafka, arn, **members):
    return kafka.update_connectivity(ClusterArn=arn, CurrentVersion=describe(kafka, arn)["CurrentVersion"], **members)


def refused(kafka, arn, **members):
    before = describe(kafka, arn)
    with pytest.raises(ClientError) as error:
        update(kafka, arn, **members)
    assert describe(kafka, arn) == before
    answer = error.value.response
    assert answer["Error"]["Code"] == "BadRequestException"
    return answer["InvalidParameter"], answer["Message"]


def test_dual_stack_is_an_operation_whose_result_shows_when_it_is_done(kafka, cluster, loop, rooms):
    before = describe(kafka, cluster)
    answer = update(kafka, cluster, ConnectivityInfo=DUAL)
    during = describe(kafka, cluster)
    assert during["State"] == "UPDATING"
    assert during["BrokerNodeGroupInfo"] == before["BrokerNodeGroupInfo"]
    info = kafka.describe_cluster_operation(ClusterOperationArn=answer["ClusterOperationArn"])["ClusterOperationInfo"]
    assert info["OperationType"] == "UPDATE_CONNECTIVITY"
    assert info["SourceClusterInfo"] == {"ConnectivityInfo": {"NetworkType": "IPV4"}}
    assert info["TargetClusterInfo"] == {"ConnectivityInfo": DUAL}
    spec = loop.spec(cluster)
    assert spec.dual
    with rooms.store.read() as tx:
        assert tx.operations.current(spec.id).target["before"] == {"dual": False}


def with_addresses(loop, arn):
    """Every broker has its listeners over IPv6, and this is shown."""
    spec = loop.spec(arn)
    nodes = tuple(
        evolve(place, ipv6=Endpoint(f"fd00::{n}", ipv6_ports(spec.client_broker))) if place in spec.brokers else place
        for n, place in enumerate(spec.nodes, start=1)
    )
    group = spec.api["BrokerNodeGroupInfo"]
    shown = {**spec.api, "BrokerNodeGroupInfo": {**group, "ConnectivityInfo": DUAL}}
    change(loop, arn, nodes=nodes, dual=True, api=shown)


def test_a_cluster_with_dual_stack_has_strings_of_its_own_for_ipv6(kafka, cluster, loop):
    before = kafka.get_bootstrap_brokers(ClusterArn=cluster)
    with_addresses(loop, cluster)
    after = kafka.get_bootstrap_brokers(ClusterArn=cluster)
    assert after["BootstrapBrokerStringIpv6"] == "[fd00::1]:20092,[fd00::2]:20092,[fd00::3]:20092"
    assert after["BootstrapBrokerStringTlsIpv6"] == "[fd00::1]:20094,[fd00::2]:20094,[fd00::3]:20094"
    assert {name: after[name] for name in before if name.startswith("Boot")} == {
        name: value for name, value in before.items() if name.startswith("Boot")
    }
    nodes = kafka.list_nodes(ClusterArn=cluster)["NodeInfoList"]
    assert nodes[0]["BrokerNodeInfo"]["Endpoints"] == ["127.64.0.10", "fd00::1"]
    assert nodes[-1]["ControllerNodeInfo"]["Endpoints"] == ["127.64.0.15"]


def test_the_strings_come_when_the_update_is_done_and_not_before(kafka, cluster, loop):
    with_addresses(loop, cluster)
    change(loop, cluster, api={**loop.spec(cluster).api, "BrokerNodeGroupInfo": {}})
    assert "BootstrapBrokerStringIpv6" not in kafka.get_bootstrap_brokers(ClusterArn=cluster)


def test_there_is_no_way_back_and_the_same_again_is_no_update(kafka, cluster, loop):
    assert "nothing to change" in refused(kafka, cluster, ConnectivityInfo={"NetworkType": "IPV4"})[1]
    with_addresses(loop, cluster)
    assert refused(kafka, cluster, ConnectivityInfo=DUAL) == (
        "connectivityInfo",
        "connectivityInfo: the value is identical to the current value: the cluster has this connectivity already; there is "
        "nothing to change.",
    )
    assert "cannot go back to IPV4" in refused(kafka, cluster, ConnectivityInfo={"NetworkType": "IPV4"})[1]


def enabled(*way):
    """Multi-VPC connectivity with one way of authentication on."""
    member = {"Enabled": True}
    for name in reversed(("VpcConnectivity", "ClientAuthentication", *way)):
        member = {name: member}
    return member


@pytest.mark.parametrize(
    ("members", "path", "words"),
    [
        ({}, "connectivityInfo", "does not include any updates"),
        ({"ConnectivityInfo": {}}, "connectivityInfo", "does not include any updates"),
        ({"ConnectivityInfo": {"PublicAccess": {"Type": "DISABLED"}}}, "connectivityInfo", "nothing to change"),
        # As Terraform asks right after a create, where the block is there and all is off in it; MSK refuses it in these words.
        ({"ConnectivityInfo": OFF}, "connectivityInfo", "identical to the current value"),
        (
            {"ConnectivityInfo": {"PublicAccess": {"Type": "DISABLED"}, **OFF}},
            "connectivityInfo",
            "identical to the current",
        ),
        (
            {"ConnectivityInfo": {"PublicAccess": {"Type": "ON"}}},
            "connectivityInfo.publicAccess.type",
            "'ON' is neither",
        ),
        (
            {"ConnectivityInfo": {**DUAL, "PublicAccess": {"Type": "SERVICE_PROVIDED_EIPS"}}},
            "connectivityInfo.publicAccess.type",
            "lets nobody in unauthenticated",
        ),
        *(
            (
                {"ConnectivityInfo": {**DUAL, **enabled(*way)}},
                f"connectivityInfo.vpcConnectivity.clientAuthentication.{'.'.join(way).lower()}.enabled",
                "multi-VPC connectivity",
            )
            for way in (("Sasl", "Iam"), ("Sasl", "Scram"), ("Tls",))
        ),
        ({"ZookeeperAccess": {"Enabled": True}}, "zookeeperAccess", "has no ZooKeeper"),
        ({"ConnectivityInfo": DUAL, "ZookeeperAccess": {"Enabled": False}}, "zookeeperAccess", "has no ZooKeeper"),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_reason(kafka, cluster, members, path, words):
    parameter, message = refused(kafka, cluster, **members)
    assert parameter == path
    assert message.startswith(f"{path}: ")
    assert words in message


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"kafka_version": "3.5.1"}, "needs Kafka 3.6 or newer, and the cluster runs 3.5.1"),
        ({"instance_type": "kafka.t3.small"}, "not offered for kafka.t3.small"),
    ],
)
def test_clusters_that_msk_does_not_offer_it_for(kafka, cluster, loop, facts, words):
    change(loop, cluster, **facts)
    parameter, message = refused(kafka, cluster, ConnectivityInfo=DUAL)
    assert parameter == "connectivityInfo.networkType"
    assert words in message


def test_a_machine_without_ipv6_is_told_before_anything_changes(kafka, cluster, no_ipv6, loop):
    assert refused(kafka, cluster, ConnectivityInfo=DUAL) == (
        "connectivityInfo.networkType",
        "connectivityInfo.networkType: Brokers cannot listen on IPv6: it is switched off; switch it on.",
    )
    assert not loop.spec(cluster).dual


def test_an_unknown_network_type_is_refused(kafka, cluster):
    assert "IPV4" in refused(kafka, cluster, ConnectivityInfo={"NetworkType": "IPV6"})[1]


def test_a_stale_version_is_refused(kafka, cluster):
    with pytest.raises(ClientError, match="is not the current version"):
        kafka.update_connectivity(ClusterArn=cluster, CurrentVersion="K0", ConnectivityInfo=DUAL)


def test_on_a_shared_address_the_strings_and_nodes_name_it(kafka, cluster, loop):
    spec = loop.spec(cluster)
    nodes = tuple(
        evolve(place, shared=Endpoint("192.0.2.2", {"CLIENT": 21000 + n, "CLIENT_SECURE": 21100 + n}))
        if place in spec.brokers
        else place
        for n, place in enumerate(spec.nodes)
    )
    change(loop, cluster, nodes=nodes)
    answer = kafka.get_bootstrap_brokers(ClusterArn=cluster)
    assert answer["BootstrapBrokerString"] == "192.0.2.2:21000,192.0.2.2:21001,192.0.2.2:21002"
    assert answer["BootstrapBrokerStringTls"] == "192.0.2.2:21100,192.0.2.2:21101,192.0.2.2:21102"
    shown = kafka.list_nodes(ClusterArn=cluster)["NodeInfoList"]
    assert shown[0]["BrokerNodeInfo"]["Endpoints"] == ["192.0.2.2"]
    assert shown[-1]["ControllerNodeInfo"]["Endpoints"] == ["127.64.0.15"]
