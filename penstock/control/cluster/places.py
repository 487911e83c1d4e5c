"""What is written down about nodes as a cluster comes to life: their endpoints before the first start, when they first served."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from attrs import evolve

from penstock.compute.base import Compute
from penstock.kafka.listeners import client_ports, ipv6_ports, standard_ports
from penstock.model.ids import NodeId
from penstock.model.observation import ClusterView
from penstock.model.spec import ClusterSpec, Endpoint, NodePlace
from penstock.store.store import Store
from penstock.store.transaction import Transaction

_Wish = tuple[NodeId, int, Mapping[str, int]]
"""A node, the index of its zone, and the standard port of each listener, as `Compute.propose` takes them."""


def endowed(spec: ClusterSpec, store: Store, compute: Compute, network_address: str | None = None) -> ClusterSpec:
    """The spec with every endpoint that its nodes need now: proposed, and written down before a start uses it.

    A node's own endpoint and that over IPv6 are proposed once. Whether its client listeners are on a shared address
    follows `network_address`. Raises ComputeError where the provider has none to give."""
    if spec.removed or not any(_lacking(spec, network_address)):
        return spec
    with store.write() as rows:
        if (record := rows.clusters.get(spec.id)) is not None:
            spec = record.spec  # what a call wrote since must not be lost
        if spec.removed:
            return spec
        others = _written_down(rows, spec)
        spec = _completed(spec, network_address, others, compute)
        rows.clusters.put_spec(spec, bump=False)
    return spec


def foreseen(spec: ClusterSpec, network_address: str | None = None) -> tuple[ClusterSpec, tuple[str, ...]]:
    """The spec as `endowed` will make it, as far as that can be told, and in sentences what it will do. To propose endpoints
    claims them on the machine, so nothing is proposed here.

    New endpoints beside a node's own have no ports yet, which is enough to tell who is restarted for them. A node that has
    none of its own cannot be laid out, and is left out."""
    if spec.removed:
        return spec, ()
    own, moving, lone = (tuple(place.id for place in places) for places in _lacking(spec, network_address))
    clients, ipv6 = (dict.fromkeys(ports(spec.client_broker), 0) for ports in (client_ports, ipv6_ports))
    shared = None if network_address is None else Endpoint(network_address, clients)
    nodes = (evolve(place, shared=shared) if place.id in moving else place for place in spec.nodes)
    nodes = (evolve(place, ipv6=Endpoint("::1", ipv6)) if place.id in lone else place for place in nodes)
    at = "own addresses again" if network_address is None else f"{network_address}, with ports that are chosen first"
    first = {
        "an address is chosen first, and it starts there": own,
        f"clients are to come in at {at}": [node for node in moving if node not in own],
        "an address over IPv6 is chosen first": [node for node in lone if node not in own],
    }
    return (
        evolve(spec, nodes=tuple(place for place in nodes if place.id not in own)),
        tuple(f"{', '.join(map(str, who))}: {what}" for what, who in first.items() if who),
    )


def _lacking(
    spec: ClusterSpec, network_address: str | None
) -> tuple[Sequence[NodePlace], Sequence[NodePlace], Sequence[NodePlace]]:
    """The nodes that have no endpoint of their own, that are not on the shared address (or on one), that have none over IPv6."""

    def shared(place: NodePlace) -> str | None:
        return place.shared.address if place.shared is not None else None

    return (
        [place for place in spec.nodes if place.endpoint is None],
        [place for place in spec.brokers if shared(place) != network_address],
        [place for place in spec.brokers if spec.dual and place.ipv6 is None],
    )


def _completed(
    spec: ClusterSpec, network_address: str | None, others: Sequence[Endpoint], compute: Compute
) -> ClusterSpec:
    zones = [subnet.zone for subnet in spec.subnets]

    def wanted(place: NodePlace, ports: Mapping[str, int]) -> _Wish:
        return place.id, zones.index(place.subnet.zone), ports

    own, moving, lone = _lacking(spec, network_address)
    clients, ipv6 = client_ports(spec.client_broker), ipv6_ports(spec.client_broker)
    steps: tuple[tuple[str, list[_Wish], Callable[..., Mapping[NodeId, Endpoint]]], ...] = (
        ("endpoint", [wanted(p, standard_ports(p.id.role, spec.client_broker)) for p in own], compute.propose),
        ("shared", [wanted(p, clients) for p in moving], partial(_on, compute, network_address)),
        ("ipv6", [wanted(p, ipv6) for p in lone], partial(compute.propose, ipv6=True)),
    )
    for member, wishes, propose in steps:
        taken = [*others, *(endpoint for place in spec.nodes for endpoint in place.endpoints)]
        endpoints = propose(wishes, taken) if wishes else {}
        for node, _, _ in wishes:
            found: dict[str, Any] = {member: endpoints.get(node)}
            spec = spec.with_place(evolve(spec.place(node), **found))
    return spec


def _on(
    compute: Compute, address: str | None, nodes: Sequence[_Wish], taken: Sequence[Endpoint]
) -> Mapping[NodeId, Endpoint]:
    """Endpoints on the shared address; none where there is no such address any more."""
    return {} if address is None else compute.propose(nodes, taken, shared=address)


def _written_down(rows: Transaction, spec: ClusterSpec) -> list[Endpoint]:
    """Every endpoint of the home's other clusters."""
    records = [rows.clusters.get(other) for other in rows.clusters.live_ids() if other != spec.id]
    return [
        endpoint
        for record in records
        if record is not None
        for place in record.spec.nodes
        for endpoint in place.endpoints
    ]


def dated(spec: ClusterSpec, view: ClusterView, now: datetime) -> ClusterSpec:
    """The spec with the moment at which each node first served, and with which volumes they serve. For an ACTIVE cluster."""
    serving = {node.id for node in view.layout}
    for place in spec.nodes:
        if undated(place) and place.id in serving:
            spec = spec.with_place(evolve(place, added=place.added or now, served=place.directory))
    return spec


def undated(place: NodePlace) -> bool:
    """Is it still to be written down that the node serves with the volume that it has?"""
    return place.added is None or place.served != place.directory
