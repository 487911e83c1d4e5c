"""What to do next, and what is waited for. Made by rules."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime

from attrs import field, frozen

from penstock.model.action import Action, Discard, Reassign, Renew, Start
from penstock.model.ids import NodeId
from penstock.model.rebalance import Move


@frozen
class Reasoned:
    """An action and the evidence that led to it: the sentence that travels to events and operations."""

    action: Action
    because: str
    heals: bool = False
    """The act restores a node or a replica: the cluster is HEALING meanwhile."""
    disrupts: bool = False
    """It came through the safety gate."""


@frozen
class Waiting:
    """What is waited for, and why; `until` is the moment of the next try where one is known."""

    on: str
    because: str
    until: datetime | None = None
    heals: bool = False
    """What is waited for is the end of a repair."""

    def __str__(self) -> str:
        text = f"waits for {self.on}: {self.because}"
        return text + (f"; next try {self.until:%H:%M:%S}Z" if self.until else "")


@frozen
class Restart:
    """A node that is to be restarted once, with everything that this one restart is for."""

    node: NodeId
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons)


@frozen
class Batch:
    """Nodes that go down together and are waited for together: brokers of one zone, or one controller."""

    zone: str
    restarts: tuple[Restart, ...]
    seconds: float
    """Predicted, from the stop until every replica is in sync and led where it belongs."""
    note: str = ""
    """Why it is no larger, where that is not plain."""

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        return tuple(restart.node for restart in self.restarts)

    def __str__(self) -> str:
        return ", ".join(map(str, self.nodes))


@frozen
class Roll:
    """Every restart that is wanted now, in order, as it goes where nothing else happens meanwhile."""

    batches: tuple[Batch, ...]
    exposed: tuple[str, ...] = ()
    """Partitions that go below their minimum while one of these nodes is down, in whatever order: too few replicas."""

    @property
    def seconds(self) -> float:
        return sum(batch.seconds for batch in self.batches)


@frozen
class Plan:
    """The outcome of one run of the rules."""

    actions: tuple[Reasoned, ...] = ()
    waits: tuple[Waiting, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """Sentences without consequence: what was not counted, what has no effect yet."""
    stuck: str | None = None
    """Why nothing can help, where a rule knows it at once (cause and fix)."""
    roll: Roll | None = None
    """What is still to be restarted; None where nothing is."""

    @property
    def ordered(self) -> tuple[Move, ...]:
        """Everything that is to move by it."""
        return tuple(move for each in self.actions if isinstance(each.action, Reassign) for move in each.action.moves)

    @property
    def writes(self) -> bool:
        """Some node's files are written by it, as the layout has them."""
        return any(isinstance(each.action, Start | Renew) for each in self.actions)

    @property
    def discards(self) -> Set[str]:
        """Names of the quarantined volumes that it deletes."""
        return {each.action.name for each in self.actions if isinstance(each.action, Discard)}
