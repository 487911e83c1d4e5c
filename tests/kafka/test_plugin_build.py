"""Our jar: what a client may not do to the cluster, on real brokers, and how the jar is made."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from kafka.protocol.admin import (
    AlterClientQuotasRequest,
    CreateAclsRequest,
    DeleteAclsRequest,
    IncrementalAlterConfigsRequest,
    UpdateFeaturesRequest,
)
from kafka.protocol.consumer import FetchRequest
from kafka.protocol.metadata import MetadataRequest

from penstock.kafka import canary, plugin, questions, versions
from penstock.kafka.listeners import CLIENT, REPLICATION
from penstock.kafka.messages import UnregisterBrokerRequest
from penstock.kafka.rehearsal import Rehearsal, rehearsal
from penstock.kafka.runtime import Runtime, prepare
from penstock.kafka.wire import Connection, mutual_tls
from penstock.model.ids import FIRST_CONTROLLER, Role
from penstock.settings import default_cache

CACHE = Path(os.environ.get("PENSTOCK_CACHE") or default_cache())
TOPIC_REFUSED, CLUSTER_REFUSED, UNKNOWN_BROKER, UNKNOWN_VOTER, OTHER_CLUSTER = 29, 31, 102, 104, 125
ADD_VOTER, REMOVE_VOTER = 80, 81


@pytest.fixture(scope="module", params=list(versions.catalogue()))
def show(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A small real cluster of each version, with a topic that has a record."""
    runtime = prepare(request.param, CACHE)
    archives = {role: runtime.archives.flags(role, 256) for role in Role}
    folder = tmp_path_factory.mktemp("cluster") / "nodes"
    makes = {"auto.create.topics.enable": "true"}
    with rehearsal(runtime.java, runtime.kafka, runtime.plugin, folder, archives, makes) as running:
        running.use()
        yield running


@pytest.fixture
def stranger(show: Rehearsal) -> Iterator[Connection]:
    """An anonymous client on the plaintext listener."""
    with connection(show, CLIENT) as opened:
        yield opened


@pytest.fixture
def plane(show: Rehearsal) -> Iterator[Connection]:
    """The control plane on the inner listener, with its own certificate."""
    with connection(show, REPLICATION, mutual_tls(show.inner_ca, show.plane)) as opened:
        yield opened


def connection(show: Rehearsal, listener: str, tls: ssl.SSLContext | None = None) -> Connection:
    host, _, port = show.address(listener).rpartition(":")
    return Connection.connect(host, int(port), tls, within=5)


def call(opened: Connection, request: Any, version: int) -> Any:
    return opened.call(request, version, within=15)


def set_config(opened: Connection, kind: int, name: str, key: str, value: str) -> int:
    resource: Any = IncrementalAlterConfigsRequest.AlterConfigsResource
    change = resource.AlterableConfig(name=key, config_operation=0, value=value)
    asked = IncrementalAlterConfigsRequest(
        resources=[resource(resource_type=kind, resource_name=name, configs=[change])], validate_only=False
    )
    return int(call(opened, asked, 1).responses[0].error_code)


def becomes(asked: Callable[[], int], code: int) -> None:
    """What was ordered is known everywhere a moment later: asked again and again, the answer is that error code."""
    until = time.monotonic() + 30
    while (answer := asked()) != code:
        assert time.monotonic() < until, f"the error code stays {answer}, and {code} was to come"


def change_voters(show: Rehearsal, listener: str, api: int, tls: ssl.SSLContext | None = None) -> int:
    """AddRaftVoter or RemoveRaftVoter of a controller that does not exist, for another cluster; the error code."""
    cluster, node = b"\x02x", struct.pack(">i", FIRST_CONTROLLER + 7) + UUID(int=7).bytes
    body = cluster + struct.pack(">i", 5000) + node + b"\x01\0" if api == ADD_VOTER else cluster + node + b"\0"
    frame = struct.pack(">hhih", api, 0, 1, -1) + b"\0" + body
    host, _, port = show.address(listener).rpartition(":")
    plain = socket.create_connection((host, int(port)), timeout=15)
    with plain if tls is None else tls.wrap_socket(plain, server_hostname=host) as stream:
        stream.sendall(struct.pack(">i", len(frame)) + frame)
        answer = stream.recv(4096)
    # length, correlation id, tags, throttle time, error code
    return int(struct.unpack_from(">h", answer, 4 + 4 + 1 + 4)[0])


def test_a_stranger_cannot_unregister_a_broker(show: Rehearsal, stranger: Connection) -> None:
    assert call(stranger, UnregisterBrokerRequest(broker_id=1), 0).error_code == CLUSTER_REFUSED


def test_a_stranger_cannot_change_the_quorum(show: Rehearsal) -> None:
    assert change_voters(show, CLIENT, REMOVE_VOTER) == CLUSTER_REFUSED
    assert change_voters(show, CLIENT, ADD_VOTER) == CLUSTER_REFUSED


def test_a_stranger_cannot_change_features(stranger: Connection) -> None:
    update: Any = UpdateFeaturesRequest.FeatureUpdateKey
    lower = update(feature="group.version", max_version_level=0, upgrade_type=3)
    asked = UpdateFeaturesRequest(timeout_ms=5000, feature_updates=[lower], validate_only=False)
    assert call(stranger, asked, 1).error_code == CLUSTER_REFUSED


def test_a_stranger_cannot_rewrite_broker_settings(stranger: Connection) -> None:
    mapping = "listener.name.replication_secure.ssl.principal.mapping.rules"
    assert set_config(stranger, 4, "1", mapping, "RULE:^.*$/\u00a7plane/") == CLUSTER_REFUSED
    assert set_config(stranger, 4, "", "log.retention.ms", "1") == CLUSTER_REFUSED


def test_a_stranger_cannot_fetch_as_if_it_were_a_replica(stranger: Connection) -> None:
    topic: Any = FetchRequest.FetchTopic
    wanted = topic.FetchPartition(
        partition=0, current_leader_epoch=-1, fetch_offset=0, last_fetched_epoch=-1, log_start_offset=0,
        partition_max_bytes=1000,
    )  # fmt: skip
    asked = FetchRequest(
        replica_id=2, max_wait_ms=100, min_bytes=1, max_bytes=1000, isolation_level=0, session_id=0, session_epoch=-1,
        topics=[topic(topic="rehearsal", partitions=[wanted])], forgotten_topics_data=[], rack_id="",
    )  # fmt: skip
    answer = call(stranger, asked, 12)
    assert answer.responses[0].partitions[0].error_code == TOPIC_REFUSED


def produced(opened: Connection) -> int:
    return int(call(opened, canary.produce(0, 5000), canary.VERSION).responses[0].partition_responses[0].error_code)


def test_a_stranger_cannot_change_the_control_planes_own_topics(stranger: Connection, plane: Connection) -> None:
    made = call(plane, questions.create_topic(canary.TOPIC, 1, 1, canary.CONFIG, 5000), 7)
    assert made.topics[0].error_code == 0
    assert set_config(stranger, 2, canary.TOPIC, "retention.ms", "1") == TOPIC_REFUSED
    assert produced(stranger) == TOPIC_REFUSED
    grown = call(stranger, questions.add_partitions(canary.TOPIC, 9, 5000), 3)
    assert grown.results[0].error_code == TOPIC_REFUSED
    deleted = call(stranger, questions.delete_topic(canary.TOPIC, 5000), 6)
    assert deleted.responses[0].error_code == TOPIC_REFUSED
    assert make(stranger, "theirs") == 0
    assert call(stranger, questions.delete_topic("theirs", 5000), 6).responses[0].error_code == 0
    becomes(lambda: produced(plane), 0)  # the topic's leader takes office a moment after its making


def make(opened: Connection, topic: str) -> int:
    return int(call(opened, questions.create_topic(topic, 1, 1, {}, 5000), 7).topics[0].error_code)


def asked_for(opened: Connection, topic: str) -> int:
    """The error code of metadata that makes the topic where it is not there."""
    wanted = MetadataRequest(topics=[MetadataRequest.MetadataRequestTopic(name=topic)], allow_auto_topic_creation=True)
    return int(call(opened, wanted, 12).topics[0].error_code)


def there(opened: Connection) -> set[str]:
    return {topic.name for topic in call(opened, questions.topics(), 12).topics}


def rule(operation: int, kind: int, name: str, principal: str, permission: int) -> Any:
    """An ACL on one topic (kind 2), or on the cluster (4): ALLOW is 3, DENY is 2."""
    creation: Any = CreateAclsRequest.AclCreation
    return creation(
        resource_type=kind, resource_name=name, resource_pattern_type=3, principal=principal, host="*",
        operation=operation, permission_type=permission,
    )  # fmt: skip


def test_a_stranger_makes_topics_and_none_with_a_name_that_is_reserved(stranger: Connection) -> None:
    assert make(stranger, "__amazon_msk_theirs") == TOPIC_REFUSED
    assert make(stranger, "made") == 0
    assert asked_for(stranger, "__amazon_msk_asked_for") == TOPIC_REFUSED
    becomes(lambda: asked_for(stranger, "asked-for"), 0)
    present = there(stranger)
    assert {"made", "asked-for"} <= present
    assert not {name for name in present if name.startswith("__amazon_msk_")} - {canary.TOPIC}


def test_who_may_create_on_the_cluster_may_make_a_topic_that_is_anothers_and_nobody_else_may(
    stranger: Connection, plane: Connection
) -> None:
    """As in Kafka itself; an ACL on a topic keeps from it whoever it does not name."""
    create, allow, deny = 5, 3, 2
    rules = [
        rule(create, 2, "guarded", "User:alice", allow),
        rule(create, 4, "kafka-cluster", "User:ANONYMOUS", deny),
    ]
    assert [each.error_code for each in call(plane, CreateAclsRequest(creations=rules), 3).results] == [0, 0]
    becomes(lambda: make(stranger, "guarded"), TOPIC_REFUSED)
    assert make(stranger, "nobodys") == 0
    match: Any = DeleteAclsRequest.DeleteAclsFilter
    on_the_cluster = match(
        resource_type_filter=4, resource_name_filter=None, pattern_type_filter=1, principal_filter=None,
        host_filter=None, operation=1, permission_type=1,
    )  # fmt: skip
    assert call(plane, DeleteAclsRequest(filters=[on_the_cluster]), 3).filter_results[0].error_code == 0
    becomes(lambda: make(stranger, "guarded"), 0)


def test_what_belongs_to_clients_stays_theirs(stranger: Connection) -> None:
    assert set_config(stranger, 2, "rehearsal", "retention.ms", "1000000") == 0
    quota: Any = AlterClientQuotasRequest.EntryData
    entity = quota.EntityData(entity_type="user", entity_name="alice")
    change = quota.OpData(key="producer_byte_rate", value=1e6, remove=False)
    asked = AlterClientQuotasRequest(entries=[quota(entity=[entity], ops=[change])], validate_only=False)
    assert call(stranger, asked, 1).entries[0].error_code == 0
    allow = rule(3, 2, "other", "User:alice", 3)
    assert call(stranger, CreateAclsRequest(creations=[allow]), 3).results[0].error_code == 0


def test_the_control_plane_may_do_all_of_it(show: Rehearsal, plane: Connection) -> None:
    # Each is let through and then fails on its own merits, so nothing is changed.
    assert call(plane, UnregisterBrokerRequest(broker_id=99), 0).error_code == UNKNOWN_BROKER
    tls = mutual_tls(show.inner_ca, show.plane)
    assert change_voters(show, REPLICATION, REMOVE_VOTER, tls) not in (0, CLUSTER_REFUSED)
    assert set_config(plane, 4, "1", "num.io.threads", "9") == 0


def test_the_jar_is_the_same_bytes_each_time_it_is_made(tmp_path: Path) -> None:
    runtime = prepare(next(iter(versions.catalogue())), CACHE)
    content = compile_with(runtime, plugin.SOURCES)
    shipped = plugin.ensure(runtime.java, CACHE)
    assert content == shipped.read_bytes()
    with zipfile.ZipFile(shipped) as jar:
        assert jar.namelist() == ["META-INF/MANIFEST.MF", "penstock/Authorizer.class"]
        magic, minor, major = struct.unpack_from(">IHH", jar.read("penstock/Authorizer.class"))
    assert (magic, minor, major) == (0xCAFEBABE, 0, 44 + plugin.RELEASE)
    assert plugin.made_from(shipped) == plugin.digest(plugin.SOURCES)


def test_a_changed_source_makes_the_jar_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = prepare(next(iter(versions.catalogue())), CACHE)
    sources = tmp_path / "src" / "penstock"
    sources.mkdir(parents=True)
    text = (plugin.SOURCES / "penstock" / "Authorizer.java").read_text()
    (sources / "Authorizer.java").write_text(text)
    monkeypatch.setattr(plugin, "SOURCES", tmp_path / "src")
    monkeypatch.setattr(plugin, "SHIPPED", tmp_path / plugin.FILE)
    before = plugin.ensure(runtime.java, CACHE).read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [plugin.FILE]
    made = (tmp_path / plugin.FILE).stat().st_mtime_ns
    assert plugin.ensure(runtime.java, CACHE).stat().st_mtime_ns == made, "an unchanged source was compiled again"
    (sources / "Authorizer.java").write_text(text.replace("        30,", "        29, 30,"))
    assert plugin.ensure(runtime.java, CACHE).read_bytes() != before


def test_a_source_that_does_not_compile_says_where(tmp_path: Path) -> None:
    runtime = prepare(next(iter(versions.catalogue())), CACHE)
    (tmp_path / "Broken.java").write_text("class Broken { int x = nothing; }")
    with pytest.raises(plugin.PluginError, match=r"(?s)does not compile.*Broken\.java.*nothing"):
        compile_with(runtime, tmp_path)


def test_a_wheel_without_its_jar_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = prepare(next(iter(versions.catalogue())), CACHE)
    monkeypatch.setattr(plugin, "SOURCES", tmp_path / "none")
    monkeypatch.setattr(plugin, "SHIPPED", tmp_path / plugin.FILE)
    with pytest.raises(plugin.PluginError, match="install Penstock again"):
        plugin.ensure(runtime.java, CACHE)


def compile_with(runtime: Runtime, sources: Path) -> bytes:
    return plugin.build(runtime.java, sources, runtime.kafka.jars, plugin.compiler(CACHE))
