"""The plan under construction. `act` is free, `restart` is a wish; `disrupt` succeeds only through the safety gate."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.health import going
from penstock.control.cluster.safety import may_go_down
from penstock.model.action import Action, Rehouse, RemoveVoter, Stop
from penstock.model.ids import NodeId, Role
from penstock.model.observation import ClusterView
from penstock.model.plan import Plan, Reasoned, Restart, Roll, Waiting

PARTITIONS = 3
"""The depth of a look that includes partitions."""


class Draft:
    """What the rules have decided so far in this pass.

    Invariant: every Stop of a node that does its work is in `going` and was proved safe together with all others there;
    nodes that an earlier pass asked to stop are there from the beginning, and then nobody joins them. What one plan takes
    down is one batch: brokers of one zone, or one controller."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._actions: list[Reasoned] = []
        self._waits: list[Waiting] = []
        self._notes: list[str] = []
        self._stuck: str | None = None
        self._before = going(view)
        self.going = set(self._before)
        """Nodes that this plan takes down, and those on their way down already."""
        self._restarts: dict[NodeId, list[str]] = {}
        self.roll: Roll | None = None
        """All restarts that are wanted, in order; set by the rule that carries them out."""
        self.depth = view.depth
        """How deep a look the rules asked for."""

    def act(self, action: Action, because: str, *, heals: bool = False) -> None:
        """An act that takes nothing away from clients."""
        self._actions.append(Reasoned(action, because, heals=heals))

    def disrupt(self, action: Stop, because: str) -> bool:
        """Stop a node that works, if it is proved that clients keep their cluster; else wait and say why."""
        if action.target in self.going:
            self.wait(on=str(action.target), because="it was asked to stop and is on its way down")
            return False
        if self.going and not self._joins(action.target):
            self.wait(on=str(action.target), because=f"{self._named()} must be back first")
            return False
        return self._proved(action, because, heals=False)

    def insist(self, action: Stop, because: str) -> bool:
        """Stop a node that was to stop before and may work on, if that is proved anew: an earlier proof has grown old."""
        return self._proved(action, because, heals=True)

    def _proved(self, action: Stop, because: str, *, heals: bool) -> bool:
        if self._view.depth < PARTITIONS:
            self.look(PARTITIONS)
            self.wait(on=str(action.target), because="the partitions must be looked at first", heals=heals)
            return False
        answer = may_go_down(action.target, self._view, self.going)
        for note in answer.notes:
            self.note(note)
        if not answer.safe:
            self.wait(
                on=str(action.target), because=f"{because}, but {answer.why}" if heals else answer.why, heals=heals
            )
            return False
        self.going.add(action.target)
        self._actions.append(Reasoned(action, because, heals=heals, disrupts=True))
        return True

    def _joins(self, node: NodeId) -> bool:
        """Is it of the same zone as the brokers that this plan takes down, and nobody on the way down from before?"""
        if self._before or not all(each.role is Role.BROKER for each in (node, *self.going)):
            return False
        return len({self._view.node(each).zone for each in (node, *self.going)}) == 1

    def _named(self) -> str:
        return ", ".join(map(str, sorted(self.going)))

    def restart(self, node: NodeId, because: str) -> None:
        """The running node is to be restarted for this: once, whatever the number of reasons, when its turn comes."""
        self._restarts.setdefault(node, []).append(because)

    @property
    def restarts(self) -> tuple[Restart, ...]:
        """Every node that some rule wants restarted, with all reasons."""
        return tuple(Restart(node, tuple(reasons)) for node, reasons in self._restarts.items())

    def wait(self, on: str, because: str, until: datetime | None = None, *, heals: bool = False) -> None:
        """Something is not as it should be and nothing can be done about it now."""
        self._waits.append(Waiting(on, because, until, heals))

    def note(self, sentence: str) -> None:
        """A sentence without consequence."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    def stuck(self, sentence: str) -> None:
        """Nothing can help: cause and fix. The first one counts."""
        self._stuck = self._stuck or sentence

    def look(self, depth: int) -> None:
        """Ask for a deeper look; the pass looks again and plans anew before it acts."""
        self.depth = max(self.depth, depth)

    @property
    def rehoused(self) -> bool:
        """Does this plan give some node a new storage identity, or take the vote of an old one away?"""
        return any(isinstance(reasoned.action, Rehouse | RemoveVoter) for reasoned in self._actions)

    def ended(self, node: NodeId) -> bool:
        """Does this plan stop the node already?"""
        return any(isinstance(each.action, Stop) and each.action.target == node for each in self._actions)

    def targeted(self, node: NodeId) -> bool:
        """Has some rule already decided about this node in this pass?"""
        return any(reasoned.action.target == node for reasoned in self._actions)

    def plan(self) -> Plan:
        return Plan(tuple(self._actions), tuple(self._waits), tuple(self._notes), self._stuck, self.roll)
