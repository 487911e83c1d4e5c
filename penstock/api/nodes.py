"""The nodes of a cluster, and where clients begin: ListNodes and GetBootstrapBrokers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from penstock.api.arns import cluster_of
from penstock.api.connectivity import shown_dual
from penstock.api.rooms import Rooms
from penstock.api.views import shown_state
from penstock.kafka.listeners import (
    CLIENT,
    CLIENT_IPV6,
    CLIENT_SECURE,
    CLIENT_SECURE_IPV6,
    REPLICATION,
    bootstrap_string,
    names,
)
from penstock.model.ids import Role, broker_arn
from penstock.model.spec import ClusterSpec, ClusterState, NodePlace
from penstock.wire.call import Call, Output
from penstock.wire.errors import Conflict

_STRINGS = (
    (CLIENT, "BootstrapBrokerString"),
    (CLIENT_SECURE, "BootstrapBrokerStringTls"),
    (CLIENT_IPV6, "BootstrapBrokerStringIpv6"),
    (CLIENT_SECURE_IPV6, "BootstrapBrokerStringTlsIpv6"),
)
"""Client listener -> the member that holds its string (msk.md 4.2)."""


def get_bootstrap_brokers(call: Call, rooms: Rooms) -> Output:
    """For each enabled listener, `address:port` of at most three brokers over the zones; the same answer each time.

    Raises Conflict while the cluster is being created. A cluster that FAILED before it ever worked answers without strings:
    tools read this call before they destroy, and an error here would keep them from cleaning up."""
    with rooms.store.read() as tx:
        record = cluster_of(tx, call)
    if not record.status.completed:
        if shown_state(record, None) is ClusterState.CREATING:
            raise Conflict(
                f"The cluster {record.spec.name} is being created and has no brokers to offer yet; wait until it is "
                f"ACTIVE, then ask again.",
                invalid_parameter="clusterArn",
            )
        return {}
    spec = record.spec
    enabled = names(Role.BROKER, spec.client_broker, shown_dual(spec))
    return {
        member: bootstrap_string(spec.brokers, listener) or None for listener, member in _STRINGS if listener in enabled
    }


def list_nodes(call: Call, rooms: Rooms) -> Output:
    """Every node that should exist: brokers by number, then controllers. What is not known yet is left out."""
    with rooms.store.read() as tx:
        spec = cluster_of(tx, call).spec
    # By number: controllers are numbered after all brokers.
    nodes, more = rooms.pages.page(spec.nodes, call, lambda node: (node.id.number,))
    return {"NodeInfoList": [_shown(spec, node) for node in nodes], "NextToken": more}


def _shown(spec: ClusterSpec, node: NodePlace) -> dict[str, Any]:
    # MSK shows DNS names here, without port. Our nodes are reached by address, with no DNS, so the address stands for the name.
    listeners = [name for name in names(node.id.role, spec.client_broker, shown_dual(spec)) if name != REPLICATION]
    endpoints = list(dict.fromkeys(found[0] for name in listeners if (found := node.at(name))))
    address = endpoints[0] if endpoints else None
    if node.id.role is Role.CONTROLLER:
        # A value that the model's enum lacks and MSK sends, with nothing but endpoints (msk.md 2.4).
        return {"NodeType": "CONTROLLER", "ControllerNodeInfo": {"Endpoints": endpoints}}
    return {
        "NodeType": "BROKER",
        "NodeARN": broker_arn(spec.region, spec.account, spec.name, spec.id, node.uuid),
        # Without the prefix that the cluster's own type has (msk.md 2.4).
        "InstanceType": spec.instance_type.removeprefix("kafka."),
        "AddedToClusterTime": _milliseconds(node.added) if node.added else None,
        "BrokerNodeInfo": {
            "AttachedENIId": f"eni-{UUID(node.uuid).hex[:17]}",
            "BrokerId": float(node.id.number),
            "ClientSubnet": node.subnet.id,
            "ClientVpcIpAddress": address,
            "CurrentBrokerSoftwareInfo": spec.api["CurrentBrokerSoftwareInfo"],
            "Endpoints": endpoints,
        },
    }


def _milliseconds(moment: datetime) -> str:
    """`2026-03-20T21:48:41.006Z`: a string in the model, and this is how MSK writes it (msk.md C.5)."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
