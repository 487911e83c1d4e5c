"""A hundred clusters under one control plane, ten of them changed at once: does anybody wait for anybody?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define

from benchmarks.client import PATIENCE
from benchmarks.ours import Ours
from benchmarks.plane import describe_p99
from benchmarks.result import Result

CLUSTERS, CHANGED = 100, 10
SIZES = ("kafka.m5.xlarge", "kafka.m5.2xlarge")
SECONDS = 10.0
"""How long idleness is watched."""


def measure() -> list[Result]:
    """One cluster alone, then ten of a hundred: every broker of each is restarted."""
    with crowded() as crowd:
        first = crowd.side.ask("crowd-0")
        crowd.active([first])
        alone = crowd.rolled([first], SIZES[0])
        arns = [first, *(crowd.side.ask(f"crowd-{number}") for number in range(1, CLUSTERS))]
        crowd.active(arns)
        time.sleep(2 * SECONDS)  # what has just come up is looked at more often
        idle = crowd.idle()
        calm = describe_p99(crowd.side, arns[-1])
        crowd.ask("begin")
        operations = crowd.begin(arns[:CHANGED], SIZES[1])
        busy = describe_p99(crowd.side, arns[-1])
        together = crowd.ended(operations)
        waited = crowd.ask("measured")
    return [
        Result(
            f"{CHANGED} of {CLUSTERS} clusters rolled at once, against one alone", "s", together, alone, goal_ratio=1.2
        ),
        Result("… longest time without a look at one that changes", "s", waited["unseen"], goal=2.0),
        Result("… longest that a look at any cluster came too late", "s", waited["late"], goal=1.0),
        Result(
            "… DescribeClusterV2 p99 of a quiet one, against before", "ms", busy * 1000, calm * 1000, goal_ratio=1.2
        ),
        Result(f"idle CPU with {CLUSTERS} clusters, their simulation not counted", "% of a core", idle * 100),
    ]


@define
class Crowd:
    """The program of `crowd.py`, serving a home."""

    side: Ours
    process: subprocess.Popen[str]

    def ask(self, question: str) -> Mapping[str, Any]:
        """What it answers to a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.heard()

    def heard(self) -> Mapping[str, Any]:
        """The next line that it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the control plane ended with {self.process.wait()}")
        answer: Mapping[str, Any] = json.loads(line)
        return answer

    def active(self, arns: Sequence[str]) -> None:
        self.until(arns, lambda arn: self.side.state(arn) == "ACTIVE")

    def rolled(self, arns: Sequence[str], size: str) -> float:
        return self.ended(self.begin(arns, size))

    def begin(self, arns: Sequence[str], size: str) -> Mapping[str, str]:
        """ARN -> the operation that gives its brokers that size."""
        return {arn: self.side.begin(arn, "update_broker_type", TargetInstanceType=size) for arn in arns}

    def ended(self, operations: Mapping[str, str]) -> float:
        """Seconds from the first beginning to the last end, by the operations' own times."""
        infos: dict[str, Mapping[str, Any]] = {}

        def over(arn: str) -> bool:
            asked = self.side.kafka.describe_cluster_operation(ClusterOperationArn=operations[arn])
            infos[arn] = asked["ClusterOperationInfo"]
            if infos[arn]["OperationState"] == "UPDATE_FAILED":
                raise RuntimeError(f"{arn} failed: {infos[arn].get('ErrorInfo')}; {self.told(arn)}")
            return bool(infos[arn]["OperationState"] == "UPDATE_COMPLETE")

        self.until(list(operations), over)
        began = min(info["CreationTime"] for info in infos.values())
        return float((max(info["EndTime"] for info in infos.values()) - began).total_seconds())

    def until(self, arns: Sequence[str], reached: Callable[[str], bool]) -> None:
        """Wait until it is so for each of them; tells of those for which it never came."""
        left, deadline = list(arns), time.monotonic() + PATIENCE
        while left := [arn for arn in left if not reached(arn)]:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{len(left)} of {len(arns)} after {PATIENCE:.0f} s: {'; '.join(map(self.told, left[:3]))}"
                )
            time.sleep(0.5)

    def told(self, arn: str) -> str:
        return "\n".join(["", arn, *self.ask(arn)["told"]])

    def idle(self) -> float:
        """Share of a core that the control plane uses where nothing happens, less what simulates the nodes."""
        before = self.ask("measured")["simulation"]
        share = self.side.cpu_share(SECONDS)
        return share - (self.ask("measured")["simulation"] - before) / SECONDS


@contextmanager
def crowded() -> Iterator[Crowd]:
    """The program on a home of its own; nothing is left of either."""
    home = Path(tempfile.mkdtemp(prefix="penstock-crowd-"))
    log = home / "crowd.log"
    command = [sys.executable, "-m", "benchmarks.crowd", str(home)]
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True)
    try:
        crowd = Crowd(Ours(home, {}, 0.0, process.pid), process)
        crowd.side.environment |= crowd.heard()["environment"]
        yield crowd
    except RuntimeError as error:
        raise RuntimeError(f"{error}\n{log.read_text()[-4000:]}") from error
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)
