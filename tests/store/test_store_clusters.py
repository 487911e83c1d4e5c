"""Clusters in the store: lists, versions, and passes that find nothing to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from penstock.model.operation import OperationKind
from penstock.model.spec import ClusterSpec, ClusterState, ClusterStatus
from penstock.store.errors import StoreError, Superseded
from penstock.store.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Make = Callable[..., ClusterSpec]


def test_what_was_put_comes_back_equal(store: Store, a_cluster: Make) -> None:
    spec = a_cluster()
    status = ClusterStatus(ClusterState.HEALING, message="broker 2 is dead", since=NOW, waiting=("waits for broker 2",))
    with store.write() as tx:
        tx.clusters.insert(spec, ClusterStatus())
        tx.clusters.put_status(spec.id, status)
    with store.read() as tx:
        record = tx.clusters.get(spec.id)
    assert record is not None
    assert (record.spec, record.status, record.version) == (spec, status, 1)
    assert record.spec.created.tzinfo is UTC


def test_lists_go_by_creation_and_page_without_gaps(store: Store, a_cluster: Make) -> None:
    names = ["orders", "orders_2", "Orders", "ordersX2", "payments"]
    moments = [NOW + timedelta(seconds=second) for second in (4, 2, 2, 1, 3)]
    with store.write() as tx:
        for name, created in zip(names, moments, strict=True):
            tx.clusters.insert(a_cluster(name, created=created), ClusterStatus())
        tx.clusters.insert(a_cluster("orders", region="eu-west-1"), ClusterStatus())
    with store.read() as tx:
        everything = tx.clusters.list("123456789012", "us-east-1")
        assert [record.spec.created for record in everything] == sorted(moments)
        assert {record.spec.name for record in tx.clusters.list("123456789012", "us-east-1", "orders")} == {
            "orders", "orders_2", "ordersX2",
        }  # fmt: skip
        assert [r.spec.name for r in tx.clusters.list("123456789012", "us-east-1", "orders_")] == ["orders_2"]
        pages, after = [], None
        while page := tx.clusters.list("123456789012", "us-east-1", after=after, limit=2):
            pages += page
            after = (page[-1].spec.created, page[-1].spec.id)
        assert pages == everything
        assert len(tx.clusters.live_ids()) == 6


def test_current_version_changes_when_an_update_starts_and_again_when_it_ends(store: Store, a_cluster: Make) -> None:
    spec = a_cluster()
    seen = []

    def look() -> None:
        with store.read() as tx:
            record = tx.clusters.get(spec.id)
            assert record is not None
            seen.append(record.current_version)

    with store.write() as tx:
        tx.clusters.insert(spec, ClusterStatus())
    look()
    with store.write() as tx:
        tx.clusters.put_spec(evolve(spec, volume_gib=200))
    look()
    with store.write() as tx:
        tx.clusters.put_spec(evolve(spec, volume_gib=200))
    look()
    assert len(set(seen)) == 3
    with store.write() as tx:
        tx.clusters.put_spec(evolve(spec, volume_gib=200, leaves_after=NOW), bump=False)
    look()
    assert seen[3] == seen[2], "a fact written down on the cluster's behalf is no update"


def test_100_passes_over_an_unchanged_cluster_leave_the_files_unchanged(
    store: Store, a_cluster: Make, tmp_path: Path
) -> None:
    spec, status = a_cluster(api={"tuple": (1, 2)}), ClusterStatus(ClusterState.ACTIVE, since=NOW)
    with store.write() as tx:
        tx.clusters.insert(spec, status)
        identity = tx.operations.open(OperationKind.REBOOT_NODE, spec.id, {}, {}, "r", NOW)
    before = _bytes(tmp_path)
    for _ in range(100):
        with store.read() as tx:
            record = tx.clusters.get(spec.id)
            assert record is not None
            operation = tx.operations.current(spec.id)
            assert operation is not None
            assert operation.id == identity
        with store.write() as tx:
            tx.clusters.put_status(spec.id, record.status)
            tx.clusters.put_spec(spec, bump=False)
            tx.operations.put(operation)
            assert not tx.queue.done(spec.id, NOW)
    assert _bytes(tmp_path) == before


def test_forgetting_takes_everything_of_the_cluster_and_nothing_of_its_neighbour(store: Store, a_cluster: Make) -> None:
    gone, stays = a_cluster("gone"), a_cluster("stays")
    with store.write() as tx:
        for spec in (gone, stays):
            tx.clusters.insert(spec, ClusterStatus())
            tx.operations.open(OperationKind.REBOOT_NODE, spec.id, {}, {}, "r", NOW)
            tx.events.append(spec.id, NOW, "created")
            tx.secrets.put(spec.id, "ca", b"key")
            tx.queue.wake(spec.id)
        tx.clusters.forget(gone.id, NOW, "deleted")
    with store.read() as tx:
        for spec, there in ((gone, False), (stays, True)):
            assert (tx.clusters.get(spec.id) is not None) is there
            assert bool(tx.operations.list(spec.id)) is there
            assert bool(tx.events.list(spec.id)) is there
            assert (tx.secrets.get(spec.id, "ca") is not None) is there
            assert (tx.queue.asked(spec.id) is not None) is there
            assert (spec.id in tx.clusters.live_ids()) is there


def test_a_block_that_raises_leaves_nothing_and_wakes_nobody(url: str, key: bytes, a_cluster: Make) -> None:
    woken: list[str] = []
    store = Store(url, key, woken.append)
    spec = a_cluster()

    def change_of_mind() -> None:
        with store.write() as tx:
            tx.clusters.insert(spec, ClusterStatus())
            tx.queue.wake(spec.id)
            raise LookupError("changed my mind")

    with pytest.raises(LookupError):
        change_of_mind()
    with store.read() as tx:
        assert not tx.clusters.live_ids()
        assert tx.queue.asked(spec.id) is None
    assert woken == []
    store.close()


def test_a_read_is_one_moment_and_cannot_write(store: Store, a_cluster: Make) -> None:
    with store.read() as tx:
        assert tx.clusters.live_ids() == []
        with store.write() as other:
            other.clusters.insert(a_cluster(), ClusterStatus())
        assert tx.clusters.live_ids() == []
    with pytest.raises(StoreError, match="reading transaction tried to write"), store.read() as tx:
        tx.clusters.insert(a_cluster("payments"), ClusterStatus())
    with store.write() as tx:
        assert len(tx.clusters.live_ids()) == 1


def test_what_a_connection_did_before_says_nothing_about_what_it_may(store: Store, a_cluster: Make) -> None:
    """Transactions that follow each other have the same connection."""
    for present, name in enumerate(("orders", "payments"), start=1):
        with store.write() as tx:
            tx.clusters.insert(a_cluster(name), ClusterStatus())
        with pytest.raises(StoreError, match="reading transaction tried to write"), store.read() as tx:
            tx.clusters.insert(a_cluster("refused"), ClusterStatus())
        with store.read() as tx:
            assert len(tx.clusters.live_ids()) == present


def test_a_write_inside_a_write_is_told_and_does_not_hang(store: Store) -> None:
    with store.write(), pytest.raises(RuntimeError, match="open in this thread already"), store.write():
        pass
    with store.write() as tx:
        assert tx.identity.term() == 0


def test_a_control_plane_whose_term_is_over_writes_nothing(url: str, key: bytes, a_cluster: Make) -> None:
    old, new = Store(url, key), Store(url, key)
    assert (old.raise_term(), new.raise_term(), old.term()) == (1, 2, 2)
    with pytest.raises(Superseded, match="another one began term 2"), old.write() as tx:
        tx.clusters.insert(a_cluster(), ClusterStatus())
    with new.write() as tx:
        assert tx.clusters.live_ids() == []
    old.close()
    new.close()


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in sorted(folder.glob("store.sqlite3*")) if path.suffix != ".sqlite3-shm"
    }
