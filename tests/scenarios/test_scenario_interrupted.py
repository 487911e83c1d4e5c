"""Operations that are interrupted: the control plane is killed at three moments of each, and a broker at one of them, under load.

The moments are soon after the call, in the middle and near the end, told by what the operation and the nodes show and not by
a clock. All operations run one after another on one cluster. `make soak` plays all three moments of each operation; without
it those in `CI` have one of their three, at which both are killed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import frozen
from oracle.bulk import fill
from oracle.course import BROKERS, CONTROLLERS, ENDED, Course, Runs
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, Plane, answers, until
from oracle.soak import SOAK

from penstock.compute.process import loopback
from penstock.model.operation import OperationKind

SOON, MIDDLE, LATE = range(3)

Seen = Callable[[Course, Runs], bool]


def called(course: Course, runs: Runs) -> bool:
    return True


def shows(step: str, *statuses: str) -> Seen:
    """The operation shows the step so."""

    def seen(course: Course, runs: Runs) -> bool:
        course.look()
        return course.steps().get(step, ("", ""))[0] in statuses

    return seen


def moved(percent: int) -> Seen:
    """So much of what is to be moved has been."""

    def seen(course: Course, runs: Runs) -> bool:
        course.look()
        told = re.search(r"(\d+) %", course.steps().get("MOVE_PARTITIONS", ("", ""))[1])
        return told is not None and int(told[1]) >= percent

    return seen


def stopped(*nodes: str) -> Seen:
    """One of the nodes was asked to stop, or is down, or up again."""
    return lambda course, runs: any(runs.since(node) or course.cluster.record(node, "stop") for node in nodes)


def back(node: str) -> Seen:
    """It has ended and its next process listens."""
    return lambda course, runs: bool(runs.since(node)) and course.cluster.listens(node)


def quarantined(course: Course, runs: Runs) -> bool:
    """A broker that leaves has been cleared away."""
    return set(course.cluster.nodes) < set(runs.pids)


@frozen
class Story:
    """One operation. `call`: begins it; `victim`: the broker that is killed; `chosen`: its one moment without `make soak`."""

    kind: str
    call: Callable[[Cluster], Course]
    moments: tuple[Seen, Seen, Seen]
    victim: str
    chosen: int
    steps: tuple[str, ...]
    restarts: frozenset[str] = frozenset()
    """Nodes that the operation restarts."""
    mib: int = 0
    """Written first, so that it takes a while to move them."""

    @property
    def lasts(self) -> bool:
        """None of its moments may come when it is over: it restarts or moves something."""
        return bool(self.restarts) or self.kind.endswith("_BROKER_COUNT")

    def __str__(self) -> str:
        return self.kind


def begin(cluster: Cluster, call: str, **members: Any) -> Course:
    version = {} if call == "reboot_broker" else {"CurrentVersion": cluster.describe()["CurrentVersion"]}
    answer = getattr(cluster.plane.kafka, call)(ClusterArn=cluster.arn, **version, **members)
    return Course(cluster, answer["ClusterOperationArn"])


def configure(cluster: Cluster) -> Course:
    """Something that brokers take at run time, something that takes their restart, and something that takes everybody's."""
    number = time.time_ns()
    retention, partitions = number % 100_000 + 1, number % 100 + 2
    content = f"num.io.threads=24\noffsets.retention.minutes={retention}\nnum.partitions={partitions}".encode()
    made = cluster.plane.kafka.create_configuration(Name=f"interrupted-{number}", ServerProperties=content)
    return begin(cluster, "update_cluster_configuration", ConfigurationInfo={"Arn": made["Arn"], "Revision": 1})


def enlarge(cluster: Cluster) -> Course:
    size = cluster.describe()["Provisioned"]["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]["VolumeSize"]
    wanted = [{"KafkaBrokerNodeId": "All", "VolumeSizeGB": size + 5}]
    return begin(cluster, "update_broker_storage", TargetBrokerEBSVolumeInfo=wanted)


def monitor(cluster: Cluster) -> Course:
    other = {"DEFAULT": "PER_BROKER"}.get(cluster.describe()["Provisioned"]["EnhancedMonitoring"], "DEFAULT")
    return begin(cluster, "update_monitoring", EnhancedMonitoring=other)


def scale(cluster: Cluster, brokers: int) -> Course:
    return begin(cluster, "update_broker_count", TargetNumberOfBrokerNodes=brokers)


ROLL = ("ROLL_BROKERS", "SET_DYNAMIC_PROPERTIES", "REJOIN_CLUSTER")
ALL = frozenset(BROKERS)
STORIES = (
    Story(
        "UPDATE_BROKER_TYPE",
        lambda cluster: begin(cluster, "update_broker_type", TargetInstanceType="kafka.m5.xlarge"),
        (stopped("broker-1"), stopped("broker-2"), stopped("broker-3")),
        "broker-3",
        MIDDLE,
        ROLL,
        ALL,
    ),
    Story(
        "UPDATE_CLUSTER_CONFIGURATION",
        configure,
        (stopped("broker-1"), back("broker-3"), stopped(*CONTROLLERS)),
        "broker-1",
        LATE,
        ROLL,
        ALL.union(CONTROLLERS),
    ),
    Story(
        "UPDATE_BROKER_EBS_VOLUME",
        enlarge,
        (called, shows("GROW_VOLUMES", "IN_PROGRESS", "COMPLETED"), shows("GROW_VOLUMES", "COMPLETED")),
        "broker-2",
        SOON,
        ("GROW_VOLUMES",),
    ),
    Story(
        "UPDATE_CLUSTER_MONITORING",
        monitor,
        (called, shows("KEEP_SETTINGS", "COMPLETED"), shows("KEEP_SETTINGS", "COMPLETED")),
        "broker-3",
        MIDDLE,
        ("KEEP_SETTINGS",),
    ),
    Story(
        "UPDATE_CONNECTIVITY",
        lambda cluster: begin(cluster, "update_connectivity", ConnectivityInfo={"NetworkType": "DUAL"}),
        (stopped("broker-1"), back("broker-2"), stopped("broker-3")),
        "broker-1",
        MIDDLE,
        ("ROLL_BROKERS", "REJOIN_CLUSTER"),
        ALL,
    ),
    Story(
        "REBOOT_NODE",
        lambda cluster: begin(cluster, "reboot_broker", BrokerIds=["1"]),
        (called, stopped("broker-1"), back("broker-1")),
        "broker-2",
        MIDDLE,
        ("RESTART_BROKER", "REJOIN_CLUSTER"),
        frozenset({"broker-1"}),
    ),
    Story(
        "INCREASE_BROKER_COUNT",
        lambda cluster: scale(cluster, 6),
        (
            shows("START_BROKERS", "IN_PROGRESS", "COMPLETED"),
            shows("MOVE_PARTITIONS", "IN_PROGRESS"),
            moved(50),
        ),
        "broker-4",
        MIDDLE,
        ("START_BROKERS", "MOVE_PARTITIONS", "REJOIN_CLUSTER"),
        mib=192,
    ),
    Story(
        "DECREASE_BROKER_COUNT",
        lambda cluster: scale(cluster, 3),
        (shows("EMPTY_AND_REMOVE_BROKERS", "IN_PROGRESS"), stopped("broker-4"), quarantined),
        "broker-2",
        LATE,
        ("EMPTY_AND_REMOVE_BROKERS", "REJOIN_CLUSTER"),
    ),
)


CI = ("UPDATE_BROKER_TYPE",)
"""What is played without `make soak`: more would make CI longer, and the simulation interrupts them all everywhere."""


@pytest.fixture(scope="module")
def hunted(standing: Plane) -> Iterator[Cluster]:
    cluster = standing.create("interrupted")
    yield cluster
    if not answers(standing):
        standing.up()
    cluster.delete()


def test_every_operation_has_a_story() -> None:
    assert {story.kind for story in STORIES} == set(OperationKind)


@pytest.mark.parametrize("story", STORIES if SOAK else [story for story in STORIES if story.kind in CI], ids=str)
def test_an_operation_outlives_its_control_plane_and_a_broker(
    hunted: Cluster, story: Story, tell: Callable[[str], None]
) -> None:
    if story.kind == "UPDATE_CONNECTIVITY" and loopback.why_none():
        pytest.skip("this machine has no IPv6 on its loopback device")
    if not answers(hunted.plane):
        hunted.plane.up()
    hunted.active()
    if story.kind == "DECREASE_BROKER_COUNT" and "broker-6" not in hunted.nodes:
        scale(hunted, 6).end()
    config, topic = hunted.client(), story.kind.lower()
    make_topic(config, topic, 6)
    if story.mib:
        make_topic(config, f"{topic}-bulk", 12)
        fill(config, f"{topic}-bulk", 12, story.mib)
    runs, murders = Runs(hunted), []
    with loaded(config, topic, 6) as load:
        course = story.call(hunted)
        course.look()
        for moment, seen in enumerate(story.moments):
            if not SOAK and moment != story.chosen:
                continue
            until(lambda seen=seen: seen(course, runs) or over(course), f"moment {moment} of {story}", more=hunted.said)  # type: ignore[misc]
            tell(f"{story}: moment {moment}, {course.states[-1]}")
            assert not (story.lasts and over(course)), f"{story} was over before its moment {moment} came"
            hunted.plane.kill()
            if moment == MIDDLE or not SOAK:
                murders.append(hunted.kill(story.victim))
            hunted.plane.up()
        course.end("REBOOT_COMPLETE" if story.kind == "REBOOT_NODE" else "UPDATE_COMPLETE")
        hunted.active()
        load.advance()
    assert [(step, status) for step, (status, _) in course.steps().items()] == [(s, "COMPLETED") for s in story.steps]
    check_restarts(story, runs, murders)
    check(config, topic, 6, [load])


def over(course: Course) -> bool:
    return course.look() in ENDED


def check_restarts(story: Story, runs: Runs, murders: list[int]) -> None:
    """Each broker was restarted once at most beside the murder, and only those that the operation is about."""
    for node in runs.cluster.nodes:
        ended = runs.since(node)
        ours = [run for run in ended if run["requested"]]
        assert len(ours) <= (node in story.restarts), f"{node}: {ended}"
        assert len(ended) - len(ours) <= (node == story.victim), f"{node} ended by itself: {ended}"
        assert node != story.victim or ended, f"{node} was killed as {murders} and never ended"
    untouched = set(runs.cluster.nodes) & set(runs.pids) - story.restarts - {story.victim}
    after = runs.cluster.pids()
    assert {node: after[node] for node in untouched} == {node: runs.pids[node] for node in untouched}
    rolled = {node for node in story.restarts if runs.since(node)}
    assert rolled == story.restarts, f"only {rolled} were restarted"
