"""Penstock's side: a control plane of its own as a user starts it, and the bare start of the same files and flags."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import psutil
from attrs import define

from benchmarks.by_hand import listens
from benchmarks.client import Reach, until
from penstock.app import ControlPlane
from penstock.control.cluster.layout import lay_out
from penstock.control.cluster.places import endowed
from penstock.model.ids import Role
from penstock.model.node import NODE, VOLUME, Applies, NodeSpec
from penstock.settings import load
from penstock.wire.call import Call, Caller

VERSION = "4.3.x.kraft"
REGION = "us-east-1"


@define
class Ours:
    """A control plane on a home of its own."""

    home: Path
    environment: dict[str, str]
    ready_seconds: float
    pid: int

    @cached_property
    def kafka(self) -> Any:
        return boto3.client(
            "kafka",
            endpoint_url=self.environment["AWS_ENDPOINT_URL_KAFKA"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def ask(self, name: str) -> str:
        """CreateCluster; the ARN."""
        group = {"InstanceType": "kafka.m5.large", "ClientSubnets": self.environment["PENSTOCK_SUBNETS"].split(",")}
        answer = self.kafka.create_cluster(
            ClusterName=name, KafkaVersion=VERSION, NumberOfBrokerNodes=3, BrokerNodeGroupInfo=group
        )
        return str(answer["ClusterArn"])

    def state(self, arn: str) -> str:
        return str(self.kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["State"])

    def create(self, name: str) -> tuple[str, Reach]:
        arn = self.ask(name)
        until(f"{name} to be ACTIVE", lambda: self.state(arn) == "ACTIVE", every=0.1)
        return arn, self.reach(arn)

    def begin(self, arn: str, call: str, **members: Any) -> str:
        """Call an update with the version that is current; the ARN of its operation."""
        version = self.kafka.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["CurrentVersion"]
        answer = getattr(self.kafka, call)(ClusterArn=arn, CurrentVersion=version, **members)
        return str(answer["ClusterOperationArn"])

    def step(self, operation: str, name: str) -> str:
        """How far a step of an operation is; empty before the first look."""
        info = self.kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"]
        steps = {step["StepName"]: step["StepInfo"]["StepStatus"] for step in info.get("OperationSteps", [])}
        return str(steps.get(name, ""))

    def change(self, arn: str, call: str, **members: Any) -> None:
        """The same, until its operation has ended well."""
        operation = self.begin(arn, call, **members)
        until(f"{call} to end", lambda: self.state(arn) == "ACTIVE", every=0.1)
        ended = self.kafka.describe_cluster_operation(ClusterOperationArn=operation)["ClusterOperationInfo"]
        if ended["OperationState"] != "UPDATE_COMPLETE":
            raise RuntimeError(f"{call}: {ended}")

    def volumes(self, number: int) -> Path:
        """Where the data of one broker of the only cluster lies."""
        (found,) = (self.home / "volumes").glob(f"*/broker-{number}")
        return found / "data"

    def reach(self, arn: str) -> Reach:
        servers = self.kafka.get_bootstrap_brokers(ClusterArn=arn)["BootstrapBrokerStringTls"]
        return Reach(servers, self.environment["PENSTOCK_CA"])

    def pids(self) -> dict[str, int]:
        """Node name -> pid, from the provider's records."""
        found = (self.home / "nodes").glob("*/*/run.json")
        return {path.parent.name: json.loads(path.read_text())["pid"] for path in found}

    def resident_mib(self) -> float:
        return float(psutil.Process(self.pid).memory_info().rss / 2**20)

    def cpu_share(self, seconds: float) -> float:
        """Share of one core that the control plane uses over so many seconds."""
        process = psutil.Process(self.pid)
        before = sum(process.cpu_times()[:2])
        time.sleep(seconds)
        return float((sum(process.cpu_times()[:2]) - before) / seconds)


def penstock(home: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "penstock", "--home", str(home), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def ours() -> Iterator[Ours]:
    """A control plane; everything that it made is gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    home.chmod(0o755)
    try:
        began = time.monotonic()
        penstock(home, "up", "--detach", "--listen", "127.0.0.1:0")
        ready = time.monotonic() - began
        environment = json.loads(penstock(home, "env", "--format", "json"))
        pid = json.loads((home / "lock.json").read_text())["pid"]
        yield Ours(home, environment, ready, pid)
    finally:
        penstock(home, "down", "--purge", "--yes")
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def laid_out() -> Iterator[tuple[Path, Sequence[NodeSpec], Sequence[dict[str, bytes]], Path]]:
    """The same cluster as Penstock lays it out, started by nobody: (folder, nodes, leaves of each, CA file)."""
    home = Path(tempfile.mkdtemp(prefix="penstock-bare-"))
    home.chmod(0o755)
    plane = ControlPlane(load(home=home))
    try:
        with plane.app.store.read() as rows:
            key = rows.identity.root_key()
            subnets = rows.subnets.built_in(key.account, REGION).subnets
        group = {"InstanceType": "kafka.m5.large", "ClientSubnets": [subnet.id for subnet in subnets]}
        wanted = {
            "ClusterName": "bare",
            "KafkaVersion": VERSION,
            "NumberOfBrokerNodes": 3,
            "BrokerNodeGroupInfo": group,
        }
        caller = Caller(key.account, REGION, key.id, "")
        plane.gateway.handlers["kafka", "CreateCluster"](Call("kafka", "CreateCluster", wanted, caller, "bench"))
        with plane.app.store.read() as rows:
            record = rows.clusters.get(rows.clusters.live_ids()[0])
        assert record is not None
        spec = endowed(record.spec, plane.app.store, plane.app.compute)
        nodes = lay_out(spec, plane.app.around.frame(spec))
        leaves = [{leaf.path: plane.app.around.issue(spec, leaf) for leaf in node.leaves} for node in nodes]
        ca = home / "home-ca.pem"
        ca.write_bytes(plane.app.home_ca)
        yield home, nodes, leaves, ca
    finally:
        plane.app.close()
        shutil.rmtree(home)


def bare(folder: Path, nodes: Sequence[NodeSpec], leaves: Sequence[dict[str, bytes]]) -> list[subprocess.Popen[bytes]]:
    """What a ten-line script would do: write the files, start the processes, wait for the brokers' ports."""
    started = []
    for node, pems in zip(nodes, leaves, strict=True):
        own, volume = folder / node.id.name, folder / f"{node.id.name}.volume"
        for file in node.files:
            path = (volume if file.applies is Applies.FORMAT else own) / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                file.content.replace(NODE.encode(), str(own).encode()).replace(VOLUME.encode(), str(volume).encode())
            )
        for name, pem in pems.items():
            (own / name).write_bytes(pem)
        command = [part.replace(NODE, str(own)).replace(VOLUME, str(volume)) for part in node.command]
        with (own / "log").open("ab") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **node.environment}))
    brokers = [node for node in nodes if node.id.role is Role.BROKER]
    until("the bare brokers", lambda: all(listens(node.address, node.ports["CLIENT_SECURE"]) for node in brokers))
    return started
