"""Properties that Kafka takes at run time are set at run time, once every node runs what only a restart applies.

In that order, because a restart is what can fail: an operation that goes back then has changed nothing else yet. Thread
pools go in steps that Kafka accepts, and the next one waits until every broker has taken the last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import serves, up
from penstock.kafka.accepted import ACCEPTED
from penstock.kafka.configuration import steps
from penstock.model.ids import Role
from penstock.model.observation import ClusterView, Known, Unknown
from penstock.model.plan import Configure


def configuration(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Set what the open operation wants and some broker does not have yet."""
    wanted: Mapping[str, str] = view.operation.target.get("live") or {} if view.operation is not None else {}
    if not wanted or any(up(node.id, view) is None for node in view.layout):
        return
    if view.depth < 2:
        draft.look(2)
        return
    values: dict[str, str] = {}
    for name, value in wanted.items():
        for number, seen in view.settings.items():
            match seen:
                case Unknown(why):
                    draft.wait(on=f"broker {number}", because=f"its settings are not known: {why}")
                    return
                case Known(settings) if not same(name, settings.get(name), value):
                    values[name] = _next(name, settings.get(name), value)
                case _:
                    pass
    asked = next((node.id for node in view.layout if node.id.role is Role.BROKER and serves(node.id, view)), None)
    if values and asked is not None:
        draft.act(Configure(asked, values), because="the configuration was updated")


def same(name: str, present: str | None, wanted: str) -> bool:
    """Does the broker have it? What Kafka hides cannot be compared, and counts as taken."""
    return present is None or ACCEPTED[name].normal(present) == ACCEPTED[name].normal(wanted)


def _next(name: str, present: str | None, wanted: str) -> str:
    """The value to set now: the wanted one, or the next size of a thread pool on its way there."""
    if not ACCEPTED[name].threads or present is None:
        return wanted
    return str(steps(int(present), int(wanted))[0])
