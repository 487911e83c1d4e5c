"""What a user asked for, complete with defaults: the desired half of a cluster. Written by the API, read by the loop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from penstock.model.ids import ClusterId, NodeId, Role

MOST_BROKERS = 60
"""Of a KRaft cluster (msk.md 12.1); the 15 of the API's model is advisory."""


class ClientBroker(StrEnum):
    """MSK's `encryptionInTransit.clientBroker`: which client listeners exist."""

    TLS = "TLS"
    TLS_PLAINTEXT = "TLS_PLAINTEXT"
    PLAINTEXT = "PLAINTEXT"

    @property
    def listeners(self) -> tuple[str, ...]:
        """Names of the client listeners, as MSK names them (msk.md 3.4)."""
        return {
            ClientBroker.TLS: ("CLIENT_SECURE",),
            ClientBroker.TLS_PLAINTEXT: ("CLIENT", "CLIENT_SECURE"),
            ClientBroker.PLAINTEXT: ("CLIENT",),
        }[self]


@frozen
class Subnet:
    """A subnet of the built-in network and the zone it lies in (`use1-az1`, …)."""

    id: str
    zone: str


@frozen
class Endpoint:
    """An address and the port of each listener on it. Written down before the first start that uses it."""

    address: str
    ports: Mapping[str, int]


@frozen
class NodePlace:
    """The written-down facts of one node: where it is, which volume is its own, how often it was asked to restart."""

    id: NodeId
    subnet: Subnet
    uuid: str
    """Last part of the node's ARN; also the seed of its ENI id."""
    directory: str
    """Kafka's directory id: 22 characters of base64url, never beginning with `-`; it is also the volume's incarnation."""
    endpoint: Endpoint | None = None
    """Its own address, with a port for every listener."""
    shared: Endpoint | None = None
    """Where its client listeners are in place of `endpoint`, with the setting `network_address`: ports of its own there."""
    ipv6: Endpoint | None = None
    """Where its client listeners over IPv6 are, once its cluster is to have them (`ClusterSpec.dual`)."""
    restarts: int = 0
    """Raised by RebootBroker: a command turned into state."""
    joins: bool = False
    """Its volume is not the first that it had: a controller's then knows no voters, and joins the quorum that there is."""
    leaving: bool = False
    """It is to be emptied and then removed."""
    added: datetime | None = None
    """When the node first served; MSK's `addedToClusterTime`."""
    served: str = ""
    """`directory` as it was when the node last came to serve: that volume has data, and is never made anew as if it had none."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All that is written down for it, whether in use or not; what comes first is where a listener is."""
        return tuple(each for each in (self.shared, self.endpoint, self.ipv6) if each is not None)

    def at(self, listener: str) -> tuple[str, int] | None:
        """Address and port of a listener; None where none is written down."""
        for endpoint in self.endpoints:
            if listener in endpoint.ports:
                return endpoint.address, endpoint.ports[listener]
        return None


@frozen
class ClusterSpec:
    """One provisioned cluster as desired.

    Invariant: `nodes` holds every node that should exist, brokers 1..n spread evenly over `subnets` and three controllers."""

    id: ClusterId
    arn: str
    name: str
    account: str
    region: str
    kafka_id: str
    """Kafka's own cluster id: 22 characters of base64url."""
    kafka_version: str
    """MSK's name of the version, `4.3.x.kraft`; a row of kafka/distributions.toml."""
    client_broker: ClientBroker
    instance_type: str
    volume_gib: int
    subnets: tuple[Subnet, ...]
    nodes: tuple[NodePlace, ...]
    created: datetime
    api: Mapping[str, Any] = field(factory=dict)
    """The `Provisioned` members as DescribeClusterV2 shows them (botocore's member names), defaults filled in."""
    tags: Mapping[str, str] = field(factory=dict)
    leaves_after: datetime | None = None
    """Client certificates issued before this moment are to be renewed."""
    removed: bool = False
    """Deletion is a spec too: nothing of the cluster should exist."""
    paused: bool = False
    """The off switch: observe and plan go on, act does not."""
    retired: tuple[NodeId, ...] = ()
    """Brokers that were emptied and are no part of the cluster any more; what is left of them is to be cleared away."""
    configuration: tuple[str, int] | None = None
    """ARN and revision of the configuration that brokers run with; None: the defaults alone."""
    dual: bool = False
    """MSK's network type DUAL: brokers have their client listeners over IPv6 too."""

    @property
    def brokers(self) -> tuple[NodePlace, ...]:
        return tuple(node for node in self.nodes if node.id.role is Role.BROKER)

    @property
    def controllers(self) -> tuple[NodePlace, ...]:
        return tuple(node for node in self.nodes if node.id.role is Role.CONTROLLER)

    def place(self, node: NodeId) -> NodePlace:
        """The written-down facts of one node; KeyError where the cluster has no such node."""
        for place in self.nodes:
            if place.id == node:
                return place
        raise KeyError(node)

    def with_place(self, changed: NodePlace) -> ClusterSpec:
        """The same spec with one node's facts replaced."""
        return evolve(self, nodes=tuple(changed if p.id == changed.id else p for p in self.nodes))

    def without(self, node: NodeId) -> ClusterSpec:
        """The same spec with one node retired."""
        return evolve(self, nodes=tuple(p for p in self.nodes if p.id != node), retired=(*self.retired, node))


class ClusterState(StrEnum):
    """MSK's states. Computed by every pass from what is seen, never set by a call (msk.md 2.1)."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    UPDATING = "UPDATING"
    REBOOTING_BROKER = "REBOOTING_BROKER"
    MAINTENANCE = "MAINTENANCE"
    HEALING = "HEALING"
    FAILED = "FAILED"
    DELETING = "DELETING"


@frozen
class Pace:
    """How long things last took in this cluster, in seconds: what predictions are made from."""

    starts: Mapping[str, float] = field(factory=dict)
    """Name of a node -> from its last start until it served."""
    settling: float | None = None
    """From the moment when all served again until every replica was in sync and led where it belongs."""


@frozen
class ClusterStatus:
    """What the loop last computed of a cluster, kept so that reads need not look at the world."""

    state: ClusterState = ClusterState.CREATING
    code: str | None = None
    message: str | None = None
    since: datetime | None = None
    """When the state was entered."""
    completed: bool = False
    """It was ACTIVE once; from then on it is never CREATING again."""
    progress: str = ""
    """A digest of how far a create has come; unchanged for long means no progress."""
    progress_at: datetime | None = None
    waiting: tuple[str, ...] = ()
    """Sentences: on what the last pass waits, and until when."""
    pace: Pace = Pace()
    filled: Mapping[str, int] = field(factory=dict)
    """Node name, or `disk`, -> the highest of `fullness.LEVELS` (percent) that its volume has reached; absent below all."""
    throttled: tuple[str, ...] = ()
    """Topics that an operation may have left throttled which failed before it could lift that, and those that are moved because
    it left brokers that must leave."""
    restrained: bool = False
    """Limits of brokers, and brokers closed to new replicas, may be left of such an operation."""
