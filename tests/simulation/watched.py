"""The reconciler of a play: the real one, seen through."""

from __future__ import annotations

from collections.abc import Callable

from fakes.world import Machine

from penstock.control.cluster.reconciler import ClusterReconciler
from penstock.model.ids import NodeId
from penstock.model.observation import ClusterView
from penstock.model.plan import Plan


class Watched(ClusterReconciler):
    """The real one; keeps what its last pass saw and planned, and may die after what it writes down by itself, too."""

    last: tuple[ClusterView, Plan] | None = None

    def decide(self, *arguments: object, **options: object) -> tuple[ClusterView, Plan]:
        self.last = super().decide(*arguments, **options)
        return self.last

    def _rehouse(self, node: NodeId, directory: str) -> None:
        self._written("rehouse", node, lambda: super(Watched, self)._rehouse(node, directory))

    def _retire(self, node: NodeId) -> None:
        self._written("retire", node, lambda: super(Watched, self)._retire(node))

    def _written(self, verb: str, node: NodeId, write: Callable[[], None]) -> None:
        machine: Machine = self._around.compute
        machine.before(verb, node)
        write()
        machine.verbs.append(f"{verb} {node}")
        machine.called()
