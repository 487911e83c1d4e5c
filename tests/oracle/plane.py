"""A home and its control plane as a user has them: a process, the command line, the API through boto3, and the process table."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from random import SystemRandom
from tempfile import mkdtemp
from typing import Any, TypeVar

import boto3
import psutil
from attrs import define, field
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).parents[2]
DEADLINE = 90.0
POLL = 0.05
NEWEST = "4.3.x.kraft"

T = TypeVar("T")


def until(
    ask: Callable[[], T],
    what: str,
    deadline: float = DEADLINE,
    more: Callable[[], str] | None = None,
    poll: float = POLL,
) -> T:
    """The first true answer; AssertionError with the last one where none came in time."""
    end = time.monotonic() + deadline
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {deadline:.0f} s; last: {answer!r} {more() if more else ''}")
        time.sleep(poll)


def ran(
    words: Sequence[str], environment: Mapping[str, str], timeout: float, within: str | Path = "/"
) -> subprocess.CompletedProcess[str]:
    """A command to its end, however it ends, and all that it said."""
    return subprocess.run(
        words, env=environment, cwd=within, capture_output=True, text=True, timeout=timeout, check=False
    )


@define
class Home:
    """A directory that a control plane works in, with settings of its own."""

    path: Path
    registry: Path
    settings: dict[str, str] = field(factory=dict)
    front: Sequence[str] = ()
    """What stands in front of every command: `setpriv …`, to have fewer rights."""

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PENSTOCK_"))}
        cache = {name: os.environ[name] for name in ("PENSTOCK_CACHE",) if name in os.environ}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        told = {"PENSTOCK_HOME": str(self.path), "PENSTOCK_NETWORK_REGISTRY": str(self.registry), "PYTHONPATH": path}
        return own | cache | told | self.settings

    def run(self, *arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """`penstock …` on this home."""
        words = (*self.front, sys.executable, "-m", "penstock", *arguments)
        done = ran(words, self.environment, timeout)
        assert not check or done.returncode == 0, f"penstock {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def processes(self) -> list[psutil.Process]:
        """Every process that names this home in its command line or works in it: control plane, keepers, nodes."""
        found = []
        for process in psutil.process_iter():
            try:
                mark = str(self.path) + os.sep
                words = [*process.cmdline(), process.cwd() + os.sep]
                if process.pid != os.getpid() and any(mark in word + os.sep for word in words):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def network(self) -> str | None:
        try:
            return str(json.loads((self.path / "network.json").read_text())["network"])
        except FileNotFoundError:
            return None

    def left(self) -> list[str]:
        """What a home that was purged must not leave: processes, ports, mounts, files."""
        left = [f"process {process.pid} {' '.join(process.cmdline())[:200]}" for process in self.processes()]
        left += [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if str(self.path) in line]
        left += [f"file {path}" for path in sorted(self.path.rglob("*"))[:5]] if self.path.exists() else []
        return left

    def listeners(self, network: str | None) -> list[str]:
        """Addresses of the home's own network on which something listens."""
        if network is None:
            return []
        mine = [c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.ip.startswith(f"{network}.")]
        return [f"port {c.laddr.ip}:{c.laddr.port}" for c in mine if c.status == psutil.CONN_LISTEN]


@contextmanager
def new_home(registry: Path, within: Path | None = None, **settings: str) -> Iterator[Home]:
    """A home in a directory that the nodes' user may enter. Afterwards nothing is left of it, or the test fails."""
    folder = within or Path(mkdtemp(prefix="penstock-", dir="/tmp"))
    folder.chmod(0o755)
    home = Home(folder / "home", registry, {f"PENSTOCK_{name.upper()}": value for name, value in settings.items()})
    home.path.mkdir(mode=0o755)
    # Homes of other checkouts on this machine have registries that we do not see: begin elsewhere than they do.
    wish = {"network": f"127.{SystemRandom().randrange(64, 192)}"}
    (home.path / "network.json").write_text(json.dumps(wish))
    try:
        yield home
        network = home.network()
        if (home.path / "key").exists():
            home.run("down", "--purge", "--yes")
            assert home.left() + home.listeners(network) == [], "this is left of a purged home"
    finally:
        for process in home.processes():
            process.kill()
        psutil.wait_procs(home.processes(), 10)
        if within is None:
            shutil.rmtree(folder, ignore_errors=True)


@define
class Plane:
    """A control plane in a process of its own, which may be killed and started again."""

    home: Home
    _clients: dict[str, Any] = field(factory=dict)

    def up(self) -> Plane:
        self.home.run("up", "--detach", "--listen", "127.0.0.1:0")
        self._clients.clear()
        return self

    @property
    def pid(self) -> int:
        return int(json.loads((self.home.path / "lock.json").read_text())["pid"])

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        process = psutil.Process(self.pid)
        process.kill()
        process.wait(10)

    @property
    def environment(self) -> Mapping[str, str]:
        return dict(self.home.json("env"))

    @property
    def kafka(self) -> Any:
        """boto3's client, as `penstock env` says."""
        if "kafka" not in self._clients:
            env = self._clients["env"] = self.environment
            self._clients["kafka"] = boto3.client(
                "kafka",
                region_name=env["AWS_REGION"],
                endpoint_url=env["AWS_ENDPOINT_URL_KAFKA"],
                aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
                config=Config(retries={"max_attempts": 0}, read_timeout=20),
            )
        return self._clients["kafka"]

    @property
    def subnets(self) -> Sequence[str]:
        return str(self.kafka and self._clients["env"]["PENSTOCK_SUBNETS"]).split(",")

    def begin(
        self,
        name: str,
        version: str = NEWEST,
        client_broker: str = "TLS",
        brokers: int = 3,
        volume_gib: int | None = None,
    ) -> Cluster:
        """CreateClusterV2; the answer of the call alone."""
        storage = {"StorageInfo": {"EbsStorageInfo": {"VolumeSize": volume_gib}}} if volume_gib else {}
        answer = self.kafka.create_cluster_v2(
            ClusterName=name,
            Provisioned={
                "BrokerNodeGroupInfo": {
                    "ClientSubnets": list(self.subnets),
                    "InstanceType": "kafka.m5.large",
                    **storage,
                },
                "KafkaVersion": version,
                "NumberOfBrokerNodes": brokers,
                "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": client_broker, "InCluster": True}},
            },
        )
        return Cluster(self, name, answer["ClusterArn"])

    def create(self, name: str, version: str = NEWEST, client_broker: str = "TLS", brokers: int = 3) -> Cluster:
        """A cluster that is ACTIVE."""
        cluster = self.begin(name, version, client_broker, brokers)
        cluster.active()
        return cluster


@define
class Cluster:
    """A cluster of a plane: through the API, and through the records of its nodes."""

    plane: Plane
    name: str
    arn: str

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    def describe(self) -> Mapping[str, Any]:
        """DescribeClusterV2; empty where there is no such cluster."""
        try:
            return dict(self.plane.kafka.describe_cluster_v2(ClusterArn=self.arn)["ClusterInfo"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NotFoundException":
                return {}
            raise

    @property
    def state(self) -> str:
        return str(self.describe().get("State", "GONE"))

    def reach(self, *states: str, deadline: float = DEADLINE) -> str:
        """Wait for one of these states; FAILED ends the wait at once."""

        def there() -> str:
            state = self.state
            assert state != "FAILED" or "FAILED" in states, f"{self.name} FAILED: {self.describe().get('StateInfo')}"
            return state if state in states else ""

        return until(there, f"{self.name} in {' or '.join(states)}", deadline, self.said)

    def active(self, deadline: float = DEADLINE) -> None:
        self.reach("ACTIVE", deadline=deadline)

    def said(self) -> str:
        """All that helps to understand where it stands."""
        parts = [str(self.describe().get("State")), str(self.describe().get("StateInfo"))]
        for command in ("explain", "events"):
            parts.append(self.plane.home.run(command, self.name, check=False).stdout[-3000:])
        return "\n".join(parts)

    def delete(self, deadline: float = DEADLINE) -> None:
        """DeleteCluster; returns when the cluster is gone and its nodes have left nothing."""
        self.plane.kafka.delete_cluster(ClusterArn=self.arn)
        self.gone(deadline)

    def gone(self, deadline: float = DEADLINE) -> None:
        until(lambda: self.state == "GONE", f"{self.name} deleted", deadline, self.said)
        assert self.left() == [], "this is left of a deleted cluster"

    def left(self) -> list[str]:
        """Processes and files of this cluster, quarantined volumes aside."""
        home = self.plane.home
        left = [f"process {p.pid}" for p in home.processes() if any(self.id in word for word in p.cmdline())]
        # `walk` minds no directory that goes meanwhile: another cluster may be deleted at the same time.
        found = ((parent, name) for parent, *names in os.walk(home.path) for name in chain(*names) if self.id in name)
        return left + [f"file {parent}/{name}" for parent, name in found if "quarantine" not in Path(parent).parts]

    def client(self, auth: str | None = None, *flags: str) -> Mapping[str, str]:
        """What `penstock client` prints for librdkafka."""
        chosen = ("--auth", auth) if auth else ()
        return dict(self.plane.home.json("client", self.name, "--for", "librdkafka", *chosen, *flags))

    @property
    def nodes(self) -> Sequence[str]:
        return sorted(path.name for path in (self.plane.home.path / "nodes" / self.id).iterdir())

    def record(self, node: str, name: str = "run") -> dict[str, Any]:
        """A record of the node's directory; empty where there is none."""
        try:
            path = self.plane.home.path / "nodes" / self.id / node / f"{name}.json"
            return dict(json.loads(path.read_text()))
        except FileNotFoundError:
            return {}

    def ended(self, node: str) -> list[dict[str, Any]]:
        """The runs of the node that ended, newest last, as its keeper wrote them down."""
        path = self.plane.home.path / "nodes" / self.id / node / "ended.json"
        return list(json.loads(path.read_text())) if path.exists() else []

    def pid(self, node: str) -> int:
        """The node's process as it was last started."""
        return int(self.record(node).get("pid", 0))

    def pids(self) -> dict[str, int]:
        return {node: self.pid(node) for node in self.nodes}

    def kill(self, node: str, how: signal.Signals = signal.SIGKILL) -> int:
        """A signal to the node's process; its pid."""
        pid = self.pid(node)
        os.kill(pid, how)
        return pid

    def restarted(self, node: str, old: int, deadline: float = DEADLINE) -> int:
        """The pid of the node's next process, which serves under the same address."""

        def fresh() -> int:
            pid = self.pid(node)
            return pid if pid != old and psutil.pid_exists(pid) else 0

        return until(fresh, f"{node} of {self.name} started again", deadline, self.said)

    def healed(self, node: str, old: int, deadline: float = DEADLINE) -> int:
        """Wait until the node has a new process that listens and the cluster is ACTIVE again."""
        pid = self.restarted(node, old, deadline)
        # The state of the moment before is still ACTIVE, so look at the node first.
        until(lambda: self.listens(node), f"{node} of {self.name} listens", deadline, self.said)
        self.active(deadline)
        return pid

    def listens(self, node: str) -> bool:
        """Every listener of the node takes connections."""
        label = self.record(node, "node")
        return all(listening(label["address"], port) for port in label["ports"].values())

    def volume(self, node: str) -> Path:
        return self.plane.home.path / "volumes" / self.id / node

    def explain(self) -> str:
        return self.plane.home.run("explain", self.name).stdout

    def events(self) -> list[str]:
        """The sentences of its history, oldest first."""
        lines = self.plane.home.run("events", self.name).stdout.splitlines()
        return [line.partition("Z  ")[2] for line in lines]

    def leader(self) -> str:
        """The active controller, from the sentence of `explain`."""
        for line in self.explain().splitlines():
            if line.startswith("The quorum is led by controller "):
                return f"controller-{line.split()[6]}"
        raise AssertionError("explain names no active controller")


def listening(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


def answers(plane: Plane) -> bool:
    """Does the API answer?"""
    try:
        plane.kafka.list_clusters_v2()
    except (BotoCoreError, ClientError):
        return False
    return True
