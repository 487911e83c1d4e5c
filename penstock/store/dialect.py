"""What differs between SQL engines. Everything that is true of SQLite alone is in this file."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from penstock.store.errors import StoreError

BUSY_SECONDS = 10.0
"""How long a writer waits for a writer in another process."""
_MAY_WRITE = "penstock_may_write"


def connect(url: str) -> sa.Engine:
    """An engine whose transactions are durable once committed. Raises StoreError for an engine that is not known."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(
            f"The store {parsed.render_as_string()} is on {parsed.get_backend_name()}, which this version of Penstock "
            "does not know how to use safely. Use a SQLite URL (sqlite:////path/to/a/file), or none at all."
        )
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError("A store in memory would forget its clusters. Use a SQLite URL with a path.")
    _make_private(Path(parsed.database))
    engine = sa.create_engine(
        parsed, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, pool_size=8, max_overflow=-1
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _make_private(path: Path) -> None:
    """SQLite gives its -wal and -shm files the mode of the database, so we make the database, with the right one."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(
            f"The store {path} cannot be opened: {error.strerror}. Let the user that runs Penstock write there."
        ) from error


def _prepare(connection: Any, _: object) -> None:
    # None: the driver begins nothing by itself, so that `begun` can say how.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        mode = _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    except sqlite3.DatabaseError as error:
        raise StoreError(f"The store cannot be opened: {error}. {advice(str(error))}") from error
    finally:
        cursor.close()
    if mode != "wal":
        raise StoreError(
            f"SQLite cannot keep a write-ahead log here (it says {mode!r}), so a crash could undo promises. "
            "Put the home on a local file system."
        )


def _write_ahead(cursor: sqlite3.Cursor) -> str:
    """The journal's mode, now and for good. The switch to it ignores SQLite's own patience with other openers."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = cursor.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return str(mode)


@contextmanager
def begun(engine: sa.Engine, *, writes: bool) -> Iterator[sa.Connection]:
    """A connection in one transaction: committed at the end of the block, rolled back when the block raises.

    The only way to a connection. No event of the engine begins it: with one listener, it asks for listeners at every
    statement, which takes as long as the statement."""
    with engine.connect() as connection:
        if connection.info.get(_MAY_WRITE) is not writes:  # what SQLite was last told, which stays with its connection
            connection.exec_driver_sql(f"PRAGMA query_only={0 if writes else 1}")
            connection.info[_MAY_WRITE] = writes
        # A read that turns into a write fails at once under WAL when another writer was quicker; so writers say it first,
        # and readers cannot write at all.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        yield connection
        connection.commit()


ROOM_BYTES = 2 << 20
LOG_PAGES = 200
"""The log is brought into the database after so many pages (of 4 KiB), well before it needs more than that room."""


def make_room(engine: sa.Engine) -> None:
    """Let the database have room inside its own files, so that it can be written when the disk is full.

    What is inserted and deleted again leaves free pages and a log of that length, and SQLite uses both before it asks the
    disk for more. A server's database is the server's care."""
    if engine.dialect.name != "sqlite":
        return
    for statements in (
        ("CREATE TABLE IF NOT EXISTS room (filler BLOB)", f"INSERT INTO room VALUES (zeroblob({ROOM_BYTES}))"),  # noqa: S608 - our number
        ("DROP TABLE room",),
    ):
        with begun(engine, writes=True) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA wal_checkpoint(RESTART)")  # the log begins anew inside the length that it has
    finally:
        raw.close()


def no_room(said: str) -> bool:
    """Do the engine's words mean a full disk? Under WAL SQLite may call it an I/O error."""
    return "full" in said or "disk I/O error" in said


def advice(said: str) -> str:
    """What to do about an error of the engine, by its own words."""
    if "locked" in said:
        return f"Another process has been writing for more than {BUSY_SECONDS:.0f} s: end it, or wait, and repeat."
    if "readonly" in said:
        return "This user may not write the file, or a reading transaction tried to write."
    if no_room(said):
        return "Make room on the disk; nothing of what was written before is lost."
    if "malformed" in said or "not a database" in said:
        return "The file is damaged: restore it from a backup."
    return "Look at the disk and at the home's folder."
