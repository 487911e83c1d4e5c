"""What MSK fills in when a create leaves it out (msk.md 1.7, Appendix C.1 and C.3), and what it leaves out too.

Invariant: what was given stays as given, member by member. `clientAuthentication`, `loggingInfo`, `networkType` and
`provisionedThroughput` have no default: they are shown only if they were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from penstock.model.spec import Subnet

VOLUME_GIB = 100
"""The volume of a cluster that did not ask for a size (msk.md C.3)."""


def default_key(account: str, region: str) -> str:
    """ARN of the account's own key for volumes, what AWS calls `alias/aws/kafka`: the same one for ever."""
    key = uuid5(NAMESPACE_URL, f"https://penstock.invalid/{account}/{region}/alias/aws/kafka")
    return f"arn:aws:kms:{region}:{account}:key/{key}"


def complete(given: Mapping[str, Any], key: str, subnets: Sequence[Subnet], security_group: str) -> dict[str, Any]:
    """The `Provisioned` members as DescribeClusterV2 shows them, from those of a valid create."""
    shown = under(given, _defaults(key))
    group = shown["BrokerNodeGroupInfo"]
    group["ZoneIds"] = [subnet.zone for subnet in subnets]
    # An empty list means the same as none: the default security group of the network (msk.md 4.4).
    group["SecurityGroups"] = group.get("SecurityGroups") or [security_group]
    configuration = chosen(shown.pop("ConfigurationInfo", None))
    shown["CurrentBrokerSoftwareInfo"] = software(shown.pop("KafkaVersion"), configuration)
    return shown


def chosen(info: Mapping[str, Any] | None) -> tuple[str, int] | None:
    """ARN and revision of a `ConfigurationInfo`, as a spec holds them."""
    return None if info is None else (info["Arn"], info["Revision"])


def software(version: str, configuration: tuple[str, int] | None) -> dict[str, Any]:
    """`CurrentBrokerSoftwareInfo`: what brokers run, and with which configuration."""
    shown: dict[str, Any] = {"KafkaVersion": version}
    if configuration is not None:
        shown["ConfigurationArn"], shown["ConfigurationRevision"] = configuration
    return shown


def _defaults(key: str) -> dict[str, Any]:
    off = {"Enabled": False}
    return {
        "BrokerNodeGroupInfo": {
            "BrokerAZDistribution": "DEFAULT",
            "StorageInfo": {"EbsStorageInfo": {"VolumeSize": VOLUME_GIB}},
            "ConnectivityInfo": {
                "PublicAccess": {"Type": "DISABLED"},
                "VpcConnectivity": {"ClientAuthentication": {"Sasl": {"Scram": off, "Iam": off}, "Tls": off}},
            },
        },
        "EncryptionInfo": {
            "EncryptionAtRest": {"DataVolumeKMSKeyId": key},
            # The model's text says TLS_PLAINTEXT; the current reference and recordings say TLS (msk.md 1.7).
            "EncryptionInTransit": {"ClientBroker": "TLS", "InCluster": True},
        },
        "EnhancedMonitoring": "DEFAULT",
        "OpenMonitoring": {
            "Prometheus": {"JmxExporter": {"EnabledInBroker": False}, "NodeExporter": {"EnabledInBroker": False}}
        },
        "StorageMode": "LOCAL",
    }


def under(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with `defaults` under it: structures are merged, everything else that was given wins. So does a switch: a
    structure with `Enabled` is given whole, or a log group would outlive the logs that once went there."""
    merged: dict[str, Any] = {**defaults, **given}
    for member in given.keys() & defaults.keys():
        mine, other = given[member], defaults[member]
        if isinstance(mine, Mapping) and isinstance(other, Mapping) and "Enabled" not in mine:
            merged[member] = under(mine, other)
    return merged
