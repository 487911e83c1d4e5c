"""The control plane's own metrics, in Prometheus' format at `GET /metrics`."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from penstock.model.spec import ClusterState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One registry for one control plane."""

    def __init__(self, states: Callable[[], Iterable[ClusterState]]) -> None:
        """`states` gives the state of every live cluster when asked."""
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "penstock_requests",
            "API requests by operation and HTTP status",
            ["service", "operation", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "penstock_request_seconds",
            "Time to answer an API request",
            ["service", "operation"],
            registry=self.registry,
        )
        self._passes = Histogram("penstock_pass_seconds", "Time of one pass over one cluster", registry=self.registry)
        self.registry.register(_Clusters(states))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def request(self, service: str, operation: str, status: int, seconds: float) -> None:
        """One answered request."""
        self._requests.labels(service, operation, str(status)).inc()
        self._seconds.labels(service, operation).observe(seconds)

    def passed(self, seconds: float) -> None:
        """One pass of the loop."""
        self._passes.observe(seconds)

    def text(self) -> bytes:
        """Everything, as `CONTENT_TYPE`."""
        return generate_latest(self.registry)


class _Clusters(Collector):
    """Clusters by state, read from the store when scraped: a gauge that cannot be out of date."""

    def __init__(self, states: Callable[[], Iterable[ClusterState]]) -> None:
        self._states = states

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("penstock_clusters", "Live clusters by state", labels=["state"])
        tally = Tally(self._states())
        for state in ClusterState:
            family.add_metric([state.value], tally[state])
        yield family
