"""Bringing a store to the newest revision. One that is current is only read: nothing is imported, nothing written."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from penstock.store.dialect import begun
from penstock.store.errors import NewerStore

NEWEST = "0004"
"""The revision of the last file in migrations/versions; revisions are numbers of four digits that count up."""
VERSION_TABLE = "alembic_version"


def migrate(engine: sa.Engine) -> bool:
    """Bring the store to NEWEST, in one transaction; False where it was there. Raises NewerStore."""
    with begun(engine, writes=False) as connection:
        if revision(connection) == NEWEST:
            return False
    # alembic costs a quarter of a second, which a start that has nothing to migrate does not pay.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with begun(engine, writes=True) as connection:
        if revision(connection) == NEWEST:  # another process was quicker
            return False
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


def revision(connection: sa.Connection) -> str | None:
    """The revision that the store is at, None where it is empty. Raises NewerStore."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))
    if found is not None and found > NEWEST:
        raise NewerStore(
            f"The store is at revision {found}, and this Penstock knows none after {NEWEST}: a newer one "
            "has used this home. Install that version again, or point this one at another home."
        )
    return found
