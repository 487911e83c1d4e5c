"""`penstock quarantine`: volumes that were put aside, why, until when; and the end of one of them, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.common import all_clusters, as_json, opened, show
from penstock.compute.base import ComputeError
from penstock.model.ids import ClusterId
from penstock.model.quarantine import Quarantined
from penstock.model.spec import ClusterSpec
from penstock.model.volume import in_words
from penstock.settings import Settings

if TYPE_CHECKING:
    from penstock.app import App


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def quarantine(ctx: click.Context, as_json: bool) -> None:
    """Volumes that were put aside: why, how large, and when each goes.

    What brokers leave that left their cluster, empty, goes after `quarantine_days` (and with the cluster). All else is in
    doubt and stays until you remove it.

    Example: penstock quarantine; penstock quarantine remove 20260301T120000.000000Z-…-broker-4-retired"""
    if ctx.invoked_subcommand is not None:
        return
    with opened(ctx) as app:
        specs = {record.spec.id: record.spec for record in all_clusters(app.store)}
        found = [_listed(each, specs, app.settings) for each in app.compute.quarantined(measured=True)]
    show(found, as_json, lambda: "\n".join(map(_text, found)) or "nothing lies in quarantine")


def _listed(volume: Quarantined, specs: Mapping[ClusterId, ClusterSpec], settings: Settings) -> dict[str, Any]:
    spec = None if volume.cluster is None else specs.get(volume.cluster)
    return as_value(volume, spec, settings) | {
        "name": volume.name,
        "cluster": spec.name if spec is not None else volume.cluster,
        "bytes": volume.occupied,
    }


def _text(one: Mapping[str, Any]) -> str:
    whose = "the place of no node of ours" if one["node"] is None else f"the place of {one['node']} of {one['cluster']}"
    since = "" if one["at"] is None else f", since {one['at']:%Y-%m-%d %H:%M}Z"
    size = "an unknown number of bytes" if one["bytes"] is None else in_words(one["bytes"])
    return f"{one['path']}\n  {size} from {whose}{since}: {one['because']}; {one['fate']}"


def as_value(volume: Quarantined, spec: ClusterSpec | None, settings: Settings) -> dict[str, Any]:
    """For `--json`, of status too. `spec`: the cluster's, None where there is none any more."""
    goes = volume.goes(settings.keep_quarantined, None if spec is None else spec.created, datetime.now(UTC))
    return {
        "path": volume.path,
        "node": None if volume.node is None else volume.node.name,
        "at": volume.at,
        "why": volume.why.value,
        "because": volume.why.words,
        "goes": goes,
        "fate": "it stays until you remove it" if goes is None else f"it goes after {goes:%Y-%m-%d %H:%M}Z",
    }


def of(app: App, spec: ClusterSpec) -> tuple[list[dict[str, Any]], list[str]]:
    """What lies there of one cluster, and a sentence where that cannot be known."""
    try:
        return [as_value(volume, spec, app.settings) for volume in app.compute.quarantined(spec.id)], []
    except ComputeError as error:
        return [], [unknown(str(error))]


def unknown(why: str) -> str:
    return f"What lies in quarantine is not known: {why}."


def sentences(volumes: list[dict[str, Any]]) -> list[str]:
    """Of one cluster, for people."""
    return [f"In quarantine lies {one['path']}: {one['because']}; {one['fate']}." for one in volumes]


@quarantine.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def remove(ctx: click.Context, name: str, yes: bool) -> None:
    """Delete one of them for good: NAME is the last part of its path.

    Example: penstock quarantine remove 20260301T120000.000000Z-…-broker-4-foreign"""
    with opened(ctx) as app:
        found = next((each for each in app.compute.quarantined(measured=True) if each.name == name), None)
        if found is None:
            raise click.ClickException(
                f"nothing called {name} lies in quarantine; `penstock quarantine` lists what does"
            )
        specs = {record.spec.id: record.spec for record in all_clusters(app.store)}
        if not yes:
            click.confirm(f"{_text(_listed(found, specs, app.settings))}\nDelete it with all its data?", abort=True)
        app.compute.discard(name)
        if found.cluster in specs:
            with app.store.write() as rows:
                rows.events.append(found.cluster, app.clock(), f"{name} in quarantine was deleted by hand")
    click.echo(f"{found.path} is deleted")
