"""What a user asks of a simulated cluster: the operations of the API themselves, on the rows that the loop reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import define, field

from penstock.api import configurations, connectivity, storage, updates
from penstock.api.defaults import complete
from penstock.api.rooms import Operation, Rooms
from penstock.kafka.versions import catalogue
from penstock.model.ids import ClusterId
from penstock.model.operation import OperationKind
from penstock.model.spec import Subnet
from penstock.settings import Settings
from penstock.store.store import Store
from penstock.wire.call import Call, Caller, Output
from penstock.wire.pages import Pages

REGION = "us-east-1"
TYPES = ("kafka.m7g.large", "kafka.m7g.xlarge")


def shown(subnets: tuple[Subnet, ...]) -> Mapping[str, Any]:
    """The `Provisioned` members of a cluster whose user said no more than had to be said."""
    group = {"InstanceType": TYPES[0], "ClientSubnets": [subnet.id for subnet in subnets]}
    return complete({"BrokerNodeGroupInfo": group, "KafkaVersion": "4.3.x.kraft"}, "a key", subnets, "sg-1")


@define
class Calls:
    """One user with a cluster. Each account has one cluster, so that stories which share a store never meet."""

    store: Store
    cluster: ClusterId
    clock: Callable[[], datetime]
    rebalance: bool = True
    """The setting `rebalance_after_scale`."""
    account: str = field(init=False)
    _configuration: str | None = None

    def __attrs_post_init__(self) -> None:
        self.account = f"{int(self.cluster[:8], 16):012d}"

    def arn(self, name: str) -> str:
        return f"arn:aws:kafka:{REGION}:{self.account}:cluster/{name}/{self.cluster}"

    def update(self, operation: Operation, **members: Any) -> str:
        """A call that opens an operation on the cluster as it is now; the operation's id. Raises BadRequest."""
        with self.store.read() as rows:
            record = rows.clusters.get(self.cluster)
        assert record is not None
        wanted = {"ClusterArn": record.spec.arn, "CurrentVersion": record.current_version, **members}
        return str(self._perform(operation, wanted)["ClusterOperationArn"]).rpartition("/")[2]

    def configure(self, *properties: str) -> str:
        """UpdateClusterConfiguration to a new revision that holds these lines and no others."""
        content = "\n".join(properties).encode()
        if self._configuration is None:
            made = self._perform(configurations.create_configuration, {"Name": "tuned", "ServerProperties": content})
        else:
            wanted = {"Arn": self._configuration, "ServerProperties": content}
            made = self._perform(configurations.update_configuration, wanted)
        self._configuration = made["Arn"]
        info = {"Arn": made["Arn"], "Revision": made["LatestRevision"]["Revision"]}
        return self.update(updates.update_cluster_configuration, ConfigurationInfo=info)

    def _perform(self, operation: Operation, members: Mapping[str, Any]) -> Output:
        settings = Settings(home=Path("/nowhere"), rebalance_after_scale=self.rebalance)
        rooms = Rooms(self.store, settings, self.clock, catalogue(), Pages(b"k" * 32), _no_topics, lambda: None)
        caller = Caller(self.account, REGION, "AKIA", f"arn:aws:iam::{self.account}:root")
        return operation(Call("kafka", operation.__name__, members, caller, "a request"), rooms)


def _no_topics(spec: object) -> Any:
    raise AssertionError("no update asks Kafka")


def call(calls: Calls, kind: OperationKind) -> str:
    """Some call of that kind that really changes something; the operation's id. Raises BadRequest."""
    with calls.store.read() as rows:
        record = rows.clusters.get(calls.cluster)
    assert record is not None
    spec = record.spec
    present, zones = len(spec.brokers), len(spec.subnets)
    match kind:
        case OperationKind.INCREASE_BROKER_COUNT:
            wanted = (present // zones + 1) * zones
            return calls.update(updates.update_broker_count, TargetNumberOfBrokerNodes=wanted)
        case OperationKind.DECREASE_BROKER_COUNT:
            return calls.update(updates.update_broker_count, TargetNumberOfBrokerNodes=present - zones)
        case OperationKind.REBOOT_NODE:
            return calls.update(updates.reboot_broker, BrokerIds=["1"])
        case OperationKind.UPDATE_BROKER_TYPE:
            other = TYPES[spec.instance_type == TYPES[0]]
            return calls.update(updates.update_broker_type, TargetInstanceType=other)
        case OperationKind.UPDATE_BROKER_EBS_VOLUME:
            size = [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": spec.volume_gib + 50}]
            return calls.update(storage.update_broker_storage, TargetBrokerEBSVolumeInfo=size)
        case OperationKind.UPDATE_CONNECTIVITY:
            return calls.update(connectivity.update_connectivity, ConnectivityInfo={"NetworkType": "DUAL"})
        case OperationKind.UPDATE_CLUSTER_CONFIGURATION:
            number = 0 if spec.configuration is None else spec.configuration[1]
            threads = "num.io.threads=40" if number % 2 == 0 else "num.io.threads=12"
            # What brokers take at run time, what only they restart for, and what controllers restart for too.
            return calls.configure(
                threads, f"offsets.retention.minutes={1000 + number}", f"num.partitions={2 + number}"
            )
        case OperationKind.UPDATE_CLUSTER_MONITORING:
            other = {"DEFAULT": "PER_BROKER"}.get(spec.api["EnhancedMonitoring"], "DEFAULT")
            return calls.update(updates.update_monitoring, EnhancedMonitoring=other)
        case _:
            raise NotImplementedError(f"{kind} has no call in the simulation yet: add one here")
