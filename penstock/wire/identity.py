"""Whose access key it is."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen


@frozen
class Identity:
    """The owner of an access key. `session_token` is the token that must come with the key; None: none may come.

    `user_id` is what GetCallerIdentity shows: the account for a root key, `AIDA…` for a user."""

    access_key: str
    secret: str = field(repr=False)
    account: str
    arn: str
    session_token: str | None = field(default=None, repr=False)
    user_id: str = ""


FindIdentity = Callable[[str], Identity | None]
"""Access key -> its identity, None for a key that nobody has."""


def root(account: str, access_key: str, secret: str) -> Identity:
    """The root key of an account."""
    return Identity(access_key, secret, account, f"arn:aws:iam::{account}:root")
