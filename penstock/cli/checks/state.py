"""What the home holds: the key, the store, and whoever is in charge of it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

from penstock.cli.checks.finding import Finding, State, Visit
from penstock.cli.common import home_lock
from penstock.cli.glance import glance
from penstock.settings import Settings
from penstock.store.errors import StoreError


def store(visit: Visit) -> Iterator[Finding]:
    home = visit.settings.home
    key = home / "key"
    if not key.exists():
        yield Finding("store", State.OK, f"There is no home at {home} yet; `penstock up` makes one.")
        return
    if (mode := key.stat().st_mode & 0o777) & 0o077:
        sentence = f"The sealing key {key} is open to other users (mode {mode:o}), so no control plane starts here."
        yield Finding("store", State.WRONG, sentence, f"Run `chmod 600 {key}`, and take care who had read it.")
        return
    try:
        with glance(visit.settings, whole=True) as rows:
            account, count = rows.identity.account(), len(rows.clusters.live_ids())
            rows.identity.root_key()
    except StoreError as error:
        fix = "Restore key and store from one backup, or choose another home with --home."
        yield Finding("store", State.WRONG, f"The store cannot be used: {error}", fix)
        return
    clusters = f"{count} cluster{'' if count == 1 else 's'}"
    yield Finding("store", State.OK, f"The store of account {account} opens with its key and holds {clusters}.")
    path = home / "store.sqlite3"
    if path.exists() and (mode := path.stat().st_mode & 0o777) & 0o077:
        yield Finding(
            "store", State.WARNING, f"{path} is open to other users (mode {mode:o}).", f"Run `chmod 600 {path}`."
        )


def control_plane(visit: Visit) -> Iterator[Finding]:
    lock = home_lock(visit.settings)
    holder = lock.holder()
    if holder is None:
        yield (
            _vacant(visit)
            if not lock.held()
            else Finding(
                "control plane",
                State.WARNING,
                "A control plane has the home and does not listen: it is starting, or hangs.",
                f"Look again; if it stays so, look into {visit.settings.home / 'penstock.log'}.",
            )
        )
        return
    host, _, port = holder.listen.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=3).close()
    except OSError as error:
        sentence = (
            f"The control plane (pid {holder.pid}) does not answer at {holder.endpoint}: {error.strerror or error}."
        )
        yield Finding(
            "control plane",
            State.WARNING,
            sentence,
            "`penstock down`, then `penstock up --detach`; brokers go on meanwhile.",
        )
    else:
        where = f"It runs at {holder.endpoint} (pid {holder.pid})"
        yield (
            Finding(
                "control plane",
                State.WARNING,
                f"{where} WITHOUT AUTHENTICATION: whoever reaches it may do everything.",
                "`penstock down`, then `penstock up --detach` without --insecure-no-auth and PENSTOCK_INSECURE_NO_AUTH.",
            )
            if holder.insecure
            else Finding("control plane", State.OK, f"{where}.")
        )


def _vacant(visit: Visit) -> Finding:
    start = "`penstock up --detach` starts it."
    who = _obstacle(visit.settings)
    if who is not None:
        fix = "Choose another with --listen or PENSTOCK_LISTEN (port 0 picks a free one)."
        return Finding(
            "control plane",
            State.WARNING,
            f"It does not run, and could not listen on {visit.settings.listen}: {who}.",
            fix,
        )
    if visit.clusters:
        return Finding(
            "control plane", State.WARNING, "It does not run, so nobody heals the clusters of this home.", start
        )
    return Finding("control plane", State.OK, f"It does not run; {start}")


def _obstacle(settings: Settings) -> str | None:
    """Why the API could not listen where it should; None where it could."""
    host, _, port = settings.listen.rpartition(":")
    host = host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except ValueError:
            return "that is no address with a port"
        except OSError as error:
            return "another program does" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
    return None
