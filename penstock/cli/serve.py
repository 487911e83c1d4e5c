"""`penstock up` and `penstock down`: the control plane's own life."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict

from penstock.cli.common import all_clusters, founded, home_lock, settings
from penstock.model.action import How
from penstock.model.ids import ClusterId, NodeId, Role
from penstock.model.observation import Known, Running
from penstock.settings import Settings
from penstock.store.homelock import Holder
from penstock.store.reserve import RESERVE_FILE, Reserve

if TYPE_CHECKING:
    from penstock.app import App

LOG_FILE = "penstock.log"
API_CERTIFICATE = "api.pem"
START_PATIENCE = 30.0
STOP_PATIENCE = 30.0


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path, readable=False), help="Where this home's state lives (PENSTOCK_HOME)."
)
@click.option("--listen", help="Address and port of the API (127.0.0.1:9480); port 0 picks a free one.")
@click.option("--detach", is_flag=True, help="Return once the control plane answers.")
@click.option("--insecure-no-auth", is_flag=True, default=None, help="Accept unsigned requests; loopback only.")
@click.option("--tls", is_flag=True, default=None, help="Serve TLS with a certificate of this home's CA.")
@click.option(
    "--tls-cert", type=click.Path(path_type=Path, exists=True), help="Serve TLS with this certificate chain (PEM)."
)
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True), help="Its key (PEM).")
@click.option("--ready-fd", type=int, hidden=True, help="Where to say that the API answers.")
@click.pass_context
def up(ctx: click.Context, /, home: Path | None, detach: bool, ready_fd: int | None, **flags: Any) -> None:
    """Start the control plane.

    Example: penstock up --detach && eval "$(penstock env)"."""
    ctx.obj["home"] = home or ctx.obj["home"]
    chosen = settings(ctx, **flags)
    _check(chosen)
    if detach:
        _detached(chosen, flags)
        return
    lock = home_lock(chosen)
    chosen.home.mkdir(parents=True, exist_ok=True)
    if not lock.acquire():
        holder = lock.holder()
        click.echo(
            f"{chosen.home} is served already" + (f" at {holder.endpoint} by pid {holder.pid}" if holder else "")
        )
        _say_ready(ready_fd)
        return
    given = [name for name, value in {**ctx.obj, **flags}.items() if value is not None]
    _serve(chosen, given, lock.say, ready_fd)


def _check(chosen: Settings) -> None:
    host = chosen.listen.rpartition(":")[0].strip("[]")
    if chosen.insecure_no_auth and not _loopback(host):
        raise click.ClickException(f"--insecure-no-auth lets everyone in, so it wants a loopback listener, not {host}")
    if (chosen.tls_cert is None) is not (chosen.tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if chosen.network_address is not None:
        from penstock.app import premises

        if why := premises(chosen).no_shared_address:
            raise click.ClickException(
                f"brokers cannot listen on network_address {chosen.network_address}: {why}; set PENSTOCK_NETWORK_ADDRESS (or "
                "network_address in penstock.toml) to an IP address of this machine, or take it out"
            )


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _serve(chosen: Settings, given: Collection[str], say: Any, ready_fd: int | None) -> None:
    """`given` are the settings that came as flags."""
    import uvicorn

    from penstock.app import ControlPlane
    from penstock.cli.checks.origins import in_force
    from penstock.telemetry.logs import configure

    configure()
    listener = _bind(chosen.listen)
    plane = ControlPlane(chosen)
    host, port = listener.getsockname()[:2]
    certificate, key = _certificate(chosen, plane, host)
    config = uvicorn.Config(
        plane.gateway,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    server = uvicorn.Server(config)
    # The server sends itself the signal that ended it once more: left to its default that would end us before the loop has.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        plane.start()
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        settings = [asdict(origin) for origin in in_force(chosen, given, os.environ)]
        holder = Holder(os.getpid(), where, certificate is not None, chosen.insecure_no_auth, settings)
        say(holder)
        warning = " WITHOUT AUTHENTICATION" if chosen.insecure_no_auth else ""
        click.echo(f"Penstock serves {chosen.home} at {holder.endpoint}{warning}", err=True)
        _say_ready(ready_fd)  # the socket listens already: what comes now is answered
        server.run(sockets=[listener])
    finally:
        plane.stop()


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio sets TCP_NODELAY on what it accepts; without, answers wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
    except (OSError, ValueError, OverflowError) as error:
        raise click.ClickException(
            f"cannot listen on {listen}: {error}; choose another with --listen (port 0 picks a free one)"
        ) from error
    listener.listen(512)
    return listener


def _certificate(chosen: Settings, plane: Any, host: str) -> tuple[str | None, str | None]:
    if chosen.tls_cert is not None and chosen.tls_key is not None:
        return str(chosen.tls_cert), str(chosen.tls_key)
    if not chosen.tls:
        return None, None
    path = chosen.home / API_CERTIFICATE
    plane.app.write_api_certificate(path, host)
    return str(path), str(path)


def _say_ready(ready_fd: int | None) -> None:
    if ready_fd is not None:
        os.write(ready_fd, b"ready")
        os.close(ready_fd)


def _detached(chosen: Settings, flags: dict[str, Any]) -> None:
    """Start `up` in a session of its own and wait for its word; its voice goes to a file in the home."""
    chosen.home.mkdir(parents=True, exist_ok=True)
    lock = home_lock(chosen)
    if (holder := lock.holder()) is not None:
        click.echo(f"{chosen.home} is served already at {holder.endpoint} by pid {holder.pid}")
        return
    read, write = os.pipe()
    arguments = [sys.executable, "-m", "penstock", "--home", str(chosen.home), "up", "--ready-fd", str(write)]
    for name, value in flags.items():
        if value is not None:
            arguments += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    log_path = chosen.home / LOG_FILE
    with log_path.open("ab") as log:
        before = log.tell()
        child = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(write,), start_new_session=True
        )
    os.close(write)
    with os.fdopen(read, "rb") as word:
        heard, _, _ = select.select([word], [], [], START_PATIENCE)
        if not heard or not word.read():
            code = child.poll()
            said = log_path.read_bytes()[before:].decode(errors="replace")
            last = "\n".join(said.splitlines()[-5:])
            ended = f"ended with status {code}" if code is not None else f"did not answer within {START_PATIENCE:.0f} s"
            raise click.ClickException(f"the control plane {ended}; its last words in {log_path}:\n{last}")
    holder = lock.holder()
    if holder is not None:
        click.echo(f"Penstock serves {chosen.home} at {holder.endpoint} (pid {holder.pid})")


@click.command()
@click.option("--nodes", is_flag=True, help="Stop brokers and controllers too; the next `up` starts them again.")
@click.option("--purge", is_flag=True, help="Remove all clusters and their volumes, after asking.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def down(ctx: click.Context, nodes: bool, purge: bool, yes: bool) -> None:
    """Stop the control plane; brokers go on serving unless --nodes.

    Example: penstock down --purge --yes removes everything that this home made."""
    chosen = settings(ctx)
    founded(chosen)
    if purge and not yes:
        click.confirm(f"Remove every cluster of {chosen.home} with all its data, and its quarantine?", abort=True)
    lock = home_lock(chosen)
    if (holder := lock.holder()) is not None:
        _end(holder.pid)
        click.echo(f"the control plane (pid {holder.pid}) has ended")
    elif lock.held():
        raise click.ClickException(f"a control plane is just starting on {chosen.home}; repeat this in a moment")
    else:
        click.echo(f"no control plane serves {chosen.home}")
    if nodes or purge:
        _stop_nodes(chosen, purge=purge)
    if purge:
        shutil.rmtree(chosen.home)
        click.echo(f"{chosen.home} is removed")


def _end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not select.select([descriptor], [], [], 20)[0]:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            select.select([descriptor], [], [], 5)
    finally:
        os.close(descriptor)


def _stop_nodes(chosen: Settings, *, purge: bool) -> None:
    """Brokers before controllers: a broker that stops alone waits for a controller for ever (kafka.md 3.3)."""
    from penstock.app import open_home

    if purge:
        Reserve(chosen.home / RESERVE_FILE).let_go()  # also a full disk must be cleaned up
    lock = home_lock(chosen)
    if not lock.acquire():
        raise click.ClickException(f"another control plane serves {chosen.home} meanwhile; nothing was stopped")
    app = open_home(chosen, in_charge=True)
    try:
        for cluster in app.compute.clusters():
            members = sorted(app.compute.sightings(cluster))
            brokers = [node for node in members if node.role is Role.BROKER and not purge]
            for node in brokers:
                app.compute.stop(node, How.GRACEFUL, app.fence)
            _await_end(app, cluster, brokers)
            for node in members:
                app.compute.stop(node, How.AT_ONCE, app.fence)
                if purge:
                    app.compute.remove(node, app.fence)
        if purge:
            for volume in app.compute.quarantined():
                app.compute.discard(volume.name)
            app.compute.release()
        names = ", ".join(record.spec.name for record in all_clusters(app.store)) or "no cluster"
        click.echo(f"nodes of {names} are {'removed' if purge else 'stopped'}")
    finally:
        app.close()


def _await_end(app: App, cluster: ClusterId, nodes: Sequence[NodeId]) -> None:
    """Until the nodes are gone, or for as long as a controlled shutdown may take."""
    until = time.monotonic() + STOP_PATIENCE
    while time.monotonic() < until:
        seen = app.compute.sightings(cluster)
        if not any(
            isinstance(sighting := seen.get(node), Known) and isinstance(sighting.value, Running) for node in nodes
        ):
            return
        time.sleep(0.1)
