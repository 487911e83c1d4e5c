"""What is to be restarted is restarted, batch by batch, whatever the reasons: brokers of one zone, or one controller.

The next batch goes when all that can serve again does, every replica that can catch up has, and leaders are home."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from penstock.control.cluster.draft import PARTITIONS, Draft
from penstock.control.cluster.health import astray, awaited, lagging, lost, stalled, suspect
from penstock.control.cluster.roll import planned, untried
from penstock.model.action import How, Stop
from penstock.model.ids import NodeId
from penstock.model.observation import ClusterView, Known
from penstock.model.plan import Restart

SETTLES_WITHIN = timedelta(minutes=5)
"""Where so long no replica has caught up and no leader has gone home, something else keeps them: the proof alone counts."""


def roll(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Stop the next batch gracefully; `revive` starts it again."""
    wanted = {restart.node: restart for restart in draft.restarts if not draft.ended(restart.node)}
    if not wanted:
        return
    if view.depth < PARTITIONS:
        draft.look(PARTITIONS)
        return
    draft.roll = planned(view, tuple(wanted.values()))
    following = ", ".join(map(str, draft.roll.batches[0].nodes))
    away = (*awaited(view), *(node for node in lost(view) if draft.targeted(node)))  # those get a fresh volume now
    if draft.going:
        for node in sorted(draft.going):
            draft.wait(on=str(node), because="it was asked to stop and is on its way down")
    elif mended := [node for node in away if node in wanted and _comes_back_only_so(node, view, now)]:
        _stop((wanted[mended[0]],), draft)
    elif away:
        draft.wait(on=following, because=f"{', '.join(map(str, away))} must serve first")
    elif why := unsettled(view, draft, now):
        draft.wait(on=following, because=why)
    else:
        alone = untried(view)
        for batch in draft.roll.batches:
            if _stop(batch.restarts[:1] if alone else batch.restarts, draft):
                return


def unsettled(view: ClusterView, draft: Draft, now: datetime) -> str:
    """What the last batch has left to be done, in words; empty where the next one need not wait for it."""
    behind, away = lagging(view), astray(view)
    if not behind and not away:
        return ""
    why = (
        f"replicas of {len(behind)} partitions catch up" if behind else f"the leaders of {len(away)} partitions go home"
    )
    since = view.unsettled_since
    if since is None or now - since < SETTLES_WITHIN:
        return why
    draft.note(f"{why}, and none did for {(now - since).total_seconds():.0f} s: no longer waited for")
    return ""


def _stop(restarts: Sequence[Restart], draft: Draft) -> bool:
    """Those of them that may go; was it anybody?"""
    stopped = [draft.disrupt(Stop(each.node, How.GRACEFUL), because=str(each)) for each in restarts]
    return any(stopped)


def _comes_back_only_so(node: NodeId, view: ClusterView, now: datetime) -> bool:
    """It runs, does not serve, and nothing but this restart is to be expected: it neither advances nor is doubted."""
    known = isinstance(view.brokers, Known) and isinstance(view.quorum, Known)
    if not known or view.running(node) is None or suspect(node, view, now):
        return False
    return node in view.served or stalled(node, view, now) is not None
