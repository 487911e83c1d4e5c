"""What a cluster was asked for and does not do yet: sentences for `penstock explain`.

A create with such members is let through because they change neither who may connect nor how data is kept; silence about
them would be a lie."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from penstock.api.throughput import kept
from penstock.kafka.accepted import release_of
from penstock.kafka.configuration import without_effect as unknown_to
from penstock.model.spec import ClusterSpec
from penstock.store.records import ClusterRecord, ConfigurationRecord


def without_effect(spec: ClusterSpec, properties: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """One sentence for each thing that is shown by the API and has no effect here, in the order of importance.

    `properties` are those of the cluster's configuration, as its owner wrote them."""
    api = spec.api
    sentences = ["Volumes are not encrypted yet: the key that the API shows is a name and encrypts nothing."]
    if not api["EncryptionInfo"]["EncryptionInTransit"]["InCluster"]:
        sentences.append("Brokers speak TLS with each other all the same: inCluster = false has no effect.")
    if api["EnhancedMonitoring"] != "DEFAULT":
        sentences.append(
            f"Metrics are not delivered yet: enhancedMonitoring {api['EnhancedMonitoring']} has no effect."
        )
    rate = kept(api).get("VolumeThroughput")
    if kept(api).get("Enabled"):
        sentences.append(f"Volumes are as fast as their disk: provisionedThroughput of {rate} MiB/s has no effect.")
    exporters = api["OpenMonitoring"]["Prometheus"]
    on = [name for name in ("JmxExporter", "NodeExporter") if exporters[name]["EnabledInBroker"]]
    if on:
        sentences.append(f"Prometheus exporters are not built yet: {_names(on)} has no effect.")
    for logs in ("BrokerLogs", "AuthorizerLogs"):
        on = _sinks(api.get("LoggingInfo", {}).get(logs, {}))
        if on:
            sentences.append(f"Log delivery is not built yet: {_names([logs])} to {_names(on)} has no effect.")
    idle = unknown_to(properties, release_of(spec.kafka_version))
    if idle:
        them = " and ".join(idle)
        sentences.append(
            f"Kafka {spec.kafka_version} does not know {them}: what the configuration says there has no effect."
        )
    return tuple(sentences)


def not_applied(cluster: ClusterRecord, configuration: ConfigurationRecord | None) -> tuple[str, ...]:
    """A sentence where the cluster's configuration has a newer revision than the cluster runs with: a new revision alone
    changes nothing, and is easily forgotten."""
    if configuration is None or cluster.spec.configuration is None:
        return ()
    runs, newest = cluster.spec.configuration[1], configuration.latest.revision
    if runs >= newest:
        return ()
    return (
        f"The configuration {configuration.name} has revision {newest}, and this cluster runs revision {runs}. To apply the "
        f"latest: aws kafka update-cluster-configuration --cluster-arn {cluster.spec.arn} "
        f"--configuration-info Arn={configuration.arn},Revision={newest} --current-version {cluster.current_version}",
    )


def _sinks(logs: Mapping[str, Any]) -> list[str]:
    return [sink for sink in ("CloudWatchLogs", "Firehose", "S3") if logs.get(sink, {}).get("Enabled")]


def _names(members: list[str]) -> str:
    """Members as users write them: `jmxExporter and nodeExporter`."""
    return " and ".join(member[:1].lower() + member[1:] for member in members)
