"""A broker's volume is full and the broker halts: the ballast brings it back once, larger volumes for good, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

import pytest
from fakes.disks import cannot, cannot_in_use, cram
from oracle.course import BROKERS, Course
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Home, Plane, until
from oracle.soak import soaked

pytestmark = pytest.mark.skipif(cannot() is not None, reason=cannot() or "")
GIB = 1 << 30
TOPIC, PARTITIONS = "orders", 3


def volume(cluster: Cluster, node: str) -> dict[str, int]:
    """As `penstock status --json` tells it."""
    (seen,) = cluster.plane.home.json("status", cluster.name)["clusters"]
    return next(dict(each["volume"] or {}) for each in seen["nodes"] if each["node"] == node)


@soaked("the simulation fills volumes too")
def test_a_full_volume(homes: Callable[..., Home]) -> None:
    plane = Plane(homes(volumes="filesystem")).up()
    cramped = plane.begin("cramped", volume_gib=1)
    cramped.active()
    config = cramped.client("tls")
    make_topic(config, TOPIC, PARTITIONS)
    ballast = volume(cramped, "broker-1")["ballast"]
    assert ballast > 8 << 20
    with loaded(config, TOPIC, PARTITIONS) as load:
        old = cramped.pid("broker-1")
        cram(cramped.volume("broker-1") / "disk")  # beside the data of the broker, as a stranger would
        cramped.healed("broker-1", old)
        assert volume(cramped, "broker-1")["ballast"] == 0
        assert any("without the ballast" in event for event in cramped.events()), cramped.said()
        assert cramped.describe()["Provisioned"]["CustomerActionStatus"] == "CRITICAL_ACTION_REQUIRED"
        assert "The volume of broker 1 is nearly full" in cramped.explain()

        cram(cramped.volume("broker-1") / "disk")  # and now there is no ballast
        wait_for_cause_and_fix(cramped)
        before, starts = cramped.describe(), len(cramped.ended("broker-1"))
        others = {node: cramped.pid(node) for node in BROKERS if node != "broker-1"}
        size = [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": 2}]
        answer = plane.kafka.update_broker_storage(
            ClusterArn=cramped.arn, CurrentVersion=before["CurrentVersion"], TargetBrokerEBSVolumeInfo=size
        )
        course = Course(cramped, answer["ClusterOperationArn"]).end()
        assert [step["StepName"] for step in course.info["OperationSteps"]] == ["GROW_VOLUMES"]
        assert cramped.state == "ACTIVE"
        assert len(cramped.ended("broker-1")) == starts, "no start was tried that could not work"
        assert min(volume(cramped, node)["size"] for node in BROKERS) >= 2 * GIB
        if cannot_in_use() is None:
            assert {node: cramped.pid(node) for node in others} == others, "brokers whose volumes grew were restarted"
        until(lambda: volume(cramped, "broker-1")["ballast"] >= ballast, "the ballast is laid again", more=cramped.said)
        load.advance()
    check(config, TOPIC, PARTITIONS, [load])
    assert cramped.describe()["Provisioned"]["CustomerActionStatus"] == "NONE"
    cramped.delete()


@pytest.fixture
def shared_disk() -> Iterator[Path]:
    """A disk of 6 GiB for a whole home. It takes what is written to it."""
    with ExitStack() as after:
        folder = Path(mkdtemp(prefix="penstock-shared-", dir="/tmp"))
        after.callback(shutil.rmtree, folder)
        image, disk = folder / "image", folder / "disk"
        image.touch()
        os.truncate(image, 6 * GIB)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        disk.mkdir()
        folder.chmod(0o755)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True)
        after.callback(subprocess.run, ["umount", disk], check=True)
        yield disk


@soaked("nodes end until none has ballast")
def test_a_full_disk_that_all_nodes_share(shared_disk: Path, homes: Callable[..., Home]) -> None:
    """Ballast is small there; that of one node is enough for it to start, and keeps the others from ending."""
    plane = Plane(homes(within=shared_disk)).up()
    cramped = plane.create("cramped")
    config = cramped.client("tls")
    make_topic(config, TOPIC, PARTITIONS)
    held = [volume(cramped, node)["ballast"] for node in cramped.nodes]
    assert 0 < min(held) <= max(held) <= 32 << 20

    def relieved() -> int:
        return sum("without the ballast" in event for event in cramped.events())

    with loaded(config, TOPIC, PARTITIONS) as load:
        for _ in range(2):
            before = relieved()
            cram(shared_disk)
            until(lambda before=before: relieved() > before, "a node has ended", more=cramped.said)
            cramped.active()
            load.advance()
        crammed = list(shared_disk.glob("crammed-*"))
        assert sum(each.stat().st_blocks * 512 for each in crammed) > 5 * GIB, "nobody has made room meanwhile"
        for each in crammed:
            each.unlink()
        until(lambda: all(volume(cramped, node)["ballast"] for node in cramped.nodes), "laid again", more=cramped.said)
        load.advance()
    check(config, TOPIC, PARTITIONS, [load])
    cramped.delete()


def wait_for_cause_and_fix(cluster: Cluster) -> None:
    """HEALING says why, and what helps, in the words of the broker and in ours."""

    def said() -> str:
        return str(cluster.describe().get("StateInfo", {}).get("Message", ""))

    until(lambda: "its volume is full" in said(), "the cause is told", more=cluster.said)
    assert cluster.state == "HEALING"
    assert "UpdateBrokerStorage" in said()
    assert "next try" in said()
