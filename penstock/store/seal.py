"""Sealing of secret columns: AES-256-GCM under a key that lies outside the store.

A seal is bound to its place (owner, name): moved to another row it does not open."""

from __future__ import annotations

import os
from pathlib import Path

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penstock.pki.private_file import create_private
from penstock.store.errors import StoreError, WrongKey

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = b"\x01"
"""First byte of every sealed value; another form of sealing gets another number."""


def load_key(path: Path) -> bytes:
    """The sealing key in the file, made at first use with mode 0600. Raises StoreError; the key is 32 bytes."""
    try:
        if not path.exists():
            create_private(path, os.urandom(KEY_BYTES))
        mode, key = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"The sealing key {path} cannot be used: {error.strerror}. Give the user that runs Penstock that file."
        ) from error
    if mode & 0o077:
        raise StoreError(
            f"The sealing key {path} is open to other users of this machine (mode {mode & 0o777:o}). "
            f"Run `chmod 600 {path}`, and take care who had read it."
        )
    if len(key) != KEY_BYTES:
        raise StoreError(
            f"The sealing key {path} has {len(key)} bytes in place of {KEY_BYTES}: it was damaged. "
            "Restore it from the backup that was made with the store; without it the store's secrets are lost."
        )
    return key


@frozen
class Seal:
    """Closes and opens secret values with one key."""

    key: bytes = field(repr=False)

    def close(self, owner: str, name: str, plaintext: bytes) -> bytes:
        """Form, nonce, ciphertext and tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORM + nonce + AESGCM(self.key).encrypt(nonce, plaintext, _FORM + _place(owner, name))

    def open(self, owner: str, name: str, sealed: bytes) -> bytes:
        """The plaintext. Raises WrongKey where the key or the place is another than at closing."""
        start = len(_FORM) + _NONCE_BYTES
        nonce = sealed[len(_FORM) : start]
        try:
            # The form is part of what is authenticated, so a value of another form does not open either.
            return AESGCM(self.key).decrypt(nonce, sealed[start:], sealed[: len(_FORM)] + _place(owner, name))
        except (InvalidTag, ValueError) as error:
            raise WrongKey(
                f"The secret {name!r} of {owner!r} does not open with this home's sealing key: the key file is not the "
                "one that the store was made with, or the row was changed. Restore the key file that belongs to this store."
            ) from error


def _place(owner: str, name: str) -> bytes:
    return f"{len(owner)}:{owner}/{name}".encode()
