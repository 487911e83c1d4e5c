"""Opening a store: from nothing to the newest shape, and, when it is there already, without a trace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from penstock.store import migration
from penstock.store.errors import NewerStore, StoreError
from penstock.store.store import Store
from penstock.store.tables import METADATA

REOPEN = """
import sys
from penstock.store.store import Store
store = Store(sys.argv[1], bytes(range(32)))
with store.read() as tx:
    print(tx.identity.account())
store.close()
assert "alembic" not in sys.modules, "a start with nothing to migrate pays for alembic"
"""


def test_opening_again_keeps_the_identity_writes_nothing_and_imports_no_alembic(
    url: str, key: bytes, tmp_path: Path, another_process: Callable[..., Popen[str]]
) -> None:
    store = Store(url, key)
    with store.read() as tx:
        account = tx.identity.account()
    store.close()
    path = tmp_path / "store.sqlite3"
    before = path.read_bytes()
    again = another_process(REOPEN, url)
    assert again.communicate(timeout=30)[0] == f"{account}\n"
    assert again.returncode == 0
    assert path.read_bytes() == before
    assert account.isdigit()
    assert len(account) == 12


def test_the_migrations_make_the_tables_that_the_code_reads(store: Store, url: str) -> None:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        indexes = sa.inspect(connection).get_indexes("clusters")
    engine.dispose()
    (live_name,) = (index for index in indexes if index["name"] == "clusters_live_name")
    assert live_name["unique"]
    assert str(live_name["dialect_options"]["sqlite_where"]) == "forgotten IS NULL"


def test_the_newest_revision_is_the_one_that_the_code_names() -> None:
    scripts = ScriptDirectory(str(Path(migration.__file__).parent / "migrations"))
    assert scripts.get_heads() == [migration.NEWEST]
    assert all(len(script.revision) == 4 and script.revision.isdigit() for script in scripts.walk_revisions())


def test_a_store_of_a_newer_penstock_is_left_alone(store: Store, url: str, key: bytes) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(NewerStore, match=r"at revision 9999.*a newer one has used this home"):
        Store(url, key)


def test_files_that_are_no_store_and_urls_that_cannot_be_one_are_refused_in_sentences(
    tmp_path: Path, key: bytes
) -> None:
    (tmp_path / "letter").write_text("Dear database, " * 100)
    for url, words in {
        f"sqlite:///{tmp_path}/letter": "not a database. The file is damaged",
        f"sqlite:///{tmp_path}/no/such/folder": "Let the user that runs Penstock write there",
        "sqlite://": "would forget its clusters",
        "postgresql://penstock:hidden@db/penstock": "does not know how to use safely",
    }.items():
        with pytest.raises(StoreError, match=words) as refusal:
            Store(url, key)
        assert "hidden" not in str(refusal.value)


def test_every_table_and_index_can_be_said_in_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in METADATA.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
    (live_name,) = (i for table in METADATA.sorted_tables for i in table.indexes if i.name == "clusters_live_name")
    assert "WHERE forgotten IS NULL" in str(CreateIndex(live_name).compile(dialect=dialect))


def test_only_one_file_speaks_sqlite() -> None:
    room = Path(sys.modules[Store.__module__].__file__ or "").parent
    speakers = {
        path.name for path in room.glob("*.py") if "PRAGMA" in path.read_text() or "import sqlite3" in path.read_text()
    }
    assert speakers == {"dialect.py"}
