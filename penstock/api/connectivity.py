"""UpdateConnectivity: over which network clients reach the brokers (msk.md 1.4.2, 4.5 to 4.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from penstock.api.change import Change, begin, same
from penstock.api.rooms import Rooms
from penstock.api.validate import SMALL
from penstock.kafka.accepted import release_of
from penstock.model.operation import OperationKind
from penstock.model.spec import ClusterSpec
from penstock.store.records import ClusterRecord
from penstock.store.transaction import Transaction
from penstock.wire.call import Call, Output
from penstock.wire.errors import BadRequest

IPV4, DUAL = "IPV4", "DUAL"
OLDEST_DUAL = (3, 6)
"""The first Kafka release that MSK offers dual stack with (msk.md 4.7)."""
_INFO = "connectivityInfo"
_TYPE = f"{_INFO}.networkType"
_WAYS = (("Sasl", "Scram"), ("Sasl", "Iam"), ("Tls",))
"""Ways of authentication that multi-VPC connectivity is switched on for, one by one."""


def update_connectivity(call: Call, rooms: Rooms) -> Output:
    """Listeners over IPv6 beside those over IPv4, by a roll. One way, as on MSK; what else the call could change needs
    authentication, which is not built yet."""
    if call.params.get("ZookeeperAccess") is not None:
        raise BadRequest(
            "zookeeperAccess: the cluster runs in KRaft mode and has no ZooKeeper; leave it out.", "zookeeperAccess"
        )
    info: Mapping[str, Any] = call.params.get("ConnectivityInfo") or {}
    if not any(value not in (None, {}) for value in info.values()):
        raise BadRequest(
            f"{_INFO}: the request does not include any updates; give networkType, publicAccess or vpcConnectivity.",
            _INFO,
        )
    _no_public_access(info.get("PublicAccess") or {})
    _no_vpc_connectivity((info.get("VpcConnectivity") or {}).get("ClientAuthentication") or {})
    asked = info.get("NetworkType")

    def wanted(record: ClusterRecord, _: Transaction) -> Change:
        spec = record.spec
        if asked == IPV4 and spec.dual:
            raise BadRequest(f"{_TYPE}: a cluster that is {DUAL} cannot go back to {IPV4}; leave it out.", _TYPE)
        if asked != DUAL or spec.dual:
            raise same(_INFO, "this connectivity")
        _may_be_dual(spec, rooms)
        return Change(
            evolve(spec, dual=True),
            OperationKind.UPDATE_CONNECTIVITY,
            {"ConnectivityInfo": {"NetworkType": IPV4}},
            {"ConnectivityInfo": {"NetworkType": DUAL}, "before": {"dual": False}},
        )

    return begin(call, rooms, wanted)


def shown_dual(spec: ClusterSpec) -> bool:
    """Is it to be shown as reachable over IPv6? As every new value, once the update is done."""
    info = spec.api["BrokerNodeGroupInfo"].get("ConnectivityInfo") or {}
    return info.get("NetworkType") == DUAL


def _may_be_dual(spec: ClusterSpec, rooms: Rooms) -> None:
    if release_of(spec.kafka_version) < OLDEST_DUAL:
        oldest = ".".join(map(str, OLDEST_DUAL))
        raise BadRequest(
            f"{_TYPE}: {DUAL} needs Kafka {oldest} or newer, and the cluster runs {spec.kafka_version}; update it first.",
            _TYPE,
        )
    if spec.instance_type == SMALL:
        raise BadRequest(f"{_TYPE}: {DUAL} is not offered for {SMALL}; change the broker type first.", _TYPE)
    if (why := rooms.no_ipv6()) is not None:
        raise BadRequest(f"{_TYPE}: {why}", _TYPE)


def _no_public_access(access: Mapping[str, Any]) -> None:
    path, asked = f"{_INFO}.publicAccess.type", access.get("Type")
    if asked not in (None, "DISABLED", "SERVICE_PROVIDED_EIPS"):
        raise BadRequest(f"{path}: {asked!r} is neither DISABLED nor SERVICE_PROVIDED_EIPS.", path)
    if asked == "SERVICE_PROVIDED_EIPS":
        raise BadRequest(
            f"{path}: public access needs a cluster that lets nobody in unauthenticated, with SASL/IAM, SASL/SCRAM or mutual "
            f"TLS, and none of these is built yet; leave it DISABLED.",
            path,
        )


def _no_vpc_connectivity(authentication: Mapping[str, Any]) -> None:
    for way in _WAYS:
        member = authentication
        for name in way:
            member = member.get(name) or {}
        if member.get("Enabled"):
            names = ".".join(name.lower() for name in way)
            path = f"{_INFO}.vpcConnectivity.clientAuthentication.{names}.enabled"
            raise BadRequest(
                f"{path}: multi-VPC connectivity is for a way of authentication that the cluster has on, and this one is not "
                f"built yet; leave it false.",
                path,
            )
