"""A store in a folder of its own, and clusters to put into it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.model.ids import NodeId, Role, cluster_arn, new_cluster_id
from penstock.model.spec import ClientBroker, ClusterSpec, Endpoint, NodePlace, Subnet
from penstock.store.store import Store

KEY = bytes(range(32))
ACCOUNT = "123456789012"
REGION = "us-east-1"


def make_spec(name: str = "orders", **changes: Any) -> ClusterSpec:
    cluster = new_cluster_id()
    zones = tuple(Subnet(f"subnet-{n}", f"use1-az{n}") for n in (1, 2, 3))
    facts: dict[str, Any] = {
        "id": cluster,
        "arn": cluster_arn(REGION, ACCOUNT, name, cluster),
        "name": name,
        "account": ACCOUNT,
        "region": REGION,
        "kafka_id": "MkU3OEVBNTcwNTJENDM2Qg",
        "kafka_version": "4.1.x.kraft",
        "client_broker": ClientBroker.TLS,
        "instance_type": "kafka.m5.large",
        "volume_gib": 100,
        "subnets": zones,
        "nodes": tuple(
            NodePlace(
                NodeId(cluster, Role.BROKER, n),
                zone,
                f"uuid-{n}",
                "d" * 22,
                Endpoint(f"127.64.0.{n}", {"CLIENT": 9092}),
            )
            for n, zone in enumerate(zones, start=1)
        ),
        "created": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "api": {"NumberOfBrokerNodes": 3, "EncryptionInfo": {"EncryptionInTransit": {"InCluster": True}}},
        "tags": {"team": "Grüße"},
    }
    return ClusterSpec(**(facts | changes))


@pytest.fixture
def a_cluster() -> Callable[..., ClusterSpec]:
    """A function that makes a complete spec; keyword arguments replace facts."""
    return make_spec


@pytest.fixture
def key() -> bytes:
    return KEY


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.sqlite3'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url, KEY)
    yield opened
    opened.close()


@pytest.fixture
def another_process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python on a script with arguments; whatever still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(penstock.__file__).parents[1])},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
