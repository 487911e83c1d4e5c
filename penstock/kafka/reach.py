"""Every cluster's Kafka for calls of users: connections apart from the loop's, so that neither waits for the other."""

from __future__ import annotations

import threading
from collections.abc import Callable

from penstock.kafka.brokers import Brokers
from penstock.kafka.connections import Tls
from penstock.kafka.listeners import REPLICATION
from penstock.kafka.topics import Topics
from penstock.kafka.wire import NodeAddress
from penstock.model.ids import ClusterId
from penstock.model.spec import ClusterSpec


class Reach:
    """Keeps the connections of each cluster until `forget`, or until the cluster has other brokers.

    `tls` gives what the control plane shows to a cluster's inner listeners."""

    def __init__(self, tls: Callable[[ClusterSpec], Tls | None]) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._topics: dict[ClusterId, Topics] = {}

    def topics(self, spec: ClusterSpec) -> Topics:
        """The topics of a cluster whose brokers have their addresses."""
        nodes = tuple(
            NodeAddress(place.id.number, place.endpoint.address, place.endpoint.ports[REPLICATION])
            for place in spec.brokers
            if place.endpoint is not None
        )
        with self._lock:
            known = self._topics.get(spec.id)
            if known is None or known.brokers.nodes != nodes:
                if known is not None:
                    known.close()
                known = self._topics[spec.id] = Topics(Brokers(nodes, self._tls(spec)))
            return known

    def forget(self, cluster: str) -> None:
        """The cluster is gone: end its connections."""
        with self._lock:
            known = self._topics.pop(ClusterId(cluster), None)
        if known is not None:
            known.close()

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            every, self._topics = list(self._topics.values()), {}
        for each in every:
            each.close()
