"""Starting keepers: the orders they get, the answer they give, and what a refusal means in words."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any

from attrs import frozen

from penstock.compute.base import ComputeError
from penstock.compute.process import process
from penstock.compute.process.addresses import holder
from penstock.compute.process.files import REMEDIES, expand, told
from penstock.compute.process.home import Place
from penstock.compute.process.run import Witness, runnable, why_taken
from penstock.compute.process.user import User
from penstock.model.node import NodeSpec

SCRIPT = Path(__file__).with_name("keeper.py")
ANSWER_SECONDS = 20.0
"""A keeper answers within tens of milliseconds; a disk that hangs makes it slower."""
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ")
"""What a node gets of the control plane's environment. Nothing else: it holds credentials."""


class Refusal(ComputeError):
    """A start that no retry helps until something outside changes: kind `port` or `command`. `why` and `fix` are sentences."""

    def __init__(self, kind: str, why: str, fix: str) -> None:
        super().__init__(f"{why} {fix}")
        self.kind = kind
        self.why = why
        self.fix = fix


@frozen
class Launcher:
    """Starts keepers. `rotate_bytes` is the size past which a log is rotated, looked at every `rotate_seconds`."""

    witness: Witness
    user: User | None
    rotate_bytes: int
    rotate_seconds: float

    def check(self, node: NodeSpec) -> None:
        """Raises Refusal where the node cannot run now, whatever is tried: no such program, a stranger on its port."""
        command = node.command[0]
        if not runnable(command, self.user):
            as_user = f" by the user `{self.user.name}`" if self.user else ""
            state = f"may not be executed{as_user}" if os.path.exists(command) else "does not exist"
            raise Refusal(
                "command",
                f"{node.id} cannot start: its program {command} {state}.",
                "Install it where the nodes' user may run it; for Java, PENSTOCK_JAVA_HOME names another one.",
            )
        for name, (address, port) in node.sockets.items():
            error, where = why_taken(address, port), f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            if error is not None and error.errno != errno.EADDRINUSE:
                raise Refusal(
                    "port",
                    f"{node.id} cannot start: listening on {where}, its address for {name}, fails: {error.strerror}.",
                    "Give the machine that address back; where it is a shared one, change network_address; else delete the "
                    "cluster and create it anew.",
                )
            if error is not None:
                raise Refusal(
                    "port",
                    f"{node.id} cannot start: {holder(port, address)} already listens on {where}, its port for {name}.",
                    "Stop that program; the node then starts by itself.",
                )

    def start(self, place: Place, node: NodeSpec, *, background: bool) -> None:
        """The node's process exists afterwards, with a keeper. Raises ComputeError."""
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {"HOME": str(place.work)}
        own = {name: expand(value, place.files, place.data) for name, value in node.environment.items()}
        orders = {
            "mode": "start",
            "run": token_hex(8),
            "command": [expand(part, place.files, place.data) for part in node.command],
            "environment": environment | own,
            "work": str(place.work),
            "uid": self.user.uid if self.user else None,
            "gid": self.user.gid if self.user else None,
            "files": node.resources.files,
            "background": background,
        }
        answer = self._order(place, orders)
        if "pid" not in answer:
            raise self._refused(place, node, answer)

    def attach(self, place: Place) -> None:
        """A keeper for a running node that has lost its own; nothing where it has one."""
        answer = self._order(place, {"mode": "attach"})
        if answer.get("stage") != "keeper" and "pid" not in answer and answer.get("errno") != errno.ESRCH:
            raise ComputeError(
                f"{place.id} has no keeper and a new one could not start: {answer['error']}; look into {place.directory}/keeper.log"
            )

    def _order(self, place: Place, orders: Mapping[str, Any]) -> Mapping[str, Any]:
        complete = {
            **orders,
            "boot": self.witness.boot(),
            "rotate_bytes": self.rotate_bytes,
            "rotate_seconds": self.rotate_seconds,
        }
        log = place.directory / "keeper.log"
        with told(f"starting a keeper for {place.id}"), log.open("wb") as words:
            keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SCRIPT), str(place.directory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                cwd="/",
                start_new_session=True,
            )
            try:
                if orders.get("background"):
                    process.weigh(keeper.pid, process.BACKGROUND)  # a session of its own, which the node will be in
                out, _ = keeper.communicate(json.dumps(complete).encode(), ANSWER_SECONDS)
            except (OSError, subprocess.TimeoutExpired) as failure:
                keeper.kill()
                keeper.communicate()
                if isinstance(failure, OSError):
                    raise
                raise ComputeError(
                    f"the keeper of {place.id} gave no answer within {ANSWER_SECONDS:.0f} s; the disk "
                    f"of {place.directory} may hang: look at the system log"
                ) from None
        if not out:
            said = log.read_text(errors="replace").strip().splitlines()
            raise ComputeError(
                f"the keeper of {place.id} ended at its start: {said[-1] if said else 'without a word'}; all it said is in {log}"
            )
        answer: dict[str, Any] = json.loads(out)
        return answer

    def _refused(self, place: Place, node: NodeSpec, answer: Mapping[str, Any]) -> ComputeError:
        match answer["stage"]:
            case "lock":
                holders = (
                    ", ".join(process.program(pid) for pid in process.users_of(place.directory / "lock"))
                    or "a process that cannot be seen"
                )
                return ComputeError(
                    f"{node.id} was not started: {holders} still holds the lock of {place.directory}, so it may use the volume; "
                    "end that process if it is a leftover"
                )
            case "keeper":
                return ComputeError(
                    f"{node.id} was not started: another keeper is at work on {place.directory}; the next try follows by itself"
                )
            case "command":
                return ComputeError(
                    f"{node.id} cannot start: executing {node.command[0]} failed: {answer['error']}; check that program and who may run it"
                )
            case stage:
                remedy = REMEDIES.get(answer["errno"] or 0, f"look into {place.directory}/keeper.log")
                return ComputeError(
                    f"{node.id} was not started: its keeper failed ({stage}): {answer['error']}; {remedy}"
                )
