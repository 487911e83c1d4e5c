"""What is written down about nodes as a cluster comes to life: their endpoints before the first start, when they first served."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from penstock.compute.base import Compute
from penstock.kafka.listeners import standard_ports
from penstock.model.observation import ClusterView
from penstock.model.spec import ClusterSpec, Endpoint
from penstock.store.store import Store


def endowed(spec: ClusterSpec, store: Store, compute: Compute) -> ClusterSpec:
    """The spec with an endpoint for every node: proposed once, written down before the node's first start.

    Raises ComputeError where the provider has none to give."""
    missing = [place for place in spec.nodes if place.endpoint is None]
    if not missing or spec.removed:
        return spec
    zones = [subnet.zone for subnet in spec.subnets]
    wanted = [
        (place.id, zones.index(place.subnet.zone), standard_ports(place.id.role, spec.client_broker))
        for place in missing
    ]
    with store.write() as rows:
        if (record := rows.clusters.get(spec.id)) is not None:
            spec = record.spec  # what a call wrote since must not be lost
        if spec.removed:
            return spec
        taken: list[Endpoint] = [
            place.endpoint
            for other in rows.clusters.live_ids()
            if (record := rows.clusters.get(other)) is not None
            for place in record.spec.nodes
            if place.endpoint is not None
        ]
        endpoints = compute.propose(wanted, taken)
        for place in missing:
            spec = spec.with_place(evolve(place, endpoint=endpoints[place.id]))
        rows.clusters.put_spec(spec, bump=False)
    return spec


def dated(spec: ClusterSpec, view: ClusterView, now: datetime) -> ClusterSpec:
    """The spec with the moment at which each node first served."""
    served = {node.id for node in view.layout}
    for place in spec.nodes:
        if place.added is None and place.id in served:
            spec = spec.with_place(evolve(place, added=now))
    return spec
