"""Nodes that run and are proved to do no work are ended, one at a time and never while others are suspect.

Ending what does nothing is no disruption, else two frozen controllers would wait for each other. One that was asked to stop,
does not and still answers may be of use: it is ended only where it may go down. One that was to be asked and perhaps was not,
since the control plane ended in between, is asked by the same rule."""

from __future__ import annotations

from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import frozen, suspect, untold_stops
from penstock.model.action import How, Stop
from penstock.model.observation import ClusterView, Known


def thaw(view: ClusterView, draft: Draft, now: datetime) -> None:
    """End the first node that is proved to do no work; the next pass starts it again."""
    stiff = [(node.id, why) for node in view.layout if (why := frozen(node.id, view, now)) is not None]
    for untold in untold_stops(view):
        if untold not in dict(stiff):
            because = f"{untold} was to stop, and it is not known whether it was told"
            draft.insist(Stop(untold, How.GRACEFUL), because=because)
    doubtful = [node.id for node in view.layout if suspect(node.id, view, now)]
    for node in doubtful:
        draft.wait(on=str(node), because="it does not answer; whether it still works is not proved yet", heals=True)
    if not stiff:
        return
    node, why = stiff[0]
    if doubtful:
        draft.wait(
            on=str(node), because=f"{why}, but {', '.join(map(str, doubtful))} may be in trouble too", heals=True
        )
        return
    if view.answers.get(node) == Known(False):
        draft.act(Stop(node, How.AT_ONCE), because=why, heals=True)
    else:
        draft.insist(Stop(node, How.AT_ONCE), because=why)
    for other, reason in stiff[1:]:
        draft.wait(on=str(other), because=f"{reason}; one node at a time", heals=True)
