"""Updates of a cluster in use: what each call says of itself is done to the brokers, once, while clients go on."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from oracle.course import BROKERS, CONTROLLERS, Course, Runs, followed
from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster, until
from oracle.soak import soaked

from penstock.kafka.sizes import heap_mib

MIB = 2**20


def begin(cluster: Cluster, call: str, **members: Any) -> Course:
    """An update of the cluster as it is now."""
    update = getattr(cluster.plane.kafka, call)
    answer = update(ClusterArn=cluster.arn, CurrentVersion=cluster.describe()["CurrentVersion"], **members)
    return Course(cluster, answer["ClusterOperationArn"])


def refused(call: Any, **members: Any) -> tuple[str, str]:
    """Code and message of a refusal."""
    with pytest.raises(ClientError) as error:
        call(**members)
    return str(error.value.response["Error"]["Code"]), str(error.value.response["Message"])


def heaps(cluster: Cluster) -> set[int]:
    """The largest heaps of the brokers by their command lines, in MiB."""
    lines = [" ".join(psutil.Process(cluster.pid(node)).cmdline()) for node in BROKERS]
    return {int(match[1]) for line in lines if (match := re.search(r"-Xmx(\d+)m", line))}


def settings(config: Mapping[str, str], *names: str) -> list[dict[str, str]]:
    """What each broker says that it has of these properties."""
    admin = AdminClient({**config, "log_level": 2})
    told = []
    for node in BROKERS:
        asked = ConfigResource(ResourceType.BROKER, node.removeprefix("broker-"))
        (future,) = admin.describe_configs([asked], request_timeout=20).values()
        seen = future.result(30)
        told.append({name: seen[name].value for name in names})
    return told


def at_home(cluster: Cluster, topic: str) -> bool:
    """By the word of the API: is every partition led by its first replica?"""
    parts = cluster.plane.kafka.describe_topic_partitions(ClusterArn=cluster.arn, TopicName=topic)["Partitions"]
    return len(parts) > 0 and all(each["Leader"] == each["Replicas"][0] for each in parts)


def configure(cluster: Cluster, name: str, *revisions: str) -> str:
    """A configuration with these revisions; its ARN."""
    kafka = cluster.plane.kafka
    first, *others = (text.encode() for text in revisions)
    arn = kafka.create_configuration(Name=f"{name}-{time.time_ns()}", ServerProperties=first)["Arn"]
    for content in others:
        kafka.update_configuration(Arn=arn, ServerProperties=content)
    return str(arn)


def use(cluster: Cluster, arn: str, revision: int = 1) -> Course:
    return begin(cluster, "update_cluster_configuration", ConfigurationInfo={"Arn": arn, "Revision": revision})


ROLL = ["ROLL_BROKERS", "SET_DYNAMIC_PROPERTIES", "REJOIN_CLUSTER"]


def test_a_larger_broker_type_rolls_every_broker_once_and_no_controller(orders: Cluster) -> None:
    config, before, runs = orders.client("tls"), orders.describe(), Runs(orders)
    present = before["Provisioned"]["BrokerNodeGroupInfo"]["InstanceType"]
    larger = {"kafka.m5.large": "kafka.m5.xlarge"}.get(present, "kafka.m5.large")
    make_topic(config, "larger", 3)
    plan = orders.plane.home.json("plan", "orders", "--roll")["roll"]
    assert [batch["nodes"] for batch in plan["batches"]] == [[node] for node in BROKERS]
    with loaded(config, "larger", 3) as load, followed(orders) as told:
        began = time.monotonic()
        course = begin(orders, "update_broker_type", TargetInstanceType=larger)
        assert orders.state == "UPDATING"
        course.end()
        took = time.monotonic() - began
        until(lambda: any("UPDATE_COMPLETE" in each for each in told()), "its end is told", more=lambda: str(told()))
        asked = [match for each in told() for match in re.findall(r"stop (broker \d) gracefully", each)]
        load.advance()
    assert asked == ["broker 1", "broker 2", "broker 3"], "one sentence each, in the order of the plan"
    # What was told goes by how long things took last in this cluster, and its last replicas may have been slow.
    assert 0.1 < plan["seconds"] / took < 10, f"it took {took:.1f} s, and this was told: {plan}"
    until(lambda: at_home(orders, "larger"), "each partition is led by its first replica", more=orders.said)
    after = course.check_complete(before, ROLL)
    shown = [each["Provisioned"]["BrokerNodeGroupInfo"]["InstanceType"] for each in (*course.clusters[:-1], after)]
    assert list(dict.fromkeys(shown)) == [present, larger], "the old type is shown until it is done"
    assert shown[-1] == larger
    assert course.info["OperationType"] == "UPDATE_BROKER_TYPE"
    assert course.info["SourceClusterInfo"] == {"InstanceType": present.removeprefix("kafka.")}
    assert course.info["TargetClusterInfo"] == {"InstanceType": larger.removeprefix("kafka.")}
    runs.check_rolled()
    machine = psutil.virtual_memory().total // MIB
    assert heaps(orders) == {heap_mib(larger, 512, machine)}
    assert heap_mib("kafka.m5.xlarge", 512, 2**20) == 2 * heap_mib("kafka.m5.large", 512, 2**20)
    check(config, "larger", 3, [load])


def test_what_kafka_takes_at_run_time_restarts_nobody_and_goes_back_when_it_is_taken_out(orders: Cluster) -> None:
    config, before, runs = orders.client("tls"), orders.describe(), Runs(orders)
    names = ("num.io.threads", "num.network.threads", "log.retention.ms", "message.max.bytes", "min.insync.replicas")
    tuned = dict(zip(names, ("32", "11", "7200000", "2000000", "1"), strict=True))
    plain = dict(zip(names, ("8", "5", "604800000", "1048588", "2"), strict=True))
    arn = configure(orders, "live", "\n".join(f"{name} = {value}" for name, value in tuned.items()), "")
    make_topic(config, "live", 3)
    with loaded(config, "live", 3) as load:
        course = use(orders, arn).end()
        load.advance()
        after = course.check_complete(before, ROLL)
        assert settings(config, *names) == [tuned] * 3
        live = "log.retention.ms, message.max.bytes, min.insync.replicas, num.io.threads (in steps: 16, 32), num.network.threads"
        assert course.steps()["ROLL_BROKERS"] == ("COMPLETED", "nothing needs a restart")
        assert course.steps()["SET_DYNAMIC_PROPERTIES"] == ("COMPLETED", f"{live} (in steps: 10, 11)")
        assert course.info["TargetClusterInfo"] == {"ConfigurationInfo": {"Arn": arn, "Revision": 1}}
        shown = after["Provisioned"]["CurrentBrokerSoftwareInfo"]
        assert (shown["ConfigurationArn"], shown["ConfigurationRevision"]) == (arn, 1)

        back = use(orders, arn, 2).end()
        load.advance()
        back.check_complete(after, ROLL)
        assert settings(config, *names) == [plain] * 3
        assert back.steps()["ROLL_BROKERS"] == ("COMPLETED", "nothing needs a restart")
        assert back.info["SourceClusterInfo"] == {"ConfigurationInfo": {"Arn": arn, "Revision": 1}}
    runs.check_untouched()
    # No broker has stopped listening to what is set at run time (seen where a thread pool is asked for too much at once).
    assert not [line for node in BROKERS for line in log(orders, node) if "ynamic" in line and "ERROR" in line]
    check(config, "live", 3, [load])


def test_what_only_a_restart_applies_rolls_the_brokers_and_the_rest_comes_with_it(orders: Cluster) -> None:
    config, before, runs = orders.client("tls"), orders.describe(), Runs(orders)
    arn = configure(orders, "static", "offsets.retention.minutes=4711\nlog.segment.bytes=100000000")
    make_topic(config, "static", 3)
    with loaded(config, "static", 3) as load:
        course = use(orders, arn).end()
        load.advance()
    course.check_complete(before, ROLL)
    runs.check_rolled()
    wanted = {"offsets.retention.minutes": "4711", "log.segment.bytes": "100000000"}
    assert settings(config, *wanted) == [wanted] * 3
    assert course.steps()["ROLL_BROKERS"] == ("COMPLETED", "for offsets.retention.minutes")
    came = "nothing left to set; with the restart came log.segment.bytes"
    assert course.steps()["SET_DYNAMIC_PROPERTIES"] == ("COMPLETED", came)
    told = orders.events()
    for number in (1, 2, 3):
        stop = f"broker {number} needs a restart for offsets.retention.minutes: stop broker {number} gracefully"
        assert [sentence for sentence in told if stop in sentence], told
    check(config, "static", 3, [load])


@soaked("two rolls more")
def test_a_restart_with_far_fewer_threads_leaves_nothing_that_kafka_refuses(orders: Cluster) -> None:
    """Restarted with five threads, brokers refuse the eleven that are kept for all, and all that is kept with them."""
    minutes = f"offsets.retention.minutes={time.time_ns() % 100_000 + 1}"
    first = "num.network.threads=11\nlog.retention.ms=7200000\nmessage.max.bytes=2000000"
    arn = configure(orders, "fewer", first, f"{minutes}\nmessage.max.bytes=3000000", f"{minutes}\nlog.roll.ms=3600000")
    for revision in (1, 2, 3):
        before = orders.describe()
        use(orders, arn, revision).end().check_complete(before, ROLL)
    names = ("num.network.threads", "log.retention.ms", "message.max.bytes", "log.roll.ms")
    assert (
        settings(orders.client("tls"), *names)
        == [dict(zip(names, ("5", "604800000", "1048588", "3600000"), strict=True))] * 3
    )


def test_a_broker_that_cannot_start_fails_the_operation_before_the_second_is_touched(orders: Cluster) -> None:
    config, runs = orders.client("tls"), Runs(orders)
    before = orders.describe()
    arn = configure(orders, "hopeless", "offsets.retention.minutes=815\nlog.segment.bytes=200000000")
    make_topic(config, "hopeless", 3)
    old = settings(config, "offsets.retention.minutes", "log.segment.bytes")
    # Read at a start alone: the broker that runs goes on.
    meta = orders.volume("broker-1") / "data" / "meta.properties"
    whole = meta.read_text()
    with loaded(config, "hopeless", 3) as load:
        meta.write_text(re.sub("(?m)^node.id=.*$", "node.id=77", whole))
        course = use(orders, arn)
        try:
            until(lambda: "is given up: broker 1 ended 3 times" in orders.said(), "it is given up", more=orders.said)
        finally:
            meta.write_text(whole)
        course.end("UPDATE_FAILED")
        error = course.info["ErrorInfo"]
        assert error["ErrorCode"] == "BROKER_CANNOT_START"
        assert "broker 1 ended 3 times in a row" in error["ErrorString"]
        assert "Stored node id 77" in error["ErrorString"], error
        orders.active()
        load.advance()
    assert [node for node in runs.pids if runs.since(node)] == ["broker-1"]
    after = orders.describe()
    assert after["Provisioned"] == before["Provisioned"], "the old revision is shown"
    assert settings(config, "offsets.retention.minutes", "log.segment.bytes") == old
    assert len({each["CurrentVersion"] for each in (before, course.clusters[0], after)}) == 3
    # It does not come back by itself, and a broker that is restarted later takes the old revision too.
    again = orders.pid("broker-2")
    orders.plane.kafka.reboot_broker(ClusterArn=orders.arn, BrokerIds=["2"])
    orders.healed("broker-2", again)
    assert settings(config, "offsets.retention.minutes", "log.segment.bytes") == old
    check(config, "hopeless", 3, [load])


def test_volumes_grow_in_use_and_never_shrink(orders: Cluster) -> None:
    kafka, before, runs = orders.plane.kafka, orders.describe(), Runs(orders)
    size = before["Provisioned"]["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]["VolumeSize"]
    members = {"ClusterArn": orders.arn, "CurrentVersion": before["CurrentVersion"]}
    for wrong in (size, size - 1):
        asked = [{"KafkaBrokerNodeId": "All", "VolumeSizeGB": wrong}]
        code, words = refused(kafka.update_broker_storage, **members, TargetBrokerEBSVolumeInfo=asked)
        assert (code, "can only grow" in words) == ("BadRequestException", True)
    wanted = [{"KafkaBrokerNodeId": "All", "VolumeSizeGB": size + 7}]
    course = begin(orders, "update_broker_storage", TargetBrokerEBSVolumeInfo=wanted).end()
    after = course.check_complete(before, ["GROW_VOLUMES"])
    storage = after["Provisioned"]["BrokerNodeGroupInfo"]["StorageInfo"]["EbsStorageInfo"]
    assert storage["VolumeSize"] == size + 7
    assert course.info["SourceClusterInfo"]["BrokerEBSVolumeInfo"][0]["VolumeSizeGB"] == size
    assert course.info["TargetClusterInfo"]["BrokerEBSVolumeInfo"][0]["VolumeSizeGB"] == size + 7
    begin(orders, "update_storage", VolumeSizeGB=size + 9).end().check_complete(after, ["GROW_VOLUMES"])
    runs.check_untouched()


def test_monitoring_is_kept_and_echoed(orders: Cluster) -> None:
    before, runs = orders.describe(), Runs(orders)
    level = "PER_BROKER" if before["Provisioned"]["EnhancedMonitoring"] == "DEFAULT" else "DEFAULT"
    course = begin(orders, "update_monitoring", EnhancedMonitoring=level).end()
    after = course.check_complete(before, ["KEEP_SETTINGS"])
    assert after["Provisioned"]["EnhancedMonitoring"] == level
    assert course.info["TargetClusterInfo"] == {"EnhancedMonitoring": level}
    runs.check_untouched()


def test_of_two_updates_at_once_one_wins_and_the_version_of_before_is_good_no_more(orders: Cluster) -> None:
    kafka, before = orders.plane.kafka, orders.describe()
    group = before["Provisioned"]["BrokerNodeGroupInfo"]
    members = {"ClusterArn": orders.arn, "CurrentVersion": before["CurrentVersion"]}
    size = group["StorageInfo"]["EbsStorageInfo"]["VolumeSize"] + 1
    level = "PER_BROKER" if before["Provisioned"]["EnhancedMonitoring"] == "DEFAULT" else "DEFAULT"

    def call(update: str, **asked: Any) -> str:
        try:
            return str(getattr(kafka, update)(**members, **asked)["ClusterOperationArn"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(call, "update_storage", VolumeSizeGB=size)
        two = pool.submit(call, "update_monitoring", EnhancedMonitoring=level)
        answers = [one.result(), two.result()]
    assert answers.count("BadRequestException") == 1, answers
    (won,) = (answer for answer in answers if answer != "BadRequestException")
    Course(orders, won).end()
    code, words = refused(kafka.update_storage, **members, VolumeSizeGB=size + 1)
    assert code == "BadRequestException"
    assert "is not the current version of the cluster" in words
    assert orders.state == "ACTIVE"


def test_a_roll_outlives_the_control_plane_and_restarts_no_broker_twice(orders: Cluster) -> None:
    config, before, runs = orders.client("tls"), orders.describe(), Runs(orders)
    number = time.time_ns()  # controllers restart for the second of the two
    lines = f"offsets.retention.minutes={number % 100_000 + 1}\nnum.partitions={number % 100 + 2}"
    arn = configure(orders, "killed", lines)
    make_topic(config, "killed", 3)
    with loaded(config, "killed", 3) as load:
        course = use(orders, arn)
        course.look()
        # On the way down, on the way up, and right after it serves: one moment for each broker.
        for node, moment in zip(BROKERS, ("stopped", "started", "listening"), strict=True):
            until(
                lambda node=node: runs.since(node) or orders.record(node, "stop"), f"{node} goes down", more=orders.said
            )  # type: ignore[misc]
            if moment != "stopped":
                orders.restarted(node, runs.pids[node])
            if moment == "listening":
                until(lambda node=node: orders.listens(node), f"{node} listens", more=orders.said)  # type: ignore[misc]
            orders.plane.kill()
            orders.plane.up()
        course.end()
        load.advance()
    course.check_complete(before, ROLL)
    runs.check_rolled(*CONTROLLERS)
    check(config, "killed", 3, [load])


def log(cluster: Cluster, node: str) -> list[str]:
    """The node's log, by lines."""
    path = cluster.plane.home.path / "nodes" / cluster.id / node / "node.log"
    return path.read_text(errors="replace").splitlines()
