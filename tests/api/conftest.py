"""A control plane without its loop: the real gateway on a socket, the real store, stock boto3 clients.

One server for all tests; every test has an account of its own, so that no test sees what another one made. What the loop
would have written (states, addresses) the `loop` fixture writes."""

from __future__ import annotations

import itertools
import socket
import threading
from datetime import UTC, datetime

import boto3
import pytest
import uvicorn
from attrs import evolve
from botocore.config import Config
from fakes.memory_topics import MemoryTopics

from penstock.api.registry import handlers
from penstock.api.rooms import Rooms
from penstock.kafka.listeners import standard_ports
from penstock.kafka.versions import catalogue
from penstock.model.ids import parse_arn
from penstock.model.operation import OperationState
from penstock.model.spec import ClusterState, ClusterStatus, Endpoint
from penstock.settings import Settings
from penstock.store.seal import load_key
from penstock.store.store import Store
from penstock.wire.gateway import Gateway
from penstock.wire.identity import root
from penstock.wire.pages import Pages

SECRET = "a secret that all accounts of these tests share"
_ACCOUNTS = itertools.count(100000000001)


def now():
    return datetime.now(UTC)


class Loop:
    """Writes into the store what passes of the loop would have found."""

    def __init__(self, store, woken):
        self._store = store
        self.woken = woken
        self._topics = {}
        self.no_ipv6 = None

    def topics(self, spec):
        """The Kafka of a cluster."""
        return self._topics.setdefault(spec.id, MemoryTopics())

    def status(self, arn, state, **facts):
        with self._store.write() as tx:
            tx.clusters.put_status(tx.clusters.by_arn(arn).spec.id, ClusterStatus(state=ClusterState(state), **facts))

    def serve(self, arn):
        """The create is done: every node has its address, and the cluster is ACTIVE."""
        with self._store.write() as tx:
            spec = tx.clusters.by_arn(arn).spec
            placed = tuple(
                evolve(
                    node,
                    endpoint=Endpoint(f"127.64.0.{n}", standard_ports(node.id.role, spec.client_broker)),
                    added=datetime(2026, 3, 20, 21, 48, 41, 6000, tzinfo=UTC),
                )
                for n, node in enumerate(spec.nodes, start=10)
            )
            tx.clusters.put_spec(evolve(spec, nodes=placed), bump=False)
            tx.clusters.put_status(spec.id, ClusterStatus(state=ClusterState.ACTIVE, completed=True))

    def end(self, arn, operation_arn, state=OperationState.REBOOT_COMPLETE, **error):
        with self._store.write() as tx:
            tx.operations.close(parse_arn(operation_arn).path.rpartition("/")[2], state, now(), **error)
            tx.clusters.put_spec(tx.clusters.by_arn(arn).spec)

    def forget(self, arn):
        with self._store.write() as tx:
            tx.clusters.forget(tx.clusters.by_arn(arn).spec.id, now(), "It was deleted.")

    def spec(self, arn):
        with self._store.read() as tx:
            return tx.clusters.by_arn(arn).spec


@pytest.fixture(scope="session")
def penstock(tmp_path_factory):
    """(port, rooms, loop) of a server that runs for all tests."""
    home = tmp_path_factory.mktemp("home")
    key = load_key(home / "key")
    woken = []
    store = Store(f"sqlite:///{home / 'store.sqlite3'}", key, on_wake=woken.append)
    loop = Loop(store, woken)
    rooms = Rooms(store, Settings(home=home), now, catalogue(), Pages(key), loop.topics, lambda: loop.no_ipv6)
    gateway = Gateway(
        handlers(rooms), lambda access_key: root(access_key.removeprefix("AKIA"), access_key, SECRET), clock=now
    )
    # With the protocol spelled out, or asyncio leaves Nagle's algorithm on and every answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(gateway, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield listener.getsockname()[1], rooms, loop
    server.should_exit = True
    thread.join()
    listener.close()
    store.close()


@pytest.fixture
def rooms(penstock):
    return penstock[1]


@pytest.fixture
def loop(penstock):
    return penstock[2]


@pytest.fixture
def account():
    """An account that nobody has used."""
    return str(next(_ACCOUNTS))


@pytest.fixture(scope="session")
def sdk():
    return boto3.Session()


@pytest.fixture
def client(penstock, sdk):
    """Makes `kafka` clients: client(account, region)."""
    made = []

    def make(account, region="us-east-1"):
        made.append(
            sdk.client(
                "kafka",
                endpoint_url=f"http://127.0.0.1:{penstock[0]}",
                region_name=region,
                aws_access_key_id=f"AKIA{account}",
                aws_secret_access_key=SECRET,
                # Tests send what the SDK would stop, and a retry would hide a 5xx.
                config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
            )
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def kafka(client, account):
    return client(account)


@pytest.fixture
def wish():
    """The members of a small cluster: wish(name, **members of V1)."""

    def make(name="orders", **members):
        return {
            "ClusterName": name,
            "KafkaVersion": "4.3.x.kraft",
            "NumberOfBrokerNodes": 3,
            "BrokerNodeGroupInfo": {
                "InstanceType": "kafka.m5.large",
                "ClientSubnets": ["subnet-0a1", "subnet-0b2", "subnet-0c3"],
            },
            **members,
        }

    return make


@pytest.fixture
def cluster(kafka, wish, loop):
    """ARN of a cluster that is ACTIVE: kafka.m5.large, 100 GiB, monitoring DEFAULT, no configuration."""
    arn = kafka.create_cluster(**wish())["ClusterArn"]
    loop.serve(arn)
    return arn
