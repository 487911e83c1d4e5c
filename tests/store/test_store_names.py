"""Cluster names: unique among the living, in one account and region; of two racing creates exactly one wins."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from subprocess import Popen

import pytest
import sqlalchemy as sa

from penstock.model.spec import ClusterSpec, ClusterStatus
from penstock.store.codec import encode
from penstock.store.errors import NameTaken, NoSuchCluster
from penstock.store.store import Store

NOW = datetime(2026, 3, 2, tzinfo=UTC)
Make = Callable[..., ClusterSpec]

CREATOR = """
import json, sys
from penstock.model.spec import ClusterSpec, ClusterStatus
from penstock.store.codec import decode
from penstock.store.errors import NameTaken
from penstock.store.store import Store

store = Store(sys.argv[1], bytes(range(32)))
spec = decode(json.loads(sys.argv[2]), ClusterSpec, "spec")
print("ready", flush=True)
sys.stdin.readline()
try:
    with store.write() as tx:
        tx.clusters.insert(spec, ClusterStatus())
except NameTaken:
    print("taken")
else:
    print("won")
store.close()
"""


def test_a_second_cluster_of_a_living_name_is_refused_in_words(store: Store, a_cluster: Make) -> None:
    with store.write() as tx:
        tx.clusters.insert(a_cluster(), ClusterStatus())
    with (
        pytest.raises(NameTaken, match=r"'orders' exists in account 123456789012, region us-east-1\. Choose"),
        store.write() as tx,
    ):
        tx.clusters.insert(a_cluster(), ClusterStatus())


def test_the_same_name_is_free_elsewhere_and_again_after_the_cluster_is_forgotten(
    store: Store, a_cluster: Make
) -> None:
    first = a_cluster()
    with store.write() as tx:
        for spec in (first, a_cluster(region="eu-west-1"), a_cluster(account="2" * 12)):
            tx.clusters.insert(spec, ClusterStatus())
        tx.clusters.forget(first.id, NOW, "deleted on request", ["/quarantine/volume-1"])
        again = tx.clusters.insert(a_cluster(), ClusterStatus())
    with store.read() as tx:
        assert tx.clusters.by_name(first.account, first.region, first.name) == again
        assert tx.clusters.by_arn(first.arn) is None
        (past,) = tx.clusters.history(first.account, first.region)
    assert (past.arn, past.created, past.forgotten) == (first.arn, first.created, NOW)
    assert (past.last_words, past.quarantined) == ("deleted on request", ("/quarantine/volume-1",))
    with pytest.raises(NoSuchCluster, match="deleted, or never made"), store.write() as tx:
        tx.clusters.put_spec(first)


def test_of_racing_threads_exactly_one_wins(store: Store, a_cluster: Make) -> None:
    start, outcomes = threading.Barrier(6), []

    def create() -> None:
        start.wait()
        try:
            with store.write() as tx:
                tx.clusters.insert(a_cluster(), ClusterStatus())
        except NameTaken:
            outcomes.append("taken")
        else:
            outcomes.append("won")

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["taken"] * 5 + ["won"]


def test_of_racing_processes_exactly_one_wins_also_while_they_make_the_store(
    url: str, a_cluster: Make, another_process: Callable[..., Popen[str]]
) -> None:
    creators = [another_process(CREATOR, url, json.dumps(encode(a_cluster()))) for _ in range(3)]
    for creator in creators:
        assert creator.stdout is not None
        assert creator.stdout.readline() == "ready\n"
    for creator in creators:
        assert creator.stdin is not None
        creator.stdin.write("\n")
        creator.stdin.flush()
    assert sorted(creator.communicate(timeout=30)[0].strip() for creator in creators) == ["taken", "taken", "won"]


def test_the_database_itself_refuses_a_second_living_name(store: Store, url: str, a_cluster: Make) -> None:
    """For engines where two writers run at once: the look before the insert is a courtesy, the index is the rule."""
    with store.write() as tx:
        tx.clusters.insert(a_cluster(), ClusterStatus())
    columns = "account, region, name, state, version, created, spec, status, forgotten, last_words, quarantined"
    copy = f"INSERT INTO clusters (id, arn, {columns}) SELECT 'x', 'y', {columns} FROM clusters"
    engine = sa.create_engine(url)
    with pytest.raises(sa.exc.IntegrityError, match=r"clusters\.name"), engine.begin() as connection:
        connection.exec_driver_sql(copy)
    engine.dispose()
