"""Paging with opaque tokens: sealed, so that only what was given out comes back, and only to the same question.

A token holds the key of the last item shown. It stays good while items come and go, and across restarts."""

from __future__ import annotations

import json
import os
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import TypeVar

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penstock.wire.call import Call
from penstock.wire.errors import BadRequest

T = TypeVar("T")
Key = tuple[str | int, ...]
"""What a list is ordered by; unique for each item, and of the same types in each."""

LIMIT = 100
"""The most items of one page, and how many a page has where the call does not say (msk.md 1.1)."""
_PAGING = ("maxresults", "nexttoken")
_NONCE = 12


@frozen
class Pages:
    """Cuts lists into pages. `secret` seals the tokens: any bytes that survive a restart."""

    secret: bytes = field(repr=False)

    def page(self, items: Iterable[T], call: Call, key: Callable[[T], Key]) -> tuple[list[T], str | None]:
        """The page that the call asks for, in the order of `key`, and the token of the next one (None: this is the last).

        BadRequest for a `maxResults` outside 1..100 and for a token that was not given for this very list."""
        size, last = self.asked(call)
        ordered = sorted(items, key=key)
        if last is not None:
            ordered = [item for item in ordered if key(item) > last]
        shown = ordered[:size]
        return shown, self.token(key(shown[-1]), call) if len(ordered) > size else None

    def asked(self, call: Call) -> tuple[int, Key | None]:
        """How many items the call asks for at most, and the key after which they begin (None: at the beginning).

        For lists that lie elsewhere and are read a page at a time. BadRequest as above."""
        asked = {name.lower(): value for name, value in call.params.items()}
        size = asked.get("maxresults", LIMIT)
        if not 1 <= size <= LIMIT:
            raise BadRequest(f"maxResults must be from 1 to {LIMIT}.", "maxResults")
        token = asked.get("nexttoken")
        return size, None if token is None else self._open(token, call)

    def token(self, last: Key, call: Call) -> str:
        """The token of the page that begins after `last`."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher().encrypt(nonce, json.dumps(last).encode(), _bound(call))
        return urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def _open(self, token: str, call: Call) -> Key:
        try:
            raw = b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
            return tuple(json.loads(self._cipher().decrypt(raw[:_NONCE], raw[_NONCE:], _bound(call))))
        except (ValueError, InvalidTag):
            raise BadRequest(
                "nextToken is not one that this list gave out. Give it back unchanged with the same other parameters, "
                "or leave it out to start again.",
                "nextToken",
            ) from None

    def _cipher(self) -> AESGCM:
        return AESGCM(sha256(b"next tokens:" + self.secret).digest())


def _bound(call: Call) -> bytes:
    """What a token is good for: one operation of one account and region, asked with the same parameters."""
    same = sorted((name, value) for name, value in call.params.items() if name.lower() not in _PAGING)
    return json.dumps([call.service, call.operation, call.caller.account, call.caller.region, same]).encode()
