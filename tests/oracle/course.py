"""An update as a user watches it: the operation from call to end, and the processes that it touched."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import define, field
from oracle.plane import DEADLINE, Cluster

ENDED = ("UPDATE_COMPLETE", "UPDATE_FAILED", "REBOOT_COMPLETE")
BROKERS = ("broker-1", "broker-2", "broker-3")
CONTROLLERS = ("controller-10001", "controller-10002", "controller-10003")


@define
class Runs:
    """The runs of a cluster's nodes as they were, and what has become of them since."""

    cluster: Cluster
    pids: dict[str, int] = field(init=False)
    ended: dict[str, list[str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pids = self.cluster.pids()
        self.ended = {node: [run["run"] for run in self.cluster.ended(node)] for node in self.pids}

    def since(self, node: str) -> list[dict[str, Any]]:
        """The node's runs that ended since."""
        return [run for run in self.cluster.ended(node) if run["run"] not in self.ended.get(node, [])]

    def check_untouched(self) -> None:
        assert self.cluster.pids() == self.pids

    def check_rolled(self, *controllers: str) -> None:
        """Every broker, and each of these controllers, was restarted once by us, one at a time; nobody else was."""
        rolled = (*BROKERS, *controllers)
        runs = {node: self.since(node) for node in self.pids}
        assert {node: [run["requested"] for run in ended] for node, ended in runs.items() if ended} == {
            node: [True] for node in rolled
        }
        times = sorted((runs[node][0]["ended"], self.cluster.record(node)["started"]) for node in rolled)
        for (_, started), (ended, _) in pairwise(times):
            assert started < ended, f"two nodes were away at once: {times}"


@define
class Course:
    """An operation as a script sees it that polls: from the answer of the call to its end."""

    cluster: Cluster
    operation: str
    states: list[str] = field(factory=list)
    clusters: list[Mapping[str, Any]] = field(factory=list)
    info: dict[str, Any] = field(factory=dict)

    def look(self) -> str:
        kafka = self.cluster.plane.kafka
        self.clusters.append(self.cluster.describe())
        self.info = kafka.describe_cluster_operation(ClusterOperationArn=self.operation)["ClusterOperationInfo"]
        self.states.append(self.info["OperationState"])
        return self.states[-1]

    def end(self, state: str = "UPDATE_COMPLETE", deadline: float = 2 * DEADLINE) -> Course:
        """Poll until the operation is over; it must have ended like this, and gone forward alone."""
        last = time.monotonic() + deadline
        while self.look() not in ENDED:
            assert time.monotonic() < last, f"{self.info}\n{self.cluster.said()}"
            time.sleep(0.03)
        assert self.states[-1] == state, f"{self.info}\n{self.cluster.said()}"
        order = [each for each in ("PENDING", "UPDATE_IN_PROGRESS", "REBOOT_IN_PROGRESS", state) if each in self.states]
        assert list(dict.fromkeys(self.states)) == order
        return self

    def check_complete(self, before: Mapping[str, Any], steps: list[str]) -> Mapping[str, Any]:
        """The cluster is ACTIVE in the very moment in which the operation is complete, under a third version, and not before."""
        after = self.cluster.describe()
        assert after["State"] == "ACTIVE", self.cluster.said()
        # Each look asks for the cluster first, so an operation that went on then went on before.
        during = [each["State"] for each, state in zip(self.clusters, self.states, strict=True) if state not in ENDED]
        assert set(during) <= {"UPDATING"}, f"an operation went on, and the cluster was {during}"
        first = self.clusters[0]
        assert len({each["CurrentVersion"] for each in (before, first, after)}) == 3
        assert [step["StepName"] for step in self.info["OperationSteps"]] == steps
        assert {status for status, _ in self.steps().values()} == {"COMPLETED"}
        assert "ErrorInfo" not in self.info
        return after

    def steps(self) -> Mapping[str, tuple[str, str]]:
        """Step -> its status, and what is told beside it, as last seen."""
        shown = {step["StepName"]: step["StepInfo"]["StepStatus"] for step in self.info.get("OperationSteps", [])}
        parts = {name: text.partition(": ") for name, text in shown.items()}
        return {name: (status, detail) for name, (status, _, detail) in parts.items()}


@contextmanager
def followed(cluster: Cluster) -> Iterator[Callable[[], list[str]]]:
    """What `penstock events --follow` prints of what happens from now on, by sentences."""
    home, known = cluster.plane.home, len(cluster.events())
    words = [*home.front, sys.executable, "-m", "penstock", "events", cluster.name, "--follow"]
    with TemporaryDirectory() as folder:
        path = Path(folder, "said")
        with path.open("wb") as said:
            process = subprocess.Popen(words, env=home.environment, cwd="/", stdout=said)

        def told() -> list[str]:
            return [line.partition("Z  ")[2] for line in path.read_text().splitlines()][known:]

        try:
            yield told
            assert process.poll() is None, "it follows until it is ended"
        finally:
            process.terminate()
            process.wait()
