"""The rules of a create: one small function for each member, in RULES, in the order in which they speak.

The wire has checked types, required members, minima and enums before (`wire/`). Here is what the model does not say: MSK's
rules, and what is not built yet. A rule raises BadRequest with the member's path and the rule, or is silent."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from penstock.api.defaults import VOLUME_GIB, default_key
from penstock.api.request import CreateRequest
from penstock.api.tags import check_tags
from penstock.api.throughput import objection
from penstock.model.spec import MOST_BROKERS, Subnet
from penstock.settings import Realism

Rule = Callable[[CreateRequest], None]

NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]*")
"""MSK's pattern of names; stated for configurations (msk.md 1.4.4), kept for clusters, whose names become host names."""
SUBNET = re.compile(r"subnet-[a-z0-9]{1,64}")
SECURITY_GROUP = re.compile(r"sg-[a-z0-9]{1,64}")

LARGEST_VOLUME_GIB = 16384

_M5 = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge")
_M7G = _M5[:-1]
SMALL = "kafka.t3.small"
STANDARD_TYPES = (SMALL, *(f"kafka.m5.{size}" for size in _M5), *(f"kafka.m7g.{size}" for size in _M7G))
"""Instance types of Standard brokers (msk.md 3.1)."""

_UPDATE_ONLY = "can only be changed on a cluster that is ACTIVE (UpdateConnectivity), not when it is created."


def cluster_name(request: CreateRequest) -> None:
    if len(request.name) > 64 or not NAME.fullmatch(request.name):
        raise request.refusal(
            "ClusterName", "a name has 1 to 64 letters, digits and hyphens, and begins with a letter or a digit."
        )


def kafka_version(request: CreateRequest) -> None:
    asked: str = request.get("KafkaVersion")
    if asked in request.versions:
        return
    release = ".".join(asked.split(".")[:2])
    near = [version for version in request.versions if version.startswith(f"{release}.")]
    hint = f" Did you mean {near[-1]}?" if near else ""
    offered = ", ".join(request.versions)
    raise request.refusal("KafkaVersion", f"{asked!r} is not offered here; offered are {offered}.{hint}")


def instance_type(request: CreateRequest) -> None:
    path = "BrokerNodeGroupInfo.InstanceType"
    asked: str = request.get(path)
    if asked.startswith("express."):
        raise request.not_built(path, "the Express broker type")
    if asked not in STANDARD_TYPES:
        raise request.refusal(path, f"{asked!r} is not an instance type; there are {', '.join(STANDARD_TYPES)}.")
    # The smallest type is what people ask for on a laptop, and nothing here depends on the size: only MSK minds.
    if asked == SMALL and request.realism is Realism.MSK:
        raise request.refusal(path, f"{SMALL} is not allowed with KRaft; choose kafka.m5.large or larger.")


def client_subnets(request: CreateRequest) -> None:
    path = "BrokerNodeGroupInfo.ClientSubnets"
    ids: Sequence[str] = request.get(path)
    for subnet in ids:
        if not SUBNET.fullmatch(subnet):
            raise request.refusal(path, f"{subnet!r} is not the id of a subnet; one looks like subnet-0a1b2c3d.")
    if len(set(ids)) < len(ids):
        raise request.refusal(path, "a subnet is named twice; each must be another one, in a zone of its own.")
    if len(ids) not in (2, 3):
        raise request.refusal(path, f"give 2 or 3 subnets, each in a zone of its own; {len(ids)} came.")


def security_groups(request: CreateRequest) -> None:
    path = "BrokerNodeGroupInfo.SecurityGroups"
    ids: Sequence[str] = request.get(path) or ()
    for group in ids:
        if not SECURITY_GROUP.fullmatch(group):
            raise request.refusal(path, f"{group!r} is not the id of a security group; one looks like sg-0a1b2c3d.")
    if len(set(ids)) < len(ids):
        raise request.refusal(path, "a security group is named twice; name each once.")


def broker_count(request: CreateRequest) -> None:
    count: int = request.get("NumberOfBrokerNodes")
    zones = len(request.get("BrokerNodeGroupInfo.ClientSubnets"))
    if not 1 <= count <= MOST_BROKERS:
        raise request.refusal("NumberOfBrokerNodes", f"a cluster has 1 to {MOST_BROKERS} brokers, not {count}.")
    if count % zones:
        raise request.refusal(
            "NumberOfBrokerNodes",
            f"must be a multiple of the number of subnets, so that every zone has as many brokers: "
            f"{count} brokers do not fit {zones} subnets.",
        )


def volume_size(request: CreateRequest) -> None:
    path = "BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize"
    size = request.get(path)
    if size is not None and not 1 <= size <= LARGEST_VOLUME_GIB:
        raise request.refusal(path, f"a volume has 1 to {LARGEST_VOLUME_GIB} GiB, not {size}.")


def provisioned_throughput(request: CreateRequest) -> None:
    storage = "BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo"
    size = request.get(f"{storage}.VolumeSize") or VOLUME_GIB
    given = request.get(f"{storage}.ProvisionedThroughput")
    if wrong := objection(given, request.get("BrokerNodeGroupInfo.InstanceType"), size):
        raise request.refusal(f"{storage}.ProvisionedThroughput.{wrong[0]}", wrong[1])


def public_access(request: CreateRequest) -> None:
    path = "BrokerNodeGroupInfo.ConnectivityInfo.PublicAccess.Type"
    asked = request.get(path)
    if asked not in (None, "DISABLED", "SERVICE_PROVIDED_EIPS"):
        raise request.refusal(path, f"{asked!r} is neither DISABLED nor SERVICE_PROVIDED_EIPS.")
    if asked == "SERVICE_PROVIDED_EIPS":
        raise request.refusal(path, f"public access {_UPDATE_ONLY}")


def vpc_connectivity(request: CreateRequest) -> None:
    path = "BrokerNodeGroupInfo.ConnectivityInfo.VpcConnectivity.ClientAuthentication"
    for way in ("Sasl.Scram", "Sasl.Iam", "Tls"):
        if request.get(f"{path}.{way}.Enabled"):
            raise request.refusal(f"{path}.{way}.Enabled", f"multi-VPC connectivity {_UPDATE_ONLY}")


def network_type(request: CreateRequest) -> None:
    path = "BrokerNodeGroupInfo.ConnectivityInfo.NetworkType"
    if request.get(path) not in (None, "IPV4"):
        raise request.refusal(path, f"is IPV4 at first; it {_UPDATE_ONLY}")


def encryption_at_rest(request: CreateRequest) -> None:
    path = "EncryptionInfo.EncryptionAtRest.DataVolumeKMSKeyId"
    own = default_key(request.caller.account, request.caller.region)
    if request.get(path) not in (None, own):
        raise request.refusal(
            path, f"a key of one's own is not built yet; leave it out, or give the account's default key, {own}."
        )


def client_authentication(request: CreateRequest) -> None:
    path = "ClientAuthentication"
    for way, what in (
        ("Sasl.Scram", "SASL/SCRAM authentication"),
        ("Sasl.Iam", "IAM authentication"),
        ("Tls", "mutual TLS authentication"),
    ):
        if request.get(f"{path}.{way}.Enabled"):
            raise request.not_built(f"{path}.{way}.Enabled", what)
    if request.get(f"{path}.Tls.CertificateAuthorityArnList"):
        raise request.not_built(f"{path}.Tls.CertificateAuthorityArnList", "trust in a client CA of one's own")
    if request.get(f"{path}.Unauthenticated.Enabled") is False:
        raise request.refusal(
            f"{path}.Unauthenticated.Enabled",
            "with every way of authentication off nobody could connect, and the others are not built yet; "
            "set it to true or leave it out.",
        )


def storage_mode(request: CreateRequest) -> None:
    if request.get("StorageMode") not in (None, "LOCAL"):
        raise request.not_built("StorageMode", "tiered storage")


def rebalancing(request: CreateRequest) -> None:
    if request.get("Rebalancing") is not None:
        raise request.refusal("Rebalancing", "intelligent rebalancing belongs to Express brokers; leave it out.")


_SINKS = (
    ("CloudWatchLogs", "LogGroup", re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")),
    ("Firehose", "DeliveryStream", re.compile(r"[a-zA-Z0-9_.-]{1,64}")),
    ("S3", "Bucket", re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")),
)
"""Where logs can go: the sink, the member that names the place, and AWS's pattern of such names."""


def logging(request: CreateRequest) -> None:
    for logs in ("LoggingInfo.BrokerLogs", "LoggingInfo.AuthorizerLogs"):
        for sink, place, pattern in _SINKS:
            path = f"{logs}.{sink}.{place}"
            name = request.get(path)
            if request.get(f"{logs}.{sink}.Enabled") and not name:
                raise request.refusal(path, "is needed where `enabled` is true: logs must go somewhere.")
            if name and not pattern.fullmatch(name):
                raise request.refusal(path, f"{name!r} is not a name that AWS allows there.")
        prefix = request.get(f"{logs}.S3.Prefix")
        if prefix is not None and (len(prefix) > 1024 or not prefix.isprintable()):
            raise request.refusal(f"{logs}.S3.Prefix", "a prefix has at most 1024 printable characters.")


def tags(request: CreateRequest) -> None:
    check_tags(request.tags)


RULES: tuple[Rule, ...] = (
    cluster_name,
    kafka_version,
    instance_type,
    client_subnets,
    security_groups,
    broker_count,
    volume_size,
    provisioned_throughput,
    public_access,
    vpc_connectivity,
    network_type,
    encryption_at_rest,
    client_authentication,
    storage_mode,
    rebalancing,
    logging,
    tags,
)


def validate(request: CreateRequest) -> None:
    """Raise the first objection that a rule has; silent where the create may go on to the store."""
    for rule in RULES:
        rule(request)


def validate_zones(request: CreateRequest, subnets: Sequence[Subnet]) -> None:
    """The rules that need to know where the subnets lie: a zone for each, and `zoneIds` true where they are given."""
    zones = [subnet.zone for subnet in subnets]
    if len(set(zones)) < len(zones):
        places = ", ".join(f"{subnet.id} in {subnet.zone}" for subnet in subnets)
        raise request.refusal(
            "BrokerNodeGroupInfo.ClientSubnets", f"each subnet must lie in another zone, but here are {places}."
        )
    # MSK shows this member and users copy it from one description into the next create: it may say what is so.
    given = request.get("BrokerNodeGroupInfo.ZoneIds")
    if given and list(given) != zones:
        raise request.refusal(
            "BrokerNodeGroupInfo.ZoneIds",
            f"the zones follow from the subnets and are {', '.join(zones)}; leave this member out.",
        )
