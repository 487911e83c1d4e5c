"""A TLS listener as brokers have them."""

from __future__ import annotations

import ssl
from pathlib import Path


def listening(identity: Path, clients: bytes | None = None) -> ssl.SSLContext:
    """With the PEM file `identity`; with `clients`, the PEM of an authority, clients must show a leaf of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    if clients is not None:
        context.load_verify_locations(cadata=clients.decode("ascii"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context
