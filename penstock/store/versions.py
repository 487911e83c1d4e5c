"""`CurrentVersion`: an opaque string for each count of a cluster's versions.

Looks like MSK's own (`KTVPDKIKX0DER`, `K2EUQ1WTGCTBG2`; msk.md 1.1): `K` and a 64-bit number in base 36, 13 or 14
characters in all. Invariant: one to one for each cluster, so no string ever comes back; keyed by the cluster's id, so
the next one cannot be guessed by counting."""

from __future__ import annotations

import hashlib

from penstock.model.ids import ClusterId

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LEAST = 36**11
"""The smallest number with twelve digits; everything from here to 2**64 has twelve or thirteen."""
_ROUNDS = 4


def current_version(cluster: ClusterId, version: int) -> str:
    """The string for the `version`-th version (from 1) of a cluster."""
    number = _LEAST + version
    while True:
        number = _permute(cluster.encode(), number)
        # Walking on until the result is in the range that the input came from keeps it one to one inside the range.
        if number >= _LEAST:
            return "K" + _base36(number)


def _permute(key: bytes, number: int) -> int:
    """A Feistel network: a permutation of the 64-bit numbers whatever the round function is."""
    left, right = number >> 32, number & 0xFFFFFFFF
    for turn in range(_ROUNDS):
        mixed = hashlib.blake2b(right.to_bytes(4, "big") + bytes([turn]) + key, digest_size=4).digest()
        left, right = right, left ^ int.from_bytes(mixed, "big")
    return left << 32 | right


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
