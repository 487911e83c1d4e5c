"""Who this home is: its account, its root key, its term. Made once, with the store."""

from __future__ import annotations

import secrets as randomness
from base64 import b64encode
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from penstock.store.errors import StoreError
from penstock.store.records import AccessKey
from penstock.store.secrets import Secrets
from penstock.store.tables import ACCESS_KEYS, HOME, SECRETS

_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SECRET_OWNER = "access-key"  # noqa: S105 - an owner's name
_KEY = sa.select(ACCESS_KEYS.c.account, SECRETS.c.sealed).where(
    ACCESS_KEYS.c.id == sa.bindparam("id"), SECRETS.c.owner == _SECRET_OWNER, SECRETS.c.name == ACCESS_KEYS.c.id
)


@frozen
class Identity:
    """Invariant: account and root key never change once the home is founded; the term only grows."""

    connection: sa.Connection
    secrets: Secrets

    def account(self) -> str:
        """The 12 digits of this home's account."""
        return str(self._home().account)

    def root_key(self) -> AccessKey:
        """The key of the account's root. Raises WrongKey where its secret half does not open."""
        key = self.find(self._home().root_key)
        if key is None:
            raise StoreError("The root key's row is missing: the store was damaged. Restore it from a backup.")
        return key

    def find(self, access_key_id: str) -> AccessKey | None:
        """The access key of that id. Raises WrongKey where its secret half does not open."""
        row = self.connection.execute(_KEY, {"id": access_key_id}).one_or_none()
        if row is None:
            return None
        secret = self.secrets.seal.open(_SECRET_OWNER, access_key_id, row.sealed)
        return AccessKey(access_key_id, row.account, secret.decode())

    def founded(self) -> bool:
        """Whether the home has its account, key and term."""
        return self.connection.scalar(sa.select(HOME.c.id)) is not None

    def found(self) -> None:
        """Make the account, the root key and the term, which begins at 0."""
        account = f"{randomness.randbelow(900_000_000_000) + 100_000_000_000}"
        key = "AKIA" + "".join(randomness.choice(_KEY_LETTERS) for _ in range(16))
        self.connection.execute(ACCESS_KEYS.insert().values(id=key, account=account))
        # 30 bytes are the 40 characters that AWS's own secrets have.
        self.secrets.put(_SECRET_OWNER, key, b64encode(randomness.token_bytes(30)))
        self.connection.execute(HOME.insert().values(id=1, account=account, root_key=key, term=0))

    def term(self) -> int:
        """How often a control plane was started on this home."""
        return int(self._home().term)

    def put_term(self, term: int) -> None:
        self.connection.execute(HOME.update().values(term=term))

    def _home(self) -> sa.Row[Any]:
        return self.connection.execute(sa.select(HOME)).one()
