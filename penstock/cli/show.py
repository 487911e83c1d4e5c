"""`penstock status`, `explain`, `events`, `logs`, `plan`: what is, why, what was, and what would be. They only look."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from penstock.cli import quarantine, volumes
from penstock.cli import roll as rolls
from penstock.cli.common import all_clusters, as_json, find, home_lock, opened, show, table
from penstock.model.observation import Known, Observed, Running, Sighting, Unknown

if TYPE_CHECKING:
    from penstock.app import App
    from penstock.model.ids import ClusterId
    from penstock.model.observation import ClusterView
    from penstock.model.operation import OpenOperation
    from penstock.model.plan import Plan
    from penstock.store.records import ClusterRecord, EventRecord

FOLLOW_EVERY = 0.3
"""Seconds between looks of `--follow`."""
FOLLOWED = 1000
"""Lines from the end that are compared between two looks at a log."""


@click.command()
@click.argument("cluster", required=False)
@as_json
@click.pass_context
def status(ctx: click.Context, cluster: str | None, as_json: bool) -> None:
    """Clusters, their nodes, what each is doing and since when.

    Example: penstock status orders"""
    from penstock.control.cluster.sentences import describe

    with opened(ctx) as app:
        holder = home_lock(app.settings).holder()
        if cluster is None:
            records = all_clusters(app.store)
        else:
            with app.store.read() as rows:
                records = [find(rows, cluster)]
        listed: list[dict[str, Any]] = []
        for record in records:
            seen = app.compute.sightings(record.spec.id)
            nodes = [
                {
                    "node": place.id.name,
                    "zone": place.subnet.zone,
                    "address": place.endpoint.address if place.endpoint else None,
                    "pid": _pid(seen.get(place.id)),
                    "volume": volumes.as_value(volumes.use(seen.get(place.id))),
                    "doing": describe(seen[place.id]) if place.id in seen else "was never started",
                }
                for place in record.spec.nodes
            ]
            warnings = volumes.warnings((place.id, volumes.use(seen.get(place.id))) for place in record.spec.nodes)
            with app.store.read() as rows:
                operation = rows.operations.current(record.spec.id)
            doing = None if operation is None else str(operation)
            aside, unknown = quarantine.of(app, record.spec)
            warnings += unknown
            told = {"operation": doing, "warnings": warnings, "nodes": nodes, "quarantine": aside}
            listed.append(_summary(record, operation) | told)
        plane = {"serving": holder.endpoint, "pid": holder.pid, "insecure": holder.insecure} if holder else None
        show({"control_plane": plane, "clusters": listed}, as_json, lambda: _status_text(plane, listed))


def _pid(seen: Observed[Sighting] | None) -> int | None:
    return seen.value.pid if isinstance(seen, Known) and isinstance(seen.value, Running) else None


def _summary(record: ClusterRecord, operation: OpenOperation | None) -> dict[str, Any]:
    from penstock.api.views import shown_state

    # The API's own word, which is a pass ahead of the loop's right after a call; what was written with that is about the past.
    state = shown_state(record, operation)
    computed = state is record.status.state
    return {
        "name": record.spec.name,
        "arn": record.spec.arn,
        "version": record.spec.kafka_version,
        "state": state.value,
        "since": record.status.since if computed else None,
        "message": record.status.message if computed else None,
        "waiting": list(record.status.waiting),
    }


def _status_text(plane: dict[str, Any] | None, listed: list[dict[str, Any]]) -> str:
    head = (
        f"control plane at {plane['serving']} (pid {plane['pid']})"
        if plane
        else "no control plane runs (`penstock up`)"
    )
    if plane and plane["insecure"]:
        head += " WITHOUT AUTHENTICATION"
    lines = [head]
    for one in listed:
        since = f" since {one['since']:%Y-%m-%d %H:%M:%S}Z" if one["since"] else ""
        lines.append(f"\n{one['name']}  {one['state']}{since}  {one['version']}")
        lines += [f"  {one['message']}"] if one["message"] else []
        lines += [f"  {one['operation']}"] if one["operation"] else []
        lines += [f"  it {wait}" for wait in one["waiting"]]
        lines += [f"  {warning}" for warning in one["warnings"]]
        lines += [f"  {sentence}" for sentence in quarantine.sentences(one["quarantine"])]
        rows: list[tuple[str, ...]] = [
            ("  " + n["node"], n["zone"], n["address"] or "-", n["doing"]) for n in one["nodes"]
        ]
        lines.append(table(rows))
    return "\n".join(lines if listed else [*lines, "no clusters"])


def _decided(app: App, record: ClusterRecord) -> tuple[ClusterView, Plan, datetime]:
    """What the next pass would see and decide."""
    from penstock.control.cluster.places import foreseen

    with app.store.read() as rows:
        operation = rows.operations.current(record.spec.id)
    now = app.clock()
    spec, first = foreseen(record.spec, app.settings.network_address)
    view, plan = app.reconciler.decide(spec, record.status, operation, now, woken=True)
    return view, evolve(plan, notes=(*first, *plan.notes)), now


@click.command()
@click.argument("cluster")
@as_json
@click.pass_context
def explain(ctx: click.Context, cluster: str, as_json: bool) -> None:
    """In sentences: why the cluster is in its state, what it waits for, what was done last and on what evidence.

    Example: penstock explain orders"""
    from penstock.api.effects import not_applied, without_effect
    from penstock.control.cluster.sentences import explained, said
    from penstock.kafka.properties_file import parse

    with opened(ctx) as app:
        with app.store.read() as rows:
            record = find(rows, cluster)
            last = rows.events.last(record.spec.id, 5)
            properties = parse(rows.configurations.properties_of(record.spec))
            used = record.spec.configuration
            configuration = None if used is None else rows.configurations.by_arn(used[0])
        view, plan, _ = _decided(app, record)
        lines = explained(view, plan, lambda node: said(node, app.compute.tail))
        lines += volumes.sentences((node.id, volumes.use(view.sighting(node.id))) for node in view.layout)
        lines += volumes.warnings((node.id, view.volume(node.id)) for node in view.layout)
        lines += quarantine.sentences([quarantine.as_value(v, record.spec, app.settings) for v in view.aside])
        if isinstance(view.quarantined, Unknown):
            lines.append(quarantine.unknown(view.quarantined.why))
        lines += without_effect(record.spec, properties)
        lines += not_applied(record, configuration)
        lines += [f"{event.at:%H:%M:%S}Z: {event.sentence}." for event in last]
        show({"cluster": record.spec.name, "sentences": lines}, as_json, lambda: "\n".join(lines))


@click.command()
@click.argument("cluster")
@click.option("--roll", "as_if", is_flag=True, help="As if every broker had to restart now: how an update would go.")
@as_json
@click.pass_context
def plan(ctx: click.Context, cluster: str, as_if: bool, as_json: bool) -> None:
    """What is to be restarted, in which batches and how long that takes, and what the next pass would do. Does nothing.

    Example: penstock plan orders --roll"""
    from penstock.control.cluster.roll import planned as rolled
    from penstock.model.ids import Role
    from penstock.model.plan import Restart

    with opened(ctx) as app:
        with app.store.read() as rows:
            record = find(rows, cluster)
        view, planned, _ = _decided(app, record)
        brokers = [node.id for node in view.layout if node.id.role is Role.BROKER]
        roll, notes = planned.roll, list(planned.notes)
        if as_if and brokers:
            restarts = [Restart(node, ()) for node in brokers]
            roll = rolled(view, restarts)
            notes += rolls.otherwise(roll, rolled(view, restarts, tried=True))
        actions = [
            {"action": str(each.action), "because": each.because, "disrupts": each.disrupts} for each in planned.actions
        ]
        waits = [str(wait) for wait in planned.waits]
        lines = rolls.sentences(roll)
        lines += [f"{each['action']}, because {each['because']}" for each in actions] + waits + notes
        show(
            {"roll": rolls.as_value(roll), "actions": actions, "waits": waits, "notes": notes},
            as_json,
            lambda: "\n".join(lines) or "nothing to do",
        )


@click.command()
@click.argument("cluster")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what happens.")
@as_json
@click.pass_context
def events(ctx: click.Context, cluster: str, follow: bool, as_json: bool) -> None:
    """The history of a cluster, one sentence a pass. As JSON: an array; with --follow an object on each line.

    Example: penstock events orders --follow"""
    with opened(ctx) as app:
        with app.store.read() as rows:
            record = find(rows, cluster)
        if as_json and not follow:
            show([_event(event) for event in _after(app, record.spec.id, 0)], as_json, str)
            return
        seen = 0
        while True:
            with app.store.read() as rows:
                alive = rows.clusters.get(record.spec.id) is not None
            for event in _after(app, record.spec.id, seen):
                text = f"{event.at:%Y-%m-%d %H:%M:%S}Z  {event.sentence}"
                click.echo(json.dumps(_event(event), default=str) if as_json else text)
                seen = event.seq
            if not follow or not alive:
                return
            time.sleep(FOLLOW_EVERY)


def _after(app: App, cluster: ClusterId, seq: int) -> Iterator[EventRecord]:
    """Every event after that number: the store gives a page at a time."""
    while True:
        with app.store.read() as rows:
            page = rows.events.list(cluster, after_seq=seq)
        if not page:
            return
        yield from page
        seq = page[-1].seq


def _event(event: EventRecord) -> dict[str, Any]:
    return {"seq": event.seq, "at": event.at, "sentence": event.sentence}


@click.command()
@click.argument("cluster")
@click.argument("node")
@click.option("--lines", "-n", default=100, show_default=True, help="How many lines from the end.")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what the node says.")
@as_json
@click.pass_context
def logs(ctx: click.Context, cluster: str, node: str, lines: int, follow: bool, as_json: bool) -> None:
    """A node's own log: NODE is broker-1, controller-10001, or a number. As JSON: an array; with --follow a string on each line.

    Example: penstock logs orders broker-2 --follow"""
    with opened(ctx) as app:
        with app.store.read() as rows:
            record = find(rows, cluster)
        names = {place.id.name: place.id for place in record.spec.nodes}
        names |= {str(place.id.number): place.id for place in record.spec.nodes}
        if node not in names:
            raise click.ClickException(
                f"{cluster} has no node {node}; it has {', '.join(p.id.name for p in record.spec.nodes)}"
            )
        last = app.compute.tail(names[node], max(lines, FOLLOWED) if follow else lines)
        if follow or not as_json:
            _say(last[-lines:] if lines > 0 else (), as_json)
        else:
            show(list(last), as_json, str)
        while follow:
            time.sleep(FOLLOW_EVERY)
            now = app.compute.tail(names[node], FOLLOWED)
            _say(later(last, now), as_json)
            last = now


def later(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """The lines that came since; both are the last ones of one log. All of them where nothing of the old ones is left."""
    for known in (before, before[:-1]):  # the last one may have been read while it was written
        for left in range(min(len(known), len(now)), 0, -1):
            if known[len(known) - left :] == now[:left]:
                return now[left:]
    return now


def _say(lines: Sequence[str], as_json: bool) -> None:
    for line in lines:
        click.echo(json.dumps(line) if as_json else line)
