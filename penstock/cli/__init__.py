"""The command line: a face over app.py. Exit status: 0 done, 1 it did not work (one sentence on standard error), 2 wrong usage."""

from __future__ import annotations

from pathlib import Path

import click


class Sentence(click.ClickException):
    """It did not work: what, why, what to do, in one sentence on standard error; exit status 1."""

    def show(self, file: object = None) -> None:
        click.echo(f"penstock: {self.format_message()}", err=True)


class Commands(click.Group):
    """Imports a command only when it is asked for: `--help` of one need not load them all."""

    table = {
        "up": "serve",
        "down": "serve",
        "env": "reach",
        "client": "reach",
        "ca": "reach",
        "status": "show",
        "explain": "show",
        "events": "show",
        "logs": "show",
        "plan": "show",
        "quarantine": "quarantine",
        "doctor": "doctor",
        "demo": "demo",
        "prepare": "prepare",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        from importlib import import_module

        if name not in self.table:
            return None
        command: click.Command = getattr(import_module(f"penstock.cli.{self.table[name]}"), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort) as error:
            if type(error) is click.ClickException:
                raise Sentence(error.message) from error
            raise
        except BrokenPipeError:
            raise click.exceptions.Exit(0) from None
        except told() as error:
            raise Sentence(_words(error)) from error


def _words(error: Exception) -> str:
    """An error as a sentence. The system's own errors name a file and a reason, and say not what to do."""
    if isinstance(error, OSError) and error.filename is not None:
        remedy = "give it to the user that runs Penstock, or choose another home with --home"
        return f"{error.filename} cannot be used: {error.strerror}; {remedy}"
    return str(error)


def told() -> tuple[type[Exception], ...]:
    """Errors whose text is a sentence for people."""
    from penstock.compute.base import ComputeError
    from penstock.kafka.archives import ArchiveError
    from penstock.kafka.java import JavaError
    from penstock.kafka.maven import FetchError
    from penstock.kafka.plugin import PluginError
    from penstock.kafka.runtimes import NotPrepared
    from penstock.kafka.wire import KafkaError
    from penstock.store.errors import StoreError

    kafka = (KafkaError, JavaError, FetchError, PluginError, ArchiveError, NotPrepared)
    return (ComputeError, StoreError, *kafka, OSError)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home", type=click.Path(path_type=Path, readable=False), help="Where this home's state lives (PENSTOCK_HOME)."
)
@click.version_option(package_name="penstock")
@click.pass_context
def main(ctx: click.Context, home: Path | None) -> None:
    """Managed Apache Kafka that you own: the Amazon MSK API over real Apache Kafka.

    Begin with `penstock up --detach`, then `eval "$(penstock env)"` and `aws kafka list-clusters-v2`."""
    ctx.obj = {"home": home}
