"""Another machine, as far as the network goes: a network namespace at the other end of a cable (veth), in which clients run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import SystemRandom
from typing import Any

import pytest
from attrs import frozen

CLIENT = """
import json, sys
from confluent_kafka import Consumer, Producer
config, topic, count = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
producer = Producer({**config, "acks": "all", "message.timeout.ms": 30000})
failed = []
for n in range(count):
    producer.produce(topic, str(n), partition=n % 3, on_delivery=lambda error, _: error and failed.append(str(error)))
left = producer.flush(40)
seen = producer.list_topics(timeout=20)
brokers = {broker.id: f"{broker.host}:{broker.port}" for broker in seen.brokers.values()}
print(json.dumps({"failed": failed, "left": left, "topics": sorted(seen.topics), "brokers": brokers}))
"""


@frozen
class Elsewhere:
    """`here` is this machine's address on the cable; nothing else of it can be reached from there."""

    namespace: str
    here: str

    def produce(self, config: Mapping[str, str], topic: str, count: int) -> dict[str, Any]:
        """Produce so many records from there, with acks=all, and list what the cluster has."""
        done = subprocess.run(
            [*self._enter, sys.executable, "-c", CLIENT, json.dumps(dict(config)), topic, str(count)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def reaches(self, address: str, port: int) -> bool:
        """Does a connection from there come about?"""
        code = f"import socket; socket.create_connection(({address!r}, {port}), 3)"
        done = subprocess.run([*self._enter, sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
        return done.returncode == 0

    @property
    def _enter(self) -> list[str]:
        return ["ip", "netns", "exec", self.namespace]


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """A namespace and a cable to it. It takes root and the `ip` tool; nothing is left of it."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace takes root; run the tests as root (as CI does) to have this one")
    if shutil.which("ip") is None:
        pytest.skip("making a network namespace takes the tool `ip` (iproute2)")
    number = SystemRandom().randrange(1 << 14)
    name, near, far = f"penstock-{number}", f"pns{number}a", f"pns{number}b"
    # From the range that is set aside for tests between networks (RFC 2544).
    here, there = (f"198.18.{number >> 6 & 255}.{(number & 63) * 4 + end}" for end in (1, 2))
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody make a network namespace")
    try:
        for command in (
            f"link add {near} type veth peer name {far} netns {name}",
            f"addr add {here}/30 dev {near}",
            f"link set {near} up",
            f"-n {name} addr add {there}/30 dev {far}",
            f"-n {name} link set {far} up",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        yield Elsewhere(name, here)
    finally:
        subprocess.run(["ip", "link", "del", near], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", name], check=True)
