"""A broker's volume is full and the broker halts: the ballast brings it back once, larger volumes for good, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes.disks import cannot, cram
from oracle.course import BROKERS, Course
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Home, Plane, until

pytestmark = pytest.mark.skipif(cannot() is not None, reason=cannot() or "")
GIB = 1 << 30
TOPIC, PARTITIONS = "orders", 3


def volume(cluster: Cluster, node: str) -> dict[str, int]:
    """As `penstock status --json` tells it."""
    (seen,) = cluster.plane.home.json("status", cluster.name)["clusters"]
    return next(dict(each["volume"] or {}) for each in seen["nodes"] if each["node"] == node)


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
        size = [{"KafkaBrokerNodeId": "ALL", "VolumeSizeGB": 2}]
        answer = plane.kafka.update_broker_storage(
            ClusterArn=cramped.arn, CurrentVersion=before["CurrentVersion"], TargetBrokerEBSVolumeInfo=size
        )
        course = Course(cramped, answer["ClusterOperationArn"]).end()
        assert [step["StepName"] for step in course.info["OperationSteps"]] == ["GROW_VOLUMES"]
        assert cramped.state == "ACTIVE"
        assert len(cramped.ended("broker-1")) == starts, "no start was tried that could not work"
        assert min(volume(cramped, node)["size"] for node in BROKERS) >= 2 * GIB
        until(lambda: volume(cramped, "broker-1")["ballast"] >= ballast, "the ballast is laid again", more=cramped.said)
        load.advance()
    check(config, TOPIC, PARTITIONS, [load])
    assert cramped.describe()["Provisioned"]["CustomerActionStatus"] == "NONE"
    cramped.delete()


def wait_for_cause_and_fix(cluster: Cluster) -> None:
    """HEALING says why, and what helps, in the words of the broker and in ours."""

    def said() -> str:
        return str(cluster.describe().get("StateInfo", {}).get("Message", ""))

    until(lambda: "its volume is full" in said(), "the cause is told", more=cluster.said)
    assert cluster.state == "HEALING"
    assert "UpdateBrokerStorage" in said()
    assert "next try" in said()
