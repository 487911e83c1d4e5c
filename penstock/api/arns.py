"""From an ARN in a request to the record that it names, or to the right error.

Invariant: accounts and regions never meet. An ARN of another account or region is as unknown as one that never was, so that
nobody learns what others have."""

from __future__ import annotations

from penstock.model.ids import Arn, parse_arn
from penstock.store.records import ClusterRecord, ConfigurationRecord, OperationRecord
from penstock.store.transaction import Transaction
from penstock.wire.call import Call
from penstock.wire.errors import BadRequest, NotFound

_CLUSTER = "cluster/my-cluster/0251db9f-3a37-4b9e-8f0c-2f1f5d1f7d35-1"


def cluster_of(tx: Transaction, call: Call, member: str = "ClusterArn") -> ClusterRecord:
    """The cluster that `member` names. BadRequest for what is no cluster's ARN, NotFound for one that is not here."""
    text: str = call.params[member]
    arn = _parsed(call, member, "cluster", _CLUSTER)
    record = tx.clusters.by_arn(text) if _own(arn, call) else None
    if record is None:
        raise NotFound(
            f"The cluster {text} does not exist in this account and region; `ListClustersV2` names those that do.",
            invalid_parameter=_wire(member),
        )
    return record


def operation_of(tx: Transaction, call: Call) -> tuple[ClusterRecord, OperationRecord]:
    """The operation that `ClusterOperationArn` names, and its cluster. BadRequest and NotFound as above."""
    member = "ClusterOperationArn"
    arn = _parsed(call, member, "cluster-operation", "cluster-operation/my-cluster/<uuid>-1/<uuid>")
    path, _, uuid = arn.path.rpartition("/")
    record = tx.clusters.by_arn(str(Arn(arn.region, arn.account, "cluster", path))) if _own(arn, call) else None
    operation = tx.operations.get(uuid) if record is not None else None
    if record is None or operation is None or operation.cluster != record.spec.id:
        raise NotFound(
            f"The cluster operation {call.params[member]} does not exist in this account and region.",
            invalid_parameter=_wire(member),
        )
    return record, operation


def configuration_of(tx: Transaction, call: Call) -> ConfigurationRecord:
    """The configuration that `Arn` names. BadRequest for one that is not here too, in MSK's words: Terraform reads them."""
    text: str = call.params["Arn"]
    arn = _parsed(call, "Arn", "configuration", "configuration/my-configuration/0251db9f-3a37-4b9e-8f0c-2f1f5d1f7d35-1")
    record = tx.configurations.by_arn(text) if _own(arn, call) else None
    if record is None:
        raise BadRequest(no_configuration(text), invalid_parameter="arn")
    return record


def tagged_of(tx: Transaction, call: Call) -> ClusterRecord | ConfigurationRecord:
    """The cluster or configuration that `ResourceArn` names. BadRequest for what is no ARN, NotFound for all others: the
    calls of tags have no other word for it."""
    text: str = call.params["ResourceArn"]
    arn = parse_arn(text)
    if arn is None or arn.service != "kafka":
        raise BadRequest(
            f"resourceArn: {text!r} is not the ARN of a cluster or of a configuration; one looks like "
            f"arn:aws:kafka:{call.caller.region}:{call.caller.account}:{_CLUSTER}.",
            invalid_parameter="resourceArn",
        )
    if arn.kind == "cluster":
        return cluster_of(tx, call, "ResourceArn")
    record = tx.configurations.by_arn(text) if arn.kind == "configuration" and _own(arn, call) else None
    if record is None:
        raise NotFound(
            f"The {arn.kind} {text} does not exist in this account and region; clusters and configurations have tags.",
            invalid_parameter="resourceArn",
        )
    return record


def no_configuration(arn: str) -> str:
    """The sentence about the ARN of a configuration, well-formed or not, that is not in this account and region."""
    return (
        f"Configuration ARN does not exist: {arn!r} names none in this account and region; `ListConfigurations` names "
        "those that are there."
    )


def _parsed(call: Call, member: str, kind: str, example: str) -> Arn:
    text: str = call.params[member]
    arn = parse_arn(text)
    if arn is None or arn.service != "kafka" or arn.kind != kind:
        raise BadRequest(
            f"{_wire(member)}: {text!r} is not the ARN of a {kind.replace('-', ' ')}; one looks like "
            f"arn:aws:kafka:{call.caller.region}:{call.caller.account}:{example}.",
            invalid_parameter=_wire(member),
        )
    return arn


def _own(arn: Arn, call: Call) -> bool:
    return (arn.account, arn.region) == (call.caller.account, call.caller.region)


def _wire(member: str) -> str:
    return member[:1].lower() + member[1:]
