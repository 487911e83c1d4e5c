"""`penstock env`, `client`, `ca`: how to reach the API and a cluster."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

import click

from penstock.cli.common import as_json, find, founded, home_lock, settings, show
from penstock.kafka.clients import Auth, Client, configuration
from penstock.settings import Settings
from penstock.store.store import Store


def _store(chosen: Settings) -> Store:
    from penstock.store.seal import load_key

    founded(chosen)
    return Store(chosen.database, load_key(chosen.home / "key"))


def environment(chosen: Settings) -> Mapping[str, str]:
    """Every variable that `penstock env` promises. ClickException where no control plane runs."""
    store = _store(chosen)
    try:
        with store.read() as rows:
            key = rows.identity.root_key()
            network = rows.subnets.built_in(key.account, chosen.region)
    finally:
        store.close()
    holder = home_lock(chosen).holder()
    if holder is None:
        raise click.ClickException(f"no control plane serves {chosen.home}; start it with `penstock up --detach`")
    services = ("KAFKA", "KAFKACONNECT", "STS")
    return {
        **{f"AWS_ENDPOINT_URL_{service}": holder.endpoint for service in services},
        "AWS_REGION": chosen.region,
        "AWS_DEFAULT_REGION": chosen.region,
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "PENSTOCK_ENDPOINT": holder.endpoint,
        "PENSTOCK_CA": str(chosen.home / "ca.pem"),
        "PENSTOCK_SUBNETS": ",".join(subnet.id for subnet in network.subnets),
        "PENSTOCK_SECURITY_GROUPS": network.security_group,
    }


@click.command()
@click.option("--format", "form", type=click.Choice(["shell", "json", "profile"]), default="shell", show_default=True)
@as_json
@click.pass_context
def env(ctx: click.Context, form: str, as_json: bool) -> None:
    """How to reach the API: variables that the SDKs, the AWS CLI and Terraform read by themselves.

    Example: eval "$(penstock env)"; `--format profile` prints a section for ~/.aws/config."""
    variables = environment(settings(ctx))
    if as_json or form == "json":
        click.echo(json.dumps(variables, indent=2))
    elif form == "shell":
        click.echo("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
    else:
        click.echo(_profile(variables))


def _profile(variables: Mapping[str, str]) -> str:
    endpoint = variables["PENSTOCK_ENDPOINT"]
    services = "".join(f"{name} =\n  endpoint_url = {endpoint}\n" for name in ("kafka", "kafkaconnect", "sts"))
    return (
        f"[profile penstock]\nregion = {variables['AWS_REGION']}\n"
        f"aws_access_key_id = {variables['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {variables['AWS_SECRET_ACCESS_KEY']}\nservices = penstock\n\n[services penstock]\n{services}"
    )


@click.command()
@click.argument("cluster")
@click.option(
    "--for",
    "client_kind",
    type=click.Choice([c.value for c in Client]),
    default=Client.LIBRDKAFKA.value,
    show_default=True,
)
@click.option(
    "--auth", type=click.Choice(["plaintext", "tls", "mtls", "scram", "iam"]), help="Default: what the cluster has."
)
@click.option("--ipv6", is_flag=True, help="Begin at the IPv6 addresses of a cluster whose network type is DUAL.")
@as_json
@click.pass_context
def client(ctx: click.Context, cluster: str, client_kind: str, auth: str | None, ipv6: bool, as_json: bool) -> None:
    """A ready client configuration on standard output.

    Example: penstock client orders --for java > client.properties"""
    from penstock.api.connectivity import shown_dual

    chosen = settings(ctx)
    if auth in ("mtls", "scram", "iam"):
        raise click.ClickException(f"--auth {auth} is not built yet; this version has plaintext and tls")
    store = _store(chosen)
    try:
        with store.read() as rows:
            record = find(rows, cluster)
    finally:
        store.close()
    wanted = Auth(auth) if auth else None
    if ipv6 and not shown_dual(record.spec):
        raise click.ClickException(
            f"{record.spec.name} is not reached over IPv6: its network type is IPV4; change it with `aws kafka "
            "update-connectivity --connectivity-info NetworkType=DUAL`, and wait until that is done"
        )
    try:
        values = configuration(record.spec, Client(client_kind), wanted, str(chosen.home / "ca.pem"), ipv6=ipv6)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    show(values, as_json, lambda: _written(values, Client(client_kind)))


def _written(values: Mapping[str, str], kind: Client) -> str:
    if kind is Client.KAFKA_PYTHON:
        return json.dumps(values, indent=2)
    return "\n".join(f"{name}={value}" for name, value in values.items())


@click.command()
@as_json
@click.pass_context
def ca(ctx: click.Context, as_json: bool) -> None:
    """The certificate authority that client listeners are signed by, as PEM.

    Example: penstock ca > penstock-ca.pem"""
    from penstock.app import open_home

    chosen = settings(ctx)
    founded(chosen)
    app = open_home(chosen)
    try:
        pem = app.home_ca.decode()
        show({"pem": pem}, as_json, pem.rstrip)
    finally:
        app.close()
