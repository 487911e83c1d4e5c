"""TLS as Penstock speaks it: 1.2 and 1.3, nothing older, with an authority of our own as the only trust."""

from __future__ import annotations

import ssl
from pathlib import Path

PROTOCOLS = ("TLSv1.3", "TLSv1.2")
"""As Kafka writes them (`ssl.enabled.protocols`); the newest first."""


def client_context(authority_pem: bytes, identity: Path | None = None) -> ssl.SSLContext:
    """For reaching a listener whose certificate the authority signed. Names and addresses are checked.

    `identity` is a PEM file of key and chain, as Authority.issue makes it, for listeners that ask for one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=authority_pem.decode("ascii"))
    if identity is not None:
        context.load_cert_chain(identity)
    return context


def server_context(identity: Path, clients: bytes | None = None) -> ssl.SSLContext:
    """For listening with the PEM file `identity`; with `clients`, the PEM of an authority, clients must show a leaf of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(identity)
    if clients is not None:
        context.load_verify_locations(cadata=clients.decode("ascii"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context
