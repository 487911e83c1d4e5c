"""Reading a request's body without trusting its size."""

from __future__ import annotations

import anyio
from starlette.types import Receive

from penstock.wire.errors import BadRequest, PayloadTooLarge

LIMIT = 1024 * 1024
"""Bytes of the largest body that is read (1 MiB)."""
_DRAIN = 8 * LIMIT
"""How much of a larger one is thrown away before the refusal, so that the client is still there to hear it."""
SECONDS = 30
"""How long a body may take to arrive."""


class Disconnected(Exception):
    """The client went away before its request was complete; nobody waits for an answer."""


async def read_body(receive: Receive, stated: bytes | None) -> bytes:
    """The whole body. `stated` is the Content-Length header. PayloadTooLarge past LIMIT, BadRequest when it is too slow."""
    too_large = PayloadTooLarge(f"The body is larger than {LIMIT} bytes; no operation takes that much.")
    if stated is not None and stated.isdigit() and int(stated[:20]) > _DRAIN:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    with anyio.move_on_after(SECONDS):
        while size <= _DRAIN:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            size += len(message.get("body", b""))
            if size <= LIMIT:
                chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                if size <= LIMIT:
                    return b"".join(chunks)
                break
        raise too_large
    raise BadRequest(f"The body did not arrive within {SECONDS} s; send the request again.")
