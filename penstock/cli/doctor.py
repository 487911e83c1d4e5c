"""`penstock doctor`: is this machine fit for clusters, and what is in force? It only looks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click
from attrs import asdict

from penstock.cli.common import as_json, founded, home_lock, in_charge, settings, show, table
from penstock.settings import Settings
from penstock.store.homelock import Holder

COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


@click.command()
@click.option("--deep", is_flag=True, help="Read every byte of the distributions too.")
@click.option("--hosts", is_flag=True, help="Print lines for /etc/hosts: address and MSK-shaped name of every broker.")
@as_json
@click.pass_context
def doctor(ctx: click.Context, deep: bool, hosts: bool, as_json: bool) -> None:
    """Check this machine, with a fix beside each finding, and show the settings in force.

    Exit status 1 where a cluster could not run here; warnings leave it at 0.

    Example: penstock doctor --json; `penstock doctor --hosts | sudo tee -a /etc/hosts` for names in place of addresses."""
    chosen = settings(ctx)
    if hosts:
        _print_hosts(_hosts(chosen), as_json)
        return
    _examine(ctx, chosen, deep, as_json)


def _examine(ctx: click.Context, chosen: Settings, deep: bool, as_json: bool) -> None:
    from penstock.cli import told
    from penstock.cli.checks import able, examine
    from penstock.cli.checks.finding import Visit
    from penstock.cli.checks.origins import in_force

    holder = _holder(chosen)
    findings = list(examine(Visit(in_charge(chosen, holder), deep, _clusters(chosen)), told()))
    given = [name for name, value in ctx.obj.items() if value is not None]
    origins = {origin.name: asdict(origin) for origin in in_force(chosen, given, os.environ)}
    running = holder is not None and bool(holder.settings)
    if holder is not None:
        # The home is where we look; `up --detach` passes it on as a flag in any case.
        origins |= {each["name"]: dict(each) for each in holder.settings if each["name"] != "home"}
    value = {
        "able": able(findings),
        "findings": [asdict(finding) for finding in findings],
        "settings": list(origins.values()),
        "settings_of": "the control plane that runs" if running else "a control plane that would be started from here",
    }
    show(value, as_json, lambda: _text(value))
    if not able(findings):
        ctx.exit(1)


def _holder(chosen: Settings) -> Holder | None:
    try:
        return home_lock(chosen).holder()
    except OSError:
        return None  # the findings about home and control plane say why


def _clusters(chosen: Settings) -> int:
    from penstock.cli.glance import glance
    from penstock.store.errors import StoreError

    try:
        with glance(chosen) as rows:
            return len(rows.clusters.live_ids())
    except (StoreError, OSError):
        return 0  # the finding about the store says why


def _hosts(chosen: Settings) -> list[dict[str, str]]:
    from penstock.cli.glance import glance
    from penstock.control.cluster.layout import hosts

    founded(chosen)
    with glance(chosen) as rows:
        records = [record for cluster in rows.clusters.live_ids() if (record := rows.clusters.get(cluster))]
    return [{"address": address, "name": name} for record in records for address, name in hosts(record.spec)]


def _print_hosts(found: Sequence[dict[str, str]], as_json: bool) -> None:
    if as_json or found:
        show(found, as_json, lambda: "\n".join(f"{each['address']}\t{each['name']}" for each in found))


def _text(value: dict[str, Any]) -> str:
    head = f"Settings in force, of {value['settings_of']}:"
    return f"{_findings(value['findings'])}\n\n{head}\n{_settings(value['settings'])}\n\n{_verdict(value['findings'])}"


def _findings(findings: Sequence[dict[str, Any]]) -> str:
    widest = max(len(finding["subject"]) for finding in findings)
    lines = []
    for finding in findings:
        state = str(finding["state"])
        # Padded before it is coloured: the codes have no width.
        lines.append(
            f"{click.style(state.ljust(7), fg=COLOURS[state])}  {finding['subject'].ljust(widest)}  {finding['sentence']}"
        )
        if finding["fix"] and state != "ok":
            lines.append(f"{' ' * (7 + 2 + widest + 2)}-> {finding['fix']}")
    return "\n".join(lines)


def _settings(origins: Sequence[dict[str, Any]]) -> str:
    return table([(f"  {o['name']}", "-" if o["value"] is None else str(o["value"]), o["source"]) for o in origins])


def _verdict(findings: Sequence[dict[str, Any]]) -> str:
    wrong = sum(finding["state"] == "wrong" for finding in findings)
    warnings = sum(finding["state"] == "warning" for finding in findings)
    said = f"{warnings} warning{'' if warnings == 1 else 's'}"
    if wrong:
        return f"A cluster could not run here: {wrong} thing{'' if wrong == 1 else 's'} wrong, {said}."
    return f"A cluster can run here; {said}."
