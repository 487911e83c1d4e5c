"""When a certificate is renewed, by clocks that are right and by clocks that are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from penstock.model.node import Issuer, Leaf
from penstock.pki.authority import Authority, AuthorityError
from penstock.pki.leaves import renewal_at, renewal_due, validity

BORN = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = BORN + timedelta(days=30)


@pytest.mark.parametrize(
    ("what", "now", "due"),
    [
        ("just issued", BORN, False),
        ("early in its life", BORN + timedelta(days=10), False),
        ("a moment before two thirds", BORN + timedelta(days=20) - timedelta(microseconds=1), False),
        ("at two thirds", BORN + timedelta(days=20), True),
        ("late", ENDS - timedelta(seconds=1), True),
        ("at its end", ENDS, True),
        ("long after expiry", ENDS + timedelta(days=3650), True),
        ("by a clock that went back before its birth", BORN - timedelta(seconds=1), True),
        ("by a clock in another zone", (BORN + timedelta(days=10)).astimezone(), False),
    ],
)
def test_renewal_under_a_warped_clock(what: str, now: datetime, due: bool) -> None:
    assert renewal_due(BORN, ENDS, now) is due, what


def test_renewal_is_at_two_thirds_of_a_life() -> None:
    assert renewal_at(BORN, ENDS) == BORN + timedelta(days=20)


def test_the_dates_of_an_issued_leaf_are_its_own_and_not_its_chains() -> None:
    authority = Authority.create("home", BORN)
    pem = authority.issue(Leaf("x", Issuer.HOME, "node-1", (), (), 30), BORN)
    not_before, not_after = validity(pem)
    assert not_after == ENDS
    assert BORN - timedelta(minutes=10) < not_before < BORN, "clients with slow clocks are let in"
    assert not renewal_due(not_before, not_after, BORN)
    assert validity(authority.certificate_pem)[1] == BORN + timedelta(days=7300)


def test_a_leaf_renewed_after_expiry_is_good_again() -> None:
    authority = Authority.create("home", BORN)
    late = ENDS + timedelta(days=100)
    assert not renewal_due(*validity(authority.issue(Leaf("x", Issuer.HOME, "n", (), (), 30), late)), late)


def test_a_file_without_certificate_is_a_sentence() -> None:
    for pem in (b"", Authority.create("home", BORN).key_pem, b"\xff\xfe"):
        with pytest.raises(AuthorityError, match=r"No certificate can be read .* issue it again"):
            validity(pem)
