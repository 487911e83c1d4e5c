"""Houses for the command line: an empty one for each test, and one with a control plane for each module."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from tests.cli.house import House, wait_for


@pytest.fixture
def house() -> Iterator[House]:
    """A house in which nothing was made yet."""
    yield from _built()


@pytest.fixture
def nobody() -> Iterator[Callable[[], None]]:
    """Call it to be a user without rights for the rest of the test, where the tests run as root."""
    before = os.geteuid()
    yield lambda: os.seteuid(65534 if before == 0 else before)
    os.seteuid(before)


@pytest.fixture(scope="module")
def served() -> Iterator[House]:
    """A house with a control plane, shared by the tests of a module."""
    for house in _built():
        assert house.run("up", "--detach").returncode == 0
        yield house


@pytest.fixture(scope="module")
def orders(served: House) -> str:
    """A cluster `orders` with both client listeners. It cannot start and is FAILED: there is no Java."""
    variables = json.loads(served.say("env", "--json").stdout)
    client = boto3.client(
        "kafka",
        endpoint_url=variables["PENSTOCK_ENDPOINT"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    group = {"InstanceType": "kafka.m7g.large", "ClientSubnets": variables["PENSTOCK_SUBNETS"].split(",")}
    created = client.create_cluster_v2(
        ClusterName="orders",
        Provisioned={
            "KafkaVersion": "4.3.x.kraft",
            "NumberOfBrokerNodes": 3,
            "BrokerNodeGroupInfo": group,
            "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "TLS_PLAINTEXT"}},
        },
    )
    wait_for(lambda: client.describe_cluster_v2(ClusterArn=created["ClusterArn"])["ClusterInfo"]["State"] == "FAILED")
    client.close()
    return "orders"


def _built() -> Iterator[House]:
    # Not pytest's own folder: as root, nodes run as another user, who may not enter that one.
    root = Path(tempfile.mkdtemp(prefix="penstock-cli-"))
    root.chmod(0o755)
    (root / "no-java").mkdir()
    house = House(root)
    try:
        yield house
    finally:
        if (house.home / "lock.json").is_file():
            house.run("down")  # nodes there are none: there is no Java
        shutil.rmtree(root)
