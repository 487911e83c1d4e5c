"""Configurations in the store: revisions that never change, names that are unique, and who uses which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from attrs import evolve

from penstock.model.ids import configuration_arn
from penstock.model.operation import OperationKind, OperationState
from penstock.model.spec import ClusterSpec, ClusterStatus
from penstock.store import migration
from penstock.store.codec import encode
from penstock.store.configurations import MOST_CONFIGURATIONS, MOST_REVISIONS
from penstock.store.errors import NameTaken, QuotaReached, StoreError
from penstock.store.records import ConfigurationRecord, RevisionRecord
from penstock.store.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "us-east-1"
ODD = bytes(range(256)) + b"\r\n\\\x00 "


def made(name: str = "tuned", *, account: str = ACCOUNT, region: str = REGION, after: int = 0) -> ConfigurationRecord:
    at = NOW + timedelta(seconds=after)
    arn = configuration_arn(region, account, name, f"00000000-0000-4000-8000-{after:012}")
    first = RevisionRecord(1, at, "the first", ODD)
    return ConfigurationRecord(arn, account, region, name, at, ("4.3.x.kraft",), "the first", first)


def test_what_was_inserted_comes_back_byte_for_byte(store: Store) -> None:
    with store.write() as tx:
        tx.configurations.insert(made())
    with store.read() as tx:
        assert tx.configurations.by_arn(made().arn) == made()
        assert tx.configurations.revision(made().arn, 1) == made().latest
        assert tx.configurations.by_arn("another") is None
        assert tx.configurations.revision(made().arn, 2) is None


def test_a_new_revision_leaves_the_old_ones_as_they_are(store: Store) -> None:
    arn, later = made().arn, NOW + timedelta(hours=1)
    with store.write() as tx:
        tx.configurations.insert(made())
        said = tx.configurations.add_revision(arn, b"a=2", later, "the second")
        silent = tx.configurations.add_revision(arn, b"", later)
    assert (said.latest, said.description) == (RevisionRecord(2, later, "the second", b"a=2"), "the second")
    assert (silent.latest.description, silent.description) == (None, "the second")
    with store.read() as tx:
        assert [revision.properties for revision in tx.configurations.revisions(arn)] == [ODD, b"a=2", b""]
        assert tx.configurations.get(arn) == silent


def test_a_name_is_unique_in_its_account_and_region_until_it_is_deleted(store: Store) -> None:
    with store.write() as tx:
        tx.configurations.insert(made())
        tx.configurations.insert(made(region="eu-west-1", after=1))
        tx.configurations.insert(made(account="2" * 12, after=2))
        tx.configurations.insert(made("Tuned", after=3))
    with (
        pytest.raises(NameTaken, match="'tuned' exists in account 123456789012, region us-east-1"),
        store.write() as tx,
    ):
        tx.configurations.insert(made(after=4))
    with store.write() as tx:
        tx.configurations.delete(made().arn)
        tx.configurations.insert(made(after=4))
    with store.read() as tx:
        assert [record.name for record in tx.configurations.list(ACCOUNT, REGION)] == ["Tuned", "tuned"]
        assert tx.configurations.revisions(made().arn) == []


def test_the_database_itself_refuses_a_second_name(store: Store, url: str) -> None:
    """For engines where two writers run at once: the look before the insert is a courtesy, the index is the rule."""
    with store.write() as tx:
        tx.configurations.insert(made())
    columns = "account, region, name, created, kafka_versions, description"
    copy = f"INSERT INTO configurations (arn, {columns}) SELECT 'x', {columns} FROM configurations"
    engine = sa.create_engine(url)
    with pytest.raises(sa.exc.IntegrityError, match=r"configurations\.name"), engine.begin() as connection:
        connection.exec_driver_sql(copy)
    engine.dispose()


def test_there_is_a_last_configuration_and_a_last_revision(store: Store) -> None:
    with store.write() as tx:
        for number in range(MOST_CONFIGURATIONS):
            tx.configurations.insert(made(f"c{number}", after=number))
        for number in range(2, MOST_REVISIONS + 1):
            assert tx.configurations.add_revision(made("c0").arn, b"", NOW).latest.revision == number
    with pytest.raises(QuotaReached, match="at most 100 configurations"), store.write() as tx:
        tx.configurations.insert(made("c100", after=100))
    with pytest.raises(QuotaReached, match="c0 has 50 revisions"), store.write() as tx:
        tx.configurations.add_revision(made("c0").arn, b"", NOW)
    with store.write() as tx:  # another region counts by itself
        tx.configurations.insert(made("c100", region="eu-west-1", after=100))


def test_what_is_not_there_has_no_next_revision(store: Store) -> None:
    with pytest.raises(StoreError, match="deleted, or never made"), store.write() as tx:
        tx.configurations.add_revision(made().arn, b"", NOW)
    late = evolve(made(), latest=RevisionRecord(2, NOW, None, b""))
    with pytest.raises(ValueError, match="begins with revision 1"), store.write() as tx:
        tx.configurations.insert(late)


def test_a_cluster_runs_with_what_its_revision_holds_and_never_with_less(
    store: Store, a_cluster: Callable[..., ClusterSpec]
) -> None:
    spec, arn = a_cluster("orders"), made().arn
    with store.write() as tx:
        tx.configurations.insert(made())
        tx.configurations.add_revision(arn, b"a=2", NOW)
        of = tx.configurations.properties_of
        assert of(spec) == b""
        assert [of(evolve(spec, configuration=(arn, number))) for number in (1, 2)] == [ODD, b"a=2"]
        with pytest.raises(StoreError, match=r"orders runs with revision 3 of .*, which the store does not hold"):
            of(evolve(spec, configuration=(arn, 3)))


def test_users_are_the_clusters_that_name_it_in_any_revision(
    store: Store, a_cluster: Callable[..., ClusterSpec]
) -> None:
    one, other = made(), made("other", after=1)
    specs = [
        a_cluster("plain"),
        a_cluster("first", configuration=(one.arn, 1)),
        a_cluster("leaving", configuration=(one.arn, 2), removed=True),
        a_cluster("strange", configuration=(other.arn, 1)),
        a_cluster("gone", configuration=(one.arn, 1)),
    ]
    with store.write() as tx:
        for spec in specs:
            tx.clusters.insert(spec, ClusterStatus())
        tx.clusters.forget(specs[-1].id, NOW, "deleted")
    with store.read() as tx:
        assert {(spec.name, revision) for spec, revision in tx.configurations.users(one.arn)} == {
            ("first", 1),
            ("leaving", 2),
        }
        assert tx.configurations.users(other.arn) == [(specs[3], 1)]


def test_an_update_that_may_go_back_still_uses_what_it_goes_back_to(
    store: Store, a_cluster: Callable[..., ClusterSpec]
) -> None:
    one, other = made(), made("other", after=1)
    spec = a_cluster("changing", configuration=(other.arn, 1))
    target = {"before": {"configuration": (one.arn, 3)}}
    with store.write() as tx:
        tx.clusters.insert(spec, ClusterStatus())
        kind = OperationKind.UPDATE_CLUSTER_CONFIGURATION
        operation = tx.operations.open(kind, spec.id, {}, target, "request", NOW)
    with store.write() as tx:
        assert tx.configurations.users(one.arn) == [(spec, 3)]
        assert tx.configurations.users(other.arn) == [(spec, 1)]
        tx.operations.close(operation, OperationState.UPDATE_COMPLETE, NOW)
        assert tx.configurations.users(one.arn) == []


def test_tags_are_kept_as_given(store: Store) -> None:
    with store.write() as tx:
        tx.configurations.insert(made())
        assert tx.configurations.get(made().arn).tags == {}
        tx.configurations.tag(made().arn, {"team": "a"})
        tx.configurations.add_revision(made().arn, b"", NOW)
    with store.read() as tx:
        assert tx.configurations.get(made().arn).tags == {"team": "a"}


@pytest.fixture
def yesterday(url: str, a_cluster: Callable[..., ClusterSpec]) -> ClusterSpec:
    """A store as the first Penstock left it, with a cluster in it."""
    spec = a_cluster()
    document = encode(spec)
    del document["configuration"]
    config = Config()
    config.set_main_option("script_location", str(Path(migration.__file__).parent / "migrations"))
    engine = sa.create_engine(url)
    clusters = sa.table(
        "clusters",
        *(sa.column(name) for name in ("id", "arn", "account", "region", "name", "state", "version", "last_words")),
        sa.column("created", sa.DateTime),
        *(sa.column(name, sa.JSON) for name in ("spec", "status", "quarantined")),
    )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            clusters.insert().values(
                id=spec.id,
                arn=spec.arn,
                account=spec.account,
                region=spec.region,
                name=spec.name,
                state="CREATING",
                version=1,
                last_words="",
                created=spec.created.replace(tzinfo=None),
                spec=document,
                status=encode(ClusterStatus()),
                quarantined=[],
            )
        )
    engine.dispose()
    return spec


def test_a_store_of_yesterday_keeps_its_clusters_and_takes_configurations(
    yesterday: ClusterSpec, url: str, key: bytes
) -> None:
    store = Store(url, key)
    with store.write() as tx:
        record = tx.clusters.get(yesterday.id)
        tx.configurations.insert(made())
    assert record is not None
    assert record.spec == yesterday
    assert record.spec.configuration is None
    store.close()
