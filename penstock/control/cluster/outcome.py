"""How an operation ends, and what the API shows from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from penstock.model.operation import OpenOperation, OperationKind, OperationState
from penstock.model.spec import ClusterSpec

RUNNING: Mapping[OperationKind, OperationState] = {OperationKind.REBOOT_NODE: OperationState.REBOOT_IN_PROGRESS}
COMPLETE: Mapping[OperationKind, OperationState] = {OperationKind.REBOOT_NODE: OperationState.REBOOT_COMPLETE}


def running(kind: OperationKind) -> OperationState:
    """The word for an operation of that kind that goes on (msk.md 2.2)."""
    return RUNNING.get(kind, OperationState.UPDATE_IN_PROGRESS)


def complete(kind: OperationKind) -> OperationState:
    """The word for one that is done."""
    return COMPLETE.get(kind, OperationState.UPDATE_COMPLETE)


def shown(api: Mapping[str, Any], target: Mapping[str, Any]) -> Mapping[str, Any]:
    """`Provisioned` members after a change to `target` (`MutableClusterInfo` members). Until then the old ones are shown."""
    after = dict(api)
    for member, value in target.items():
        match member:
            case "InstanceType":
                after["BrokerNodeGroupInfo"] = {**after["BrokerNodeGroupInfo"], "InstanceType": f"kafka.{value}"}
            case "BrokerEBSVolumeInfo":
                group = after["BrokerNodeGroupInfo"]
                names = {"VolumeSizeGB": "VolumeSize", "ProvisionedThroughput": "ProvisionedThroughput"}
                given = {shown: value[0][name] for name, shown in names.items() if name in value[0]}
                storage = {**group["StorageInfo"]["EbsStorageInfo"], **given}
                after["BrokerNodeGroupInfo"] = {**group, "StorageInfo": {"EbsStorageInfo": storage}}
            case "ConfigurationInfo":
                software = {**after["CurrentBrokerSoftwareInfo"], "ConfigurationArn": value["Arn"]}
                after["CurrentBrokerSoftwareInfo"] = {**software, "ConfigurationRevision": value["Revision"]}
            case "ConnectivityInfo":
                group = after["BrokerNodeGroupInfo"]
                merged = _merged(group.get("ConnectivityInfo"), value)
                after["BrokerNodeGroupInfo"] = {**group, "ConnectivityInfo": merged}
            case "BrokerCountUpdateInfo":
                pass  # about the operation, no member of a cluster
            case _ if member[:1].isupper():
                after[member] = _merged(after.get(member), value)
    return after


def _merged(present: Any, given: Any) -> Any:
    """What was given over what is there, so that members which the call left out stay as they are. A switch (`Enabled`) comes
    with all that belongs to it: logs that are off go to no log group."""
    if isinstance(present, Mapping) and isinstance(given, Mapping) and "Enabled" not in given:
        return {**present, **{name: _merged(present.get(name), value) for name, value in given.items()}}
    return given


@frozen
class Ending:
    """How an operation ends. `code` and `why` are set where it failed."""

    state: OperationState
    kind: OperationKind
    code: str | None = None
    why: str | None = None
    stays: bool = False
    """It failed, and what it did come to stays."""
    throttled: tuple[str, ...] = ()
    """Topics that it may leave throttled, because it could not lift that."""
    restrained: bool = False
    """It may leave limits of brokers, and brokers closed to new replicas, too."""

    def __str__(self) -> str:
        return f"operation {self.kind} is {self.state}" + (f": {self.why.removesuffix('.')}" if self.why else "")


def ended(spec: ClusterSpec, operation: OpenOperation, ending: Ending) -> ClusterSpec:
    """The spec after the operation: what it came to is shown from now on, unless the cluster went back."""
    if ending.why is not None and not ending.stays:
        return evolve(spec, retired=())
    return evolve(spec, api=shown(spec.api, operation.target), retired=())
