"""Properties that Kafka takes at run time are set at run time, once every node runs what only a restart applies.

In that order, because a restart is what can fail: an operation that goes back then has changed nothing else yet. Thread
pools go in steps that Kafka accepts, and the next one waits until every broker has taken the last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from penstock.control.cluster.draft import Draft
from penstock.control.cluster.health import serving, up
from penstock.control.cluster.rebalance.words import some
from penstock.kafka.accepted import ACCEPTED
from penstock.kafka.configuration import steps
from penstock.model.action import Configure
from penstock.model.observation import ClusterView, Known, Unknown


def configuration(view: ClusterView, draft: Draft, now: datetime) -> None:
    """Set what the open operation wants and some broker does not have yet."""
    wanted = view.live
    if not wanted or any(up(node.id, view) is None for node in view.layout):
        return
    if view.depth < 2:
        draft.look(2)
        return
    for number, settings in view.settings.items():
        if isinstance(settings, Unknown):
            draft.wait(on=f"broker {number}", because=f"its settings are not known: {settings.why}")
            return
    if isinstance(view.defaults, Unknown):
        draft.wait(on="the brokers", because=f"what is kept for all of them is not known: {view.defaults.why}")
        return
    now_set = {name: values(name, present, wanted[name])[0] for name, present in unset(view, wanted).items()}
    if now_set and (asked := serving(view)):
        draft.act(Configure(asked[0], now_set), because=_reason(view))


def unset(view: ClusterView, wanted: Mapping[str, str]) -> Mapping[str, Sequence[str | None]]:
    """Property that is not everywhere as it is wanted -> what brokers have, of those of which it is known.

    What is kept for all of them counts too: a broker that was restarted with fewer threads refuses more than twice as many,
    and with them all that is kept, and whatever is set from then on (seen on 4.3.1)."""
    seen = [settings.value for settings in view.settings.values() if isinstance(settings, Known)]
    kept = view.defaults.value if isinstance(view.defaults, Known) else {}
    present = {name: [values.get(name) for values in seen] for name in wanted}
    return {
        name: has
        for name, has in present.items()
        if not all(same(name, each, wanted[name]) for each in [*has, *([kept[name]] if name in kept else [])])
    }


def same(name: str, present: str | None, wanted: str) -> bool:
    """Does the broker have it? None is what nobody has set (`log.retention.ms`); nothing accepted is hidden by Kafka."""
    return present is not None and ACCEPTED[name].normal(present) == ACCEPTED[name].normal(wanted)


def values(name: str, present: Sequence[str | None], wanted: str) -> tuple[str, ...]:
    """The values to set one after another, the wanted one last: a thread pool has others before it, from where the last of
    the brokers is. `present` is what brokers have."""
    sizes = [int(each) for each in present if each is not None] if ACCEPTED[name].threads else []
    if not sizes:
        return (wanted,)
    last = max(sizes, key=lambda size: abs(size - int(wanted)))
    return tuple(map(str, steps(last, int(wanted)))) or (wanted,)


def named(properties: Iterable[str]) -> str:
    """The properties in words that stay short."""
    return some(properties, 5)


def _reason(view: ClusterView) -> str:
    gives_up = view.operation is not None and view.operation.work.setback is not None
    return "the configuration goes back to what it was" if gives_up else "the configuration was updated"
