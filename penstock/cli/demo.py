"""`penstock demo`: the whole story on real brokers, then cleans up after itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from penstock.cli.common import as_json, settings, show, table
from penstock.cli.steady import SteadyProducer, read_back
from penstock.kafka.versions import catalogue, newest

T = TypeVar("T")

PATIENCE = 120.0
TOPIC = "demo"
PARTITIONS = 6


@click.command()
@click.option(
    "--version", default=newest().version, show_default=True, type=click.Choice(list(catalogue())), help="Which Kafka."
)
@as_json
@click.pass_context
def demo(ctx: click.Context, version: str, as_json: bool) -> None:
    """Create a cluster, use it, kill a broker, see it heal, delete everything.

    Example: penstock demo --version 4.1.x.kraft"""
    home = Path(tempfile.mkdtemp(prefix="penstock-demo-"))
    home.chmod(0o755)  # nodes may run as another user
    story = _Story(ctx, home, version)
    try:
        story.tell()
    finally:
        story.clean_up()
    show(
        [{"what": what, "seconds": round(seconds, 2)} for what, seconds in story.parts],
        as_json,
        lambda: (
            table([("what happened", "seconds"), *((what, f"{seconds:.2f}") for what, seconds in story.parts)])
            + "\n\nWhere to look next: `penstock up --detach`, then `penstock --help`; README.md has a first walk with the AWS CLI."
        ),
    )


class _Story:
    """The demo's steps in order; each says what happened and how long it took."""

    def __init__(self, ctx: click.Context, home: Path, version: str) -> None:
        self.home, self.version = home, version
        self.chosen = settings(ctx)
        self.parts: list[tuple[str, float]] = []
        self.environment: dict[str, str] = {}

    def tell(self) -> None:
        self._timed("the control plane answers", self._up)
        arn = self._timed("CreateCluster: three controllers and three brokers in three zones serve", self._create)
        servers = self._kafka("get_bootstrap_brokers", ClusterArn=arn)["BootstrapBrokerStringTls"]
        ca = self.environment["PENSTOCK_CA"]
        producer = SteadyProducer(servers, ca, TOPIC, PARTITIONS)
        try:
            self._timed("first record acknowledged by all replicas over TLS and read back", producer.first)
            producer.start()
            self._timed("a broker is killed with -9 and is back: same address, same storage", lambda: self._kill(arn))
            acked, gap = producer.stop()
        finally:
            producer.close()
        self.parts.append(("longest pause of the producer meanwhile", gap))
        read, lost = self._timed("everything is read back", lambda: read_back(servers, ca, TOPIC, acked))
        click.echo(f"  {len(acked)} records acknowledged, {read} read, {len(lost)} lost", err=True)
        if lost:
            raise click.ClickException(f"{len(lost)} acknowledged records were not read back: {sorted(lost)[:5]} …")
        self._timed("DeleteCluster: processes, ports, directories and volumes are gone", lambda: self._delete(arn))

    def clean_up(self) -> None:
        """Whatever happened: no process and no file stays."""
        ran = self._penstock("down", "--purge", "--yes", check=False)
        if ran.returncode != 0 and self.home.exists():
            click.echo(f"cleaning up: {ran.stderr.strip()}", err=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def _up(self) -> None:
        self._penstock("up", "--detach", "--listen", "127.0.0.1:0")
        self.environment = json.loads(self._penstock("env", "--format", "json").stdout)

    def _create(self) -> str:
        subnets = self.environment["PENSTOCK_SUBNETS"].split(",")
        group = {"InstanceType": "kafka.m5.large", "ClientSubnets": subnets}
        arn: str = self._kafka(
            "create_cluster",
            ClusterName="demo",
            KafkaVersion=self.version,
            NumberOfBrokerNodes=3,
            BrokerNodeGroupInfo=group,
        )["ClusterArn"]
        self._await("ACTIVE", lambda: self._state(arn) == "ACTIVE", lambda: self._state(arn) == "FAILED")
        return arn

    def _kill(self, arn: str) -> None:
        before = self._broker()
        os.kill(before["pid"], signal.SIGKILL)
        self._await("HEALING", lambda: self._broker()["pid"] not in (None, before["pid"]))
        self._await("healed", lambda: self._state(arn) == "ACTIVE")
        after = self._broker()
        if (after["address"], after["volume"]) != (before["address"], before["volume"]):
            raise click.ClickException(f"the broker came back as another: {before} became {after}")

    def _broker(self) -> Mapping[str, Any]:
        """Broker 1 as the provider's own records have it: process, address, and the identity of its storage."""
        node = next((self.home / "nodes").glob("*/broker-1"))
        data = next(self.home.glob("volumes/*/broker-1/**/data"))  # below a mount point where it is a filesystem
        run, label = json.loads((node / "run.json").read_text()), json.loads((node / "node.json").read_text())
        stored = (data / "meta.properties").read_text().splitlines()
        directory = next(line for line in stored if line.startswith("directory.id"))
        return {"pid": run["pid"], "address": label["address"], "volume": directory}

    def _delete(self, arn: str) -> None:
        self._kafka("delete_cluster", ClusterArn=arn)
        self._await("deleted", lambda: self._state(arn) is None)
        left = [str(path) for kind in ("nodes", "volumes") for path in (self.home / kind).glob("*/*")]
        if left:
            raise click.ClickException(f"left behind: {', '.join(left)}")

    def _state(self, arn: str) -> str | None:
        from botocore.exceptions import ClientError

        try:
            state: str = self._kafka("describe_cluster_v2", ClusterArn=arn)["ClusterInfo"]["State"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NotFoundException":
                return None
            raise
        return state

    def _kafka(self, operation: str, **params: Any) -> dict[str, Any]:
        if not hasattr(self, "_client"):
            from botocore.session import get_session

            self._client = get_session().create_client(
                "kafka",
                region_name=self.environment["AWS_REGION"],
                endpoint_url=self.environment["AWS_ENDPOINT_URL_KAFKA"],
                aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            )
        answer: dict[str, Any] = getattr(self._client, operation)(**params)
        return answer

    def _await(self, what: str, reached: Callable[[], bool], failed: Callable[[], bool] = lambda: False) -> None:
        until = time.monotonic() + PATIENCE
        while not reached():
            if failed() or time.monotonic() > until:
                explained = self._penstock("explain", "demo", check=False).stdout
                raise click.ClickException(f"not {what}:\n{explained}")
            time.sleep(0.05)

    def _timed(self, what: str, step: Callable[[], T]) -> T:
        began = time.monotonic()
        result = step()
        seconds = time.monotonic() - began
        self.parts.append((what, seconds))
        click.echo(f"{seconds:7.2f} s  {what}", err=True)
        return result

    def _penstock(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            [sys.executable, "-m", "penstock", "--home", str(self.home), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PENSTOCK_CACHE": str(self.chosen.cache)},
        )
        if check and ran.returncode != 0:
            raise click.ClickException(f"`penstock {' '.join(arguments)}` said: {ran.stderr.strip()}")
        return ran
