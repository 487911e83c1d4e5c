"""Dates of certificates: from when to when one is valid, and when it is time for the next."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from penstock.pki.authority import BACKDATED, AuthorityError


def validity(pem: bytes) -> tuple[datetime, datetime]:
    """(not before, not after), UTC, of the first certificate in a PEM file; a leaf's own comes before its chain.

    Raises AuthorityError where there is none."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise AuthorityError(f"No certificate can be read in this PEM ({error}): issue it again.") from error
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def renewal_at(not_before: datetime, not_after: datetime) -> datetime:
    """Two thirds of a life: late enough to be rare, early enough that a month of failures harms nobody."""
    return not_before + (not_after - not_before) * 2 / 3


def renewal_due(not_before: datetime, not_after: datetime, now: datetime) -> bool:
    """Whether the certificate should be replaced: its renewal date has come, or its life has not begun by this clock.

    The second is a clock that went back since the issue: what was issued is of no use until the clock is there again."""
    return now >= renewal_at(not_before, not_after) or now < not_before


def issued_at(not_before: datetime) -> datetime:
    """When a certificate of ours was issued: its life begins a little earlier, for clocks that are behind."""
    return not_before + BACKDATED
