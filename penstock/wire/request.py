"""A request as it came in: bytes, before anything is decoded."""

from __future__ import annotations

import re
from functools import cached_property
from hashlib import sha256
from urllib.parse import unquote_to_bytes

from attrs import define, field

_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@define(frozen=True, slots=False)
class Request:
    """Method, RAW path (an ARN in it is still percent-encoded), raw query string, headers with lower-case names, body.

    Invariant: nothing here was decoded, so a signature over it can be checked byte by byte."""

    method: str
    path: bytes
    query: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> bytes | None:
        """The value of a header, several joined by commas, spaces at its ends removed; None where it is absent."""
        values = [value.strip() for key, value in self.headers if key == name]
        return b",".join(values) if values else None

    @cached_property
    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        """The query parameters, raw, in the order in which they came; `a` and `a=` are the same."""
        return split(self.query)

    @cached_property
    def body_hash(self) -> str:
        """SHA-256 of the body, hexadecimal."""
        return sha256(self.body).hexdigest()


def split(form: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The raw (name, value) pairs of a query string or of a form body; empty pieces (`&&`) are no pairs."""
    pieces = (piece.partition(b"=") for piece in form.split(b"&") if piece)
    return tuple((name, value) for name, _, value in pieces)


def decode(raw: bytes, *, plus: bool) -> str:
    """Percent-decoded text, once. `plus`: a `+` is a space, as in query strings. ValueError (a sentence) where it is no text."""
    if _ESCAPE.search(raw):
        raise ValueError("it holds a % that two hexadecimal digits do not follow; write a literal % as %25")
    if plus:
        raw = raw.replace(b"+", b" ")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise ValueError("its percent-encoded bytes are not UTF-8") from None
