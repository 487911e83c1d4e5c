"""Secret values, sealed: keys of authorities, secret halves of access keys."""

from __future__ import annotations

import sqlalchemy as sa
from attrs import frozen

from penstock.store.seal import Seal
from penstock.store.tables import SECRETS

_SEALED = sa.select(SECRETS.c.sealed).where(
    SECRETS.c.owner == sa.bindparam("owner"), SECRETS.c.name == sa.bindparam("name")
)


@frozen
class Secrets:
    """Values by (owner, name). A cluster's own secrets have its id as owner and go when it is forgotten.

    Invariant: plaintext never reaches the engine, nor its files."""

    connection: sa.Connection
    seal: Seal

    def put(self, owner: str, name: str, plaintext: bytes) -> None:
        """Keep a value, replacing the one of that name."""
        sealed = self.seal.close(owner, name, plaintext)
        changed = self.connection.execute(SECRETS.update().where(*_at(owner, name)).values(sealed=sealed))
        if not changed.rowcount:
            self.connection.execute(SECRETS.insert().values(owner=owner, name=name, sealed=sealed))

    def get(self, owner: str, name: str) -> bytes | None:
        """The value, or None where there is none. Raises WrongKey."""
        sealed = self.connection.scalar(_SEALED, {"owner": owner, "name": name})
        return None if sealed is None else self.seal.open(owner, name, sealed)


def _at(owner: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return SECRETS.c.owner == owner, SECRETS.c.name == name
