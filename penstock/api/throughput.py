"""Provisioned throughput of volumes: which broker types may have how much of it (msk.md 3.2). Kept, and enforced by nobody here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

LEAST = 250
"""MiB/s; what a volume has without it."""
LEAST_VOLUME_GIB = 10
MOST: Mapping[str, int] = MappingProxyType(
    {
        "kafka.m5.4xlarge": 593,
        "kafka.m5.8xlarge": 850,
        "kafka.m5.12xlarge": 1000,
        "kafka.m5.16xlarge": 1000,
        "kafka.m5.24xlarge": 1000,
        "kafka.m7g.2xlarge": 312,
        "kafka.m7g.4xlarge": 625,
        "kafka.m7g.8xlarge": 1000,
        "kafka.m7g.12xlarge": 1000,
        "kafka.m7g.16xlarge": 1000,
    }
)
"""Broker types that may have it -> the most, MiB/s in whole numbers: what EC2 gives the type towards its volumes."""

Throughput = Mapping[str, Any]
"""MSK's `ProvisionedThroughput` under botocore's names; `Enabled` is off where it is missing."""


def kept(api: Mapping[str, Any]) -> Throughput:
    """What a cluster has, from the members that the API shows of it."""
    storage = api.get("BrokerNodeGroupInfo", {}).get("StorageInfo", {}).get("EbsStorageInfo", {})
    return storage.get("ProvisionedThroughput") or {"Enabled": False}


def equal(one: Throughput, other: Throughput) -> bool:
    """Off is off, whatever else is said."""
    return _rate(one) == _rate(other)


def _rate(throughput: Throughput) -> int | None:
    return throughput.get("VolumeThroughput") if throughput.get("Enabled") else None


def objection(throughput: Throughput | None, instance_type: str, volume_gib: int) -> tuple[str, str] | None:
    """The member that is wrong and why; None where brokers of that type and volume may have it."""
    if throughput is None:
        return None
    rate = throughput.get("VolumeThroughput")
    if not throughput.get("Enabled"):
        return (
            None if rate is None else ("VolumeThroughput", "has a meaning only while `enabled` is true; leave it out.")
        )
    most = MOST.get(instance_type)
    if most is None:
        types = "kafka.m5.4xlarge and larger, and kafka.m7g.2xlarge and larger"
        return "Enabled", f"only brokers of the types {types} have provisioned throughput, not {instance_type}."
    if volume_gib < LEAST_VOLUME_GIB:
        return "Enabled", f"needs volumes of {LEAST_VOLUME_GIB} GiB or more; these have {volume_gib}."
    if rate is None:
        return "VolumeThroughput", f"is needed where `enabled` is true: {LEAST} to {most} MiB/s for {instance_type}."
    if not LEAST <= rate <= most:
        return "VolumeThroughput", f"{instance_type} takes {LEAST} to {most} MiB/s, not {rate}."
    return None
