"""Names of things: clusters, nodes, ARNs. A cluster's identity is its uuid, a node's is (cluster, role, number); never a
position, never an address."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NewType
from uuid import uuid4

from attrs import frozen

ClusterId = NewType("ClusterId", str)
"""The last part of a cluster ARN, `{uuid}-{N}`; also the owner label of its nodes."""


class Role(StrEnum):
    """What a node does. Brokers and controllers are always separate processes."""

    BROKER = "broker"
    CONTROLLER = "controller"


FIRST_CONTROLLER = 10001


@frozen(order=True, cache_hash=True)
class NodeId:
    """One node of one cluster. Brokers are numbered 1..n, controllers from 10001 (as MSK shows them)."""

    cluster: ClusterId
    role: Role
    number: int

    @property
    def name(self) -> str:
        """`broker-1`, `controller-10001`: unique inside the cluster; directory name and argument of `penstock logs`."""
        return f"{self.role}-{self.number}"

    def __str__(self) -> str:
        return f"{self.role} {self.number}"


def new_cluster_id(suffix: int = 1) -> ClusterId:
    """A fresh cluster id; `suffix` is the small number that MSK repeats in broker names (`c{N}`)."""
    return ClusterId(f"{uuid4()}-{suffix}")


@frozen
class Arn:
    """An ARN of the `kafka` service, in parts. `kind` is `cluster`, `cluster-operation`, `broker`, `configuration`, …"""

    region: str
    account: str
    kind: str
    path: str
    service: str = "kafka"

    def __str__(self) -> str:
        return f"arn:aws:{self.service}:{self.region}:{self.account}:{self.kind}/{self.path}"


_ARN = re.compile(r"arn:[\w-]+:(kafka|kafkaconnect):([\w-]+):(\d{12}):([a-z-]+)/(.+)", re.DOTALL)


def parse_arn(text: str) -> Arn | None:
    """The parts of an ARN of `kafka` or `kafkaconnect`, or None where the text is not one."""
    match = _ARN.fullmatch(text)
    if match is None:
        return None
    service, region, account, kind, path = match.groups()
    return Arn(region=region, account=account, kind=kind, path=path, service=service)


def cluster_arn(region: str, account: str, name: str, cluster: ClusterId) -> str:
    """`arn:aws:kafka:{region}:{account}:cluster/{name}/{uuid}-{N}` (msk.md 1.2)."""
    return str(Arn(region, account, "cluster", f"{name}/{cluster}"))


def operation_arn(region: str, account: str, name: str, cluster: ClusterId, operation: str) -> str:
    """`…:cluster-operation/{name}/{uuid}-{N}/{operation uuid}` (msk.md 1.2)."""
    return str(Arn(region, account, "cluster-operation", f"{name}/{cluster}/{operation}"))


def broker_arn(region: str, account: str, name: str, cluster: ClusterId, node_uuid: str) -> str:
    """`…:broker/{name}/{uuid}-{N}/{node uuid}` (msk.md 1.2)."""
    return str(Arn(region, account, "broker", f"{name}/{cluster}/{node_uuid}"))


def configuration_arn(region: str, account: str, name: str, uuid: str) -> str:
    """`…:configuration/{name}/{uuid}-{N}` (msk.md 1.2)."""
    return str(Arn(region, account, "configuration", f"{name}/{uuid}-1"))
