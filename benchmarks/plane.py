"""The control plane alone: how soon it answers, what it weighs, what it costs while nothing happens."""

from __future__ import annotations

import hashlib
import http.client
import statistics
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.client import Reach, first_record, until
from benchmarks.ours import Ours, ours, penstock
from benchmarks.result import Result
from penstock.app import open_home
from penstock.settings import load

CONNECTIONS, PER_SECOND, SECONDS = 20, 10, 10


def measure() -> list[Result]:
    """Three clusters, then one of them with more and more partitions."""
    results: list[Result] = []
    with ExitStack() as stack:
        side = stack.enter_context(ours())
        results.append(Result("control plane ready", "s", side.ready_seconds, goal=1.5))
        made = [side.create(name) for name in ("one", "two", "three")]
        first_record(made[0][1])
        until("quiet", lambda: all(side.state(arn) == "ACTIVE" for arn, _ in made))
        time.sleep(35)
        results.append(Result("idle CPU with three clusters", "% of a core", side.cpu_share(30) * 100, goal=1.0))
        before = _digests(side)
        results.append(
            Result(
                "DescribeClusterV2 p99, 20 connections x 10/s", "ms", describe_p99(side, made[0][0]) * 1000, goal=15.0
            )
        )
        results.append(Result("resident with three clusters", "MiB", side.resident_mib(), goal=150.0))
        penstock(side.home, "down")  # its clusters go on; the passes below are ours alone
        results.append(
            Result("store changed by 100 passes", "files", float(_changed_by_passes(side, before)), goal=0.0)
        )
        for partitions in (3, 300, 3000):
            _grow(made[0][1], partitions)
            results.append(
                Result(f"CPU of a full pass at {partitions} partitions", "ms", _pass_cpu(side, made[0][0]) * 1000)
            )
    return results


def describe_p99(side: Ours, arn: str) -> float:
    """Seconds that 99 of 100 answers take at most, with CONNECTIONS callers that each ask PER_SECOND times a second."""
    seconds: list[float] = []
    lock = threading.Lock()
    host, path, headers = _signed(side, arn)

    def ask(turn: int) -> None:
        time.sleep(turn / CONNECTIONS / PER_SECOND)  # clients that know nothing of each other do not ask in step
        connection = http.client.HTTPConnection(host)
        mine = []
        for _ in range(PER_SECOND * SECONDS):
            began = time.monotonic()
            connection.request("GET", path, headers=dict(headers))
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"DescribeClusterV2 answered {answer.status}")
            mine.append(time.monotonic() - began)
            time.sleep(max(0.0, 1 / PER_SECOND - mine[-1]))
        connection.close()
        with lock:
            seconds.extend(mine)

    threads = [threading.Thread(target=ask, args=(turn,)) for turn in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statistics.quantiles(seconds, n=100)[98]


def _signed(side: Ours, arn: str) -> tuple[str, str, Mapping[str, str]]:
    """One signed request, good for five minutes: what is timed is the server, not botocore."""
    endpoint = side.environment["PENSTOCK_ENDPOINT"]
    path = f"/api/v2/clusters/{arn.replace(':', '%3A').replace('/', '%2F')}"
    request = AWSRequest("GET", endpoint + path)
    keys = Credentials(side.environment["AWS_ACCESS_KEY_ID"], side.environment["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, "kafka", side.environment["AWS_REGION"]).add_auth(request)
    return endpoint.removeprefix("http://"), path, dict(request.headers.items())


def _digests(side: Ours) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in side.home.glob("store.sqlite3*")}


def _changed_by_passes(side: Ours, _: dict[str, str]) -> int:
    app = open_home(load(home=side.home))
    try:
        with app.store.read() as rows:
            clusters = rows.clusters.live_ids()
        before = _digests(side)
        for number in range(100):
            app.reconciler.reconcile(clusters[number % len(clusters)], woken=False)
        after = _digests(side)
    finally:
        app.close()
    return sum(before[name] != after.get(name) for name in before)


def _grow(reach: Reach, partitions: int) -> None:
    admin = AdminClient(reach.settings)
    present = sum(
        len(topic.partitions) for name, topic in admin.list_topics(timeout=10).topics.items() if name.startswith("grow")
    )
    topics = [
        NewTopic(f"grow-{present + done}", min(100, partitions - present - done), 1)
        for done in range(0, max(0, partitions - present), 100)
    ]
    for future in admin.create_topics(topics).values() if topics else ():
        future.result()


def _pass_cpu(side: Ours, arn: str) -> float:
    """CPU seconds of one pass at full depth, the fastest of five."""
    app = open_home(load(home=side.home))
    try:
        with app.store.read() as rows:
            record = rows.clusters.by_arn(arn)
        if record is None:
            raise RuntimeError(f"{arn} is gone")
        costs = []
        for _ in range(5):
            app.reconciler.forget(record.spec.id)  # so that it looks at everything, over new connections
            began = time.process_time()
            app.reconciler.reconcile(record.spec.id, woken=True)
            costs.append(time.process_time() - began)
        return min(costs)
    finally:
        app.close()
