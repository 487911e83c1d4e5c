"""What commands share: the settings in force, a cluster by name or ARN, and printing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from penstock.model.ids import ClusterId
from penstock.settings import Settings, load
from penstock.store.homelock import Holder, HomeLock
from penstock.store.records import ClusterRecord
from penstock.store.store import Store
from penstock.store.transaction import Transaction

if TYPE_CHECKING:
    from penstock.app import App

LOCK_FILE = "lock"

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def settings(ctx: click.Context, **flags: Any) -> Settings:
    """Settings with this command's flags on top. ClickException names the setting that is wrong, and why."""
    from pydantic import ValidationError

    try:
        return load(home=ctx.obj["home"], **flags)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise click.ClickException(
            f"a setting is wrong ({wrong}); look at the flags, the variables PENSTOCK_… and penstock.toml in the home"
        ) from error
    except ValueError as error:  # what TOML and its encoding raise
        raise click.ClickException(f"penstock.toml in the home is no TOML file: {error}; correct it") from error


def in_charge(chosen: Settings, holder: Holder | None) -> Settings:
    """The settings of the control plane that holds the home; those chosen where none does, or it does not say.

    Of a URL that may hold a password it says a part alone: there it is the one chosen."""
    from penstock.cli.checks.origins import URLS

    said = holder.settings if holder is not None else ()
    told = {each["name"]: each["value"] for each in said if each["name"] in Settings.model_fields}
    return Settings(**told | {name: getattr(chosen, name) for name in ("home", *URLS)}) if told else chosen


def home_lock(chosen: Settings) -> HomeLock:
    return HomeLock(chosen.home / LOCK_FILE)


def founded(chosen: Settings) -> None:
    """Refuse to make a home by looking at it."""
    if not (chosen.home / "key").is_file():
        raise click.ClickException(
            f"{chosen.home} is no home yet; `penstock up` makes one (or name another with --home)"
        )


@contextmanager
def opened(ctx: click.Context) -> Iterator[App]:
    """The home, for a command that looks: no control plane is in charge in it."""
    from penstock.app import open_home

    chosen = settings(ctx)
    founded(chosen)
    app = open_home(in_charge(chosen, home_lock(chosen).holder()))
    try:
        yield app
    finally:
        app.close()


def find(rows: Transaction, wanted: str) -> ClusterRecord:
    """The cluster of that name, ARN or id. ClickException where there is none, or several of the name."""
    records = [record for cluster in rows.clusters.live_ids() if (record := rows.clusters.get(cluster)) is not None]
    found = [record for record in records if wanted in (record.spec.arn, record.spec.id, record.spec.name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise click.ClickException(
            f"{len(found)} clusters are called {wanted}; give an ARN: {', '.join(r.spec.arn for r in found)}"
        )
    names = ", ".join(sorted(record.spec.name for record in records)) or "none"
    raise click.ClickException(f"there is no cluster {wanted}; there are: {names}")


def all_clusters(store: Store) -> list[ClusterRecord]:
    with store.read() as rows:
        return [
            record
            for cluster in rows.clusters.live_ids()
            if (record := rows.clusters.get(ClusterId(cluster))) is not None
        ]


def show(value: Any, as_json: bool, text: Callable[[], str]) -> None:
    """Print the value as JSON, or as text for people."""
    click.echo(json.dumps(value, indent=2, default=str) if as_json else text())


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns, as wide as they need."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
