"""`penstock prepare`: bring Java, Kafka and start-up archives here now, so that the first create need not."""

from __future__ import annotations

import sys

import click

from penstock.cli.common import settings


@click.command()
@click.argument("versions", nargs=-1)
@click.option("--archives/--no-archives", default=True, help="Make start-up archives too.")
@click.pass_context
def prepare(ctx: click.Context, versions: tuple[str, ...], archives: bool) -> None:
    """Fetch what clusters of these versions need (default: the newest), and make their start-up archives.

    Example: penstock prepare 4.1.x.kraft 4.3.x.kraft"""
    from penstock.app import open_runtimes
    from penstock.kafka.versions import catalogue, newest

    chosen = settings(ctx)
    wanted = versions or (newest().version,)
    unknown = [version for version in wanted if version not in catalogue()]
    if unknown:
        raise click.ClickException(f"there is no version {unknown[0]}; there are {', '.join(catalogue())}")
    runtimes = open_runtimes(chosen)
    for version in wanted:
        runtime = runtimes.prepare(version, _progress)
        click.echo(f"{version}: Apache Kafka {runtime.kafka.distribution.kafka} on Java {runtime.java.version} is here")
        if archives and chosen.archives:
            runtime.archives.make(_progress)
            click.echo(f"{version}: start-up archives are in force")


def _progress(what: str, done: int, total: int) -> None:
    """One line that is written over on a terminal; nothing elsewhere."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else "\r"
        click.echo(f"{what}: {done * 100 // max(total, 1)} %   {end}", nl=False, err=True)
