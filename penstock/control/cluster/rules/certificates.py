"""Certificates are renewed long before they end: client leaves while running, inner leaves by a roll."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.model.action import Renew
from penstock.model.node import Applies
from penstock.model.observation import ClusterView, Known
from penstock.pki.leaves import issued_at, renewal_due


def certificates(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Renew what is past two thirds of its life, older than the spec wants, or written and not shown to clients."""
    for node in view.layout:
        running = view.running(node.id)
        if running is None or running.stopping is not None or draft.targeted(node.id):
            continue
        due: list[str] = []
        ending: datetime | None = None
        for leaf in node.leaves:
            if (life := running.leaves.get(leaf.path)) is None:
                continue
            old = renewal_due(*life, now)
            unwanted = view.spec.leaves_after is not None and issued_at(life[0]) < view.spec.leaves_after
            stale = isinstance(shown := view.shown.get(node.id), Known) and shown.value < life[0]
            if leaf.applies is Applies.LIVE and (old or unwanted or stale):
                due.append(leaf.path)
            elif leaf.applies is Applies.START and old:
                ending = life[1]
        if ending is not None:
            # Kafka's raft client keeps the key of its start for ever (kafka.md 6): only a restart renews it.
            draft.restart(node.id, because=f"the inner certificate of {node.id} ends {ending:%Y-%m-%d}")
        if due:
            draft.act(Renew(node, tuple(due)), because=f"certificates of {node.id} are due")
