"""A look into a home's store that leaves no trace: no file is made, nothing is migrated, nothing is locked for others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from penstock.settings import Settings
from penstock.store.dialect import advice
from penstock.store.errors import StoreError
from penstock.store.migration import NEWEST, revision
from penstock.store.seal import Seal, load_key
from penstock.store.transaction import Transaction


@contextmanager
def glance(settings: Settings, *, whole: bool = False) -> Iterator[Transaction]:
    """Rows as they are. `whole`: check the file's structure first. Raises StoreError, also where there is no store."""
    path = _path(settings)
    if not (settings.home / "key").is_file() or not path.is_file():
        raise StoreError(f"{settings.home} has no store yet; `penstock up` makes one.")
    try:
        with closing(sqlite3.connect(_url(path), uri=True, timeout=5)) as opened:
            engine = sa.create_engine("sqlite://", creator=lambda: opened, poolclass=StaticPool)
            with engine.connect() as connection:
                _look(connection, path, whole)
                yield Transaction(connection, Seal(load_key(settings.home / "key")), lambda: datetime.now(UTC))
    except (DatabaseError, sqlite3.Error) as error:
        said = str(error.orig) if isinstance(error, DatabaseError) else str(error)
        raise StoreError(f"The store {path} cannot be read: {said}. {advice(said)}") from error


def _look(connection: sa.Connection, path: Path, whole: bool) -> None:
    if whole and (said := connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()) != "ok":
        raise StoreError(f"The store {path} is damaged: {said}. Restore it from a backup.")
    found = revision(connection)
    if found != NEWEST:
        raise StoreError(
            f"The store {path} is at revision {found or 'none'}, and this Penstock reads {NEWEST}. "
            "The next `penstock up` brings it there."
        )


def _path(settings: Settings) -> Path:
    parsed = sa.make_url(settings.database)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise StoreError(f"The store {parsed.render_as_string()} is no SQLite file. Use a SQLite URL with a path.")
    return Path(parsed.database)


def _url(path: Path) -> str:
    if not path.with_name(f"{path.name}-wal").exists():
        # The file is complete in itself; opened as usual, it would get a write-ahead log.
        return f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    untouched = "&readonly_shm=1" if path.with_name(f"{path.name}-shm").exists() else ""
    return f"{path.absolute().as_uri()}?mode=ro{untouched}"
