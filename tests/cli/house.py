"""A home of one's own, and the command line on it: in this process for looking, as a process where that matters."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen
from click.testing import CliRunner, Result

import penstock
from penstock.cli import main

NOWHERE = "http://127.0.0.1:9/"
"""A mirror where nobody answers: no test of this room may fetch anything."""


@frozen
class House:
    """A home in a folder of its own, with a Java that does not exist and a cache that is empty, so nothing ever starts."""

    root: Path
    variables: Mapping[str, str] = field(factory=dict)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PENSTOCK_HOME": str(self.home),
            "PENSTOCK_CACHE": str(self.root / "cache"),
            "PENSTOCK_JAVA_HOME": str(self.root / "no-java"),
            "PENSTOCK_MAVEN_MIRROR": NOWHERE,
            "PENSTOCK_NETWORK_REGISTRY": str(self.root / "networks"),
            "PENSTOCK_LISTEN": "127.0.0.1:0",
            **self.variables,
        }

    def say(self, *arguments: str, **variables: str | None) -> Result:
        """The command in this process; a traceback is an `exception` of the result and fails `told`."""
        outer = {name: None for name in os.environ if name.startswith(("PENSTOCK_", "AWS_")) or name == "JAVA_HOME"}
        return CliRunner().invoke(main, list(arguments), env={**outer, **self.environment, **variables})

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The command as a process of its own, to its end."""
        with self.begin(*arguments, **variables) as process:
            try:
                stdout, stderr = process.communicate(timeout=120)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def begin(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """The command as a process that goes on; who begins it ends it."""
        outer = {n: v for n, v in os.environ.items() if not n.startswith(("PENSTOCK_", "AWS_")) and n != "JAVA_HOME"}
        outer["PYTHONPATH"] = str(Path(penstock.__file__).parents[1])
        return subprocess.Popen(
            [sys.executable, "-m", "penstock", *arguments],
            env={**outer, **self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def told(result: Result | subprocess.CompletedProcess[str]) -> str:
    """The one sentence on standard error of a command that did not work; fails where it is anything else."""
    status = result.exit_code if isinstance(result, Result) else result.returncode
    assert status == 1, result
    if isinstance(result, Result):
        assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("penstock: ")
    (line,) = result.stderr.splitlines()
    return line


def wait_for(holds: Callable[[], Any], within: float = 60.0) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.1)
