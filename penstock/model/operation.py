"""Cluster operations: one for each asynchronous change, kept as history (msk.md 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from attrs import field, frozen

from penstock.model.spec import ClusterState


class OperationKind(StrEnum):
    """MSK's own names (msk.md 2.2). A kind is added together with its steps and its rule."""

    DECREASE_BROKER_COUNT = "DECREASE_BROKER_COUNT"
    INCREASE_BROKER_COUNT = "INCREASE_BROKER_COUNT"
    REBOOT_NODE = "REBOOT_NODE"
    UPDATE_BROKER_EBS_VOLUME = "UPDATE_BROKER_EBS_VOLUME"
    UPDATE_BROKER_TYPE = "UPDATE_BROKER_TYPE"
    UPDATE_CLUSTER_CONFIGURATION = "UPDATE_CLUSTER_CONFIGURATION"
    UPDATE_CLUSTER_MONITORING = "UPDATE_CLUSTER_MONITORING"
    UPDATE_CONNECTIVITY = "UPDATE_CONNECTIVITY"


class OperationState(StrEnum):
    """As recorded; reboots have words of their own."""

    PENDING = "PENDING"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    REBOOT_IN_PROGRESS = "REBOOT_IN_PROGRESS"
    REBOOT_COMPLETE = "REBOOT_COMPLETE"

    @property
    def open(self) -> bool:
        return self in (OperationState.PENDING, OperationState.UPDATE_IN_PROGRESS, OperationState.REBOOT_IN_PROGRESS)


SHOWN_AS: Mapping[OperationKind, ClusterState] = MappingProxyType(
    {OperationKind.REBOOT_NODE: ClusterState.REBOOTING_BROKER}
)
"""The state that an open operation gives to an ACTIVE cluster; where a kind is not here: UPDATING (msk.md 2.1)."""


@frozen
class Step:
    """A step as users see it: PENDING, IN_PROGRESS or COMPLETED; never backwards."""

    name: str
    status: str
    detail: str = ""
    """How far it is, where that can be told: `35 % of 2.0 GiB moved, about 40 s left`. Or what it is about: `for num.partitions`."""

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}" if self.detail else self.status


@frozen
class Setback:
    """Why an operation was given up. It stays open until the cluster is back where it was, and fails then."""

    code: str
    why: str
    stays: bool = False
    """The cluster does not go back: what it has come to stays, and only what is under way is brought to an end."""


@frozen
class Work:
    """What the loop wrote down about an open operation, so that the next pass goes on from it, whoever makes it."""

    mark: str = ""
    """The furthest that it has come; only more is progress."""
    marked: datetime | None = None
    """When that was reached; no moment counts in which nobody looked."""
    setback: Setback | None = None
    refusals: int = 0
    """How many passes in a row Kafka refused what was to be set."""
    begun_bytes: int = 0
    """What was to be copied when a rebalance began, and what has been found since that must be copied too."""
    left_bytes: int = 0
    """What of it was left at the last look."""
    calm_ms: float | None = None
    """How long producers waited before anything moved; None until that was measured."""
    throttles: tuple[str, ...] = ()
    """Topics whose throttles are this operation's to set and to lift; written down before they are set."""
    moves: tuple[str, ...] = ()
    """Partitions that it ordered to move, as long as they do: `orders-3`. What else moves is somebody else's."""


@frozen
class OpenOperation:
    """An operation that the loop works on. `target` says what it is about (for a reboot: the broker's node name and number)."""

    id: str
    kind: OperationKind
    state: OperationState
    started: datetime
    target: Mapping[str, Any] = field(factory=dict)
    """`MutableClusterInfo` members that change, and, with a small first letter, what the loop needs to know: `node` and
    `number` of a reboot, `before` (fields of the spec to go back to), `live` and `live_before` (property -> value, to be
    set at run time; and on the way back), `restart` (properties that change and that only a restart applies, there and
    back), `rebalance` (partitions move)."""
    steps: tuple[Step, ...] = ()
    work: Work = Work()
    source: Mapping[str, Any] = field(factory=dict)
    """`MutableClusterInfo` members as they were."""

    @property
    def live(self) -> Mapping[str, str]:
        """Property -> value that every broker is to have, set at run time."""
        return self.target.get("live" if self.work.setback is None else "live_before") or {}

    @property
    def restart(self) -> tuple[str, ...] | None:
        """Properties for which nodes are restarted; None where the operation is not about properties."""
        names = self.target.get("restart")
        return None if names is None else tuple(names)

    @property
    def scales(self) -> bool:
        """It is about which brokers may have replicas."""
        return self.kind in (OperationKind.INCREASE_BROKER_COUNT, OperationKind.DECREASE_BROKER_COUNT)

    @property
    def moves(self) -> bool:
        """Partitions move for it."""
        joined = self.kind is OperationKind.INCREASE_BROKER_COUNT and self.work.setback is not None
        return joined or bool(self.target.get("rebalance"))

    def __str__(self) -> str:
        """`INCREASE_BROKER_COUNT: MOVE_PARTITIONS (35 % of 2.0 GiB moved, 12 partitions and about 40 s left)`."""
        step = next((step for step in self.steps if step.status == "IN_PROGRESS"), None)
        if step is None:
            return str(self.kind)
        return f"{self.kind}: {step.name}{f' ({step.detail})' if step.detail else ''}"
