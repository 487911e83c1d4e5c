"""A hundred clusters under one control plane, ten of them changed at once: does anybody wait for anybody?"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.client import until
from benchmarks.ours import Ours
from benchmarks.plane import describe_p99
from benchmarks.result import Result

CLUSTERS, CHANGED = 100, 10
TYPES = ("kafka.m5.xlarge", "kafka.m5.2xlarge")


def measure() -> list[Result]:
    """One cluster alone, then among ninety-nine others, ten of which are rolled at once."""
    with crowd() as (side, ended):
        first = _create(side, 0)
        _active(side, [first])
        alone = _rolled(side, [first], TYPES[0])
        calm = describe_p99(side, first)
        arns = [first, *(_create(side, number) for number in range(1, CLUSTERS))]
        _active(side, arns)
        time.sleep(5)
        idle = side.cpu_share(10) * 100
        os.kill(side.pid, signal.SIGUSR1)
        operations = [side.begin(arn, "update_broker_type", TargetInstanceType=TYPES[1]) for arn in arns[:CHANGED]]
        began = time.monotonic()
        busy = describe_p99(side, arns[-1])
        until("ten rolls", lambda: all(_ended(side, operation) for operation in operations), every=0.2)
        together = time.monotonic() - began
    longest = ended["longest"]
    return [
        Result(f"{CHANGED} of {CLUSTERS} clusters rolled at once, against one alone", "s", together, alone),
        Result("… longest time without a look at any cluster", "s", longest, goal=5.0),
        Result("… DescribeClusterV2 p99 meanwhile, against one quiet cluster", "ms", busy * 1000, calm * 1000),
        Result(f"idle CPU with {CLUSTERS} clusters, their simulation included", "% of a core", idle),
    ]


@contextmanager
def crowd() -> Iterator[tuple[Ours, dict[str, float]]]:
    """The program in `crowd.py` on a home of its own; what it says at its end is in the second value."""
    home = Path(tempfile.mkdtemp(prefix="penstock-crowd-"))
    program = [sys.executable, "-m", "benchmarks.crowd", str(home)]
    ended: dict[str, float] = {}
    with (home / "crowd.log").open("wb") as log:
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        told = json.loads(_line(process))
        yield Ours(home, told["environment"], 0.0, told["pid"]), ended
        process.terminate()
        ended |= json.loads(_line(process))
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def _line(process: subprocess.Popen[str]) -> str:
    """The next line of JSON: the control plane's own log goes the same way."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            return line
    raise RuntimeError(f"the control plane ended with {process.wait()}")


def _create(side: Ours, number: int) -> str:
    return side.ask(f"crowd-{number}")


def _active(side: Ours, arns: list[str]) -> None:
    until("all ACTIVE", lambda: all(side.state(arn) == "ACTIVE" for arn in arns), every=0.5)


def _rolled(side: Ours, arns: list[str], size: str) -> float:
    began = time.monotonic()
    operations = [side.begin(arn, "update_broker_type", TargetInstanceType=size) for arn in arns]
    until("the roll", lambda: all(_ended(side, operation) for operation in operations), every=0.1)
    return time.monotonic() - began


def _ended(side: Ours, operation: str) -> bool:
    info = side.kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"]
    if info["OperationState"] == "UPDATE_FAILED":
        raise RuntimeError(f"an update failed: {info}")
    return bool(info["OperationState"] == "UPDATE_COMPLETE")
