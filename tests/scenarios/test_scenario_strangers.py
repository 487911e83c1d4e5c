"""What strangers try, and what becomes of it: on client listeners, on inner listeners, at the API."""

from __future__ import annotations

import socket
import ssl
import struct
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import boto3
import botocore.auth
import httpx
import pytest
from attrs import evolve
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from kafka.protocol.admin import AlterConfigsRequest, IncrementalAlterConfigsRequest, UpdateFeaturesRequest
from kafka.protocol.consumer import FetchRequest
from kafka.protocol.metadata import ApiVersionsRequest
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Plane, until

from penstock.kafka.messages import UnregisterBrokerRequest
from penstock.kafka.properties import CLIENT_LEAF, INNER_LEAF
from penstock.kafka.wire import Connection, KafkaUnreachable
from penstock.model.ids import ClusterId
from penstock.store.seal import load_key
from penstock.store.store import Store

TOPIC_REFUSED, CLUSTER_REFUSED = 29, 31
BROKER, TOPIC = 4, 2
WRITE_TXN_MARKERS, ADD_VOTER, REMOVE_VOTER = 27, 80, 81
FOR_NOBODY = {"Vote": 52, "BeginQuorumEpoch": 53, "AlterPartition": 56, "Envelope": 58, "BrokerRegistration": 62}
"""Requests that Kafka takes on no client listener: it ends the connection."""


def address(cluster: Cluster, node: str, listener: str) -> tuple[str, int]:
    label = cluster.record(node, "node")
    return label["address"], label["ports"][listener]


def trusting(cluster: Cluster) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=cluster.client("tls")["ssl.ca.location"])


def stranger(cluster: Cluster, listener: str) -> Connection:
    """An anonymous client."""
    tls = trusting(cluster) if listener == "CLIENT_SECURE" else None
    return Connection.connect(*address(cluster, "broker-1", listener), tls, within=15)


def said(stream: socket.socket, api: int, body: bytes, version: int = 0) -> bytes:
    """The answer to a raw frame of a flexible version, without length and correlation id; empty where the connection ends."""
    frame = struct.pack(">hhih", api, version, 1, -1) + b"\0" + body
    stream.settimeout(15)
    try:
        stream.sendall(struct.pack(">i", len(frame)) + frame)
        return stream.recv(4096)[8:]
    except ConnectionError:
        return b""


def set_config(opened: Connection, kind: int, name: str, key: str, value: str) -> int:
    resource: Any = IncrementalAlterConfigsRequest.AlterConfigsResource
    change = resource.AlterableConfig(name=key, config_operation=0, value=value)
    asked: Any = IncrementalAlterConfigsRequest(
        resources=[resource(resource_type=kind, resource_name=name, configs=[change])], validate_only=False
    )
    return int(opened.call(asked, 1, 15).responses[0].error_code)


@pytest.mark.parametrize("listener", ["CLIENT", "CLIENT_SECURE"])
def test_an_anonymous_client_cannot_break_the_cluster(orders: Cluster, listener: str) -> None:
    config, pids = orders.client("plaintext"), orders.pids()
    topic = f"attacked-{listener.lower()}"
    make_topic(config, topic, 1)
    with loaded(config, topic, 1) as load, stranger(orders, listener) as opened:
        assert opened.call(UnregisterBrokerRequest(broker_id=2), 0, 15).error_code == CLUSTER_REFUSED
        update: Any = UpdateFeaturesRequest.FeatureUpdateKey
        lower = update(feature="group.version", max_version_level=0, upgrade_type=3)
        features: Any = UpdateFeaturesRequest(timeout_ms=5000, feature_updates=[lower], validate_only=False)
        assert opened.call(features, 1, 15).error_code == CLUSTER_REFUSED
        mapping = "listener.name.replication_secure.ssl.principal.mapping.rules"
        assert set_config(opened, BROKER, "1", mapping, "RULE:^.*$/\u00a7plane/") == CLUSTER_REFUSED
        assert set_config(opened, BROKER, "", "log.retention.ms", "1") == CLUSTER_REFUSED
        legacy: Any = AlterConfigsRequest.AlterConfigsResource
        change = legacy.AlterableConfig(name="log.retention.ms", value="1")
        whole: Any = AlterConfigsRequest(
            resources=[legacy(resource_type=BROKER, resource_name="1", configs=[change])], validate_only=False
        )
        assert opened.call(whole, 1, 15).responses[0].error_code == CLUSTER_REFUSED
        wanted: Any = FetchRequest.FetchTopic
        part = wanted.FetchPartition(
            partition=0, current_leader_epoch=-1, fetch_offset=0, last_fetched_epoch=-1, log_start_offset=0,
            partition_max_bytes=1000,
        )  # fmt: skip
        as_replica: Any = FetchRequest(
            replica_id=2, max_wait_ms=100, min_bytes=1, max_bytes=1000, isolation_level=0, session_id=0,
            session_epoch=-1, topics=[wanted(topic=topic, partitions=[part])], forgotten_topics_data=[], rack_id="",
        )  # fmt: skip
        assert opened.call(as_replica, 12, 15).responses[0].partitions[0].error_code == TOPIC_REFUSED
    check(config, topic, 1, [load])
    assert orders.pids() == pids
    assert orders.state == "ACTIVE"


@pytest.mark.parametrize("listener", ["CLIENT", "CLIENT_SECURE"])
def test_an_anonymous_client_cannot_act_as_a_node(orders: Cluster, listener: str) -> None:
    host, port = address(orders, "broker-1", listener)

    def stream() -> socket.socket:
        plain = socket.create_connection((host, port), timeout=15)
        return trusting(orders).wrap_socket(plain, server_hostname=host) if listener == "CLIENT_SECURE" else plain

    voter = struct.pack(">i", 10002) + UUID(int=7).bytes
    for api, body in (
        (REMOVE_VOTER, b"\0" + voter + b"\0"),
        (ADD_VOTER, b"\0" + struct.pack(">i", 5000) + voter + b"\x01\0"),
    ):
        with stream() as opened:
            answer = said(opened, api, body)
            # tags, throttle time, error code
            assert struct.unpack_from(">h", answer, 1 + 4)[0] == CLUSTER_REFUSED
    # One marker of producer 1, epoch 0, committed, for partition 0 of topic `t`, by coordinator epoch 0; tags all around.
    marker = (
        struct.pack(">qhb", 1, 0, 1)
        + b"\x02"
        + b"\x02t"
        + b"\x02"
        + struct.pack(">i", 0)
        + b"\0"
        + struct.pack(">i", 0)
        + b"\0"
    )
    with stream() as opened:
        assert struct.pack(">h", CLUSTER_REFUSED) in said(
            opened, WRITE_TXN_MARKERS, b"\x02" + marker + b"\0", version=1
        )
    for name, api in FOR_NOBODY.items():
        with stream() as opened:
            assert said(opened, api, b"\0" * 64) == b"", f"{name} was answered on {listener}"


def test_what_belongs_to_clients_stays_theirs(orders: Cluster) -> None:
    """ACL tools and SCRAM administration work, and so do topic settings."""
    admin = AdminClient({**orders.client("tls"), "log_level": 2})
    rule = AclBinding(
        ResourceType.TOPIC,
        "reports",
        ResourcePatternType.LITERAL,
        "User:alice",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    (made,) = admin.create_acls([rule]).values()
    made.result(15)
    every = AclBindingFilter(
        ResourceType.TOPIC, "reports", ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    until(lambda: admin.describe_acls(every).result(15) == [rule], "the rule is told")
    (gone,) = admin.delete_acls([every]).values()
    assert gone.result(15) == [rule]
    (user,) = admin.alter_user_scram_credentials(
        [UserScramCredentialUpsertion("alice", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"a secret")]
    ).values()
    user.result(15)

    def mechanisms() -> list[ScramMechanism]:
        try:
            told = admin.describe_user_scram_credentials(["alice"])["alice"].result(15)
        except KafkaException:
            return []  # the broker that is asked has not heard of it yet
        return [each.mechanism for each in told.scram_credential_infos]

    until(lambda: mechanisms() == [ScramMechanism.SCRAM_SHA_512], "the user is told")
    make_topic(orders.client("tls"), "reports-settings", 1)
    with stranger(orders, "CLIENT") as opened:
        assert set_config(opened, TOPIC, "reports-settings", "retention.ms", "1000000") == 0


@pytest.mark.parametrize(("node", "listener"), [("broker-1", "REPLICATION_SECURE"), ("controller-10001", "CONTROLLER")])
def test_inner_listeners_know_the_certificates_of_their_cluster_alone(
    orders: Cluster, node: str, listener: str
) -> None:
    files = orders.plane.home.path / "nodes" / orders.id

    def answered(leaf: str | None) -> bool:
        """Read after the handshake: with TLS 1.3 a refusal comes with the first answer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if leaf is not None:
            context.load_cert_chain(files / "broker-1" / "files" / leaf)
        try:
            with Connection.connect(*address(orders, node, listener), context, within=15) as opened:
                opened.call(ApiVersionsRequest(client_software_name="stranger", client_software_version="1"), 3, 15)
        except KafkaUnreachable:
            return False
        return True

    assert answered(INNER_LEAF), "even a certificate of the cluster gets no answer, so the refusals below prove nothing"
    assert not answered(None), "a client without a certificate got an answer"
    assert not answered(CLIENT_LEAF), "a client with a certificate of the client authority got an answer"


def test_effective_settings_keep_what_was_acknowledged(orders: Cluster) -> None:
    """Read back as brokers apply them: with ELR the controllers' own files decide (kafka.md)."""
    config = orders.client("tls")
    make_topic(config, "settings", 1)
    admin = AdminClient({**config, "log_level": 2})
    (asked,) = admin.describe_configs([ConfigResource("topic", "settings")]).values()
    told = {name: entry.value for name, entry in asked.result(15).items()}
    assert told["min.insync.replicas"] == "2"
    assert told["unclean.leader.election.enable"] == "false"


def test_a_renewed_client_certificate_is_served_and_nothing_restarts(orders: Cluster) -> None:
    def served() -> int:
        pem = ssl.get_server_certificate(address(orders, "broker-1", "CLIENT_SECURE"))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number

    home, pids, before = orders.plane.home.path, orders.pids(), served()
    config = orders.client("tls")
    make_topic(config, "renewed", 1)
    store = Store(f"sqlite:///{home / 'store.sqlite3'}", load_key(home / "key"))
    leaf = home / "nodes" / orders.id / "broker-1" / "files" / CLIENT_LEAF
    written = leaf.stat().st_mtime_ns
    with loaded(config, "renewed", 1) as load:
        try:
            with store.write() as rows:
                record = rows.clusters.get(ClusterId(orders.id))
                assert record is not None
                rows.clusters.put_spec(evolve(record.spec, leaves_after=datetime.now(UTC)), bump=False)
        finally:
            store.close()
        until(lambda: leaf.stat().st_mtime_ns != written, "a fresh certificate on disk", more=orders.said)
        until(lambda: served() != before, "the fresh certificate on the port", deadline=20, more=orders.said)
        load.advance()
    check(config, "renewed", 1, [load])
    assert orders.pids() == pids
    assert orders.state == "ACTIVE"


def test_the_api_refuses_whoever_does_not_sign_well(standing: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    env = standing.environment
    url = f"{env['AWS_ENDPOINT_URL_KAFKA']}/api/v2/clusters"

    def signed(when: timedelta = timedelta(), secret: str = env["AWS_SECRET_ACCESS_KEY"]) -> dict[str, str]:
        request = AWSRequest("GET", url)
        with monkeypatch.context() as patch:
            patch.setattr(
                botocore.auth, "get_current_datetime", lambda *_, **__: datetime.now(UTC).replace(tzinfo=None) + when
            )
            SigV4Auth(Credentials(env["AWS_ACCESS_KEY_ID"], secret), "kafka", env["AWS_REGION"]).add_auth(request)
        return dict(request.headers.items())

    assert httpx.get(url, headers=signed()).status_code == 200
    assert httpx.get(url).status_code == 403
    assert httpx.get(url, headers=signed(secret="wrong")).status_code == 403
    assert httpx.get(url, headers=signed(-timedelta(minutes=20))).status_code == 403
    assert httpx.get(f"{url}?maxResults=1", headers=signed()).status_code == 403
    unknown = boto3.client(
        "kafka", region_name="us-east-1", endpoint_url=env["AWS_ENDPOINT_URL_KAFKA"],
        aws_access_key_id="AKIAUNKNOWNUNKNOWN00", aws_secret_access_key="x",
    )  # fmt: skip
    with pytest.raises(ClientError) as refused:
        unknown.list_clusters_v2()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
